"""Durable, chained, exclusive, and never an id twice."""

import asyncio
import contextlib
import shutil
import threading
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import apsw
import pytest

from tests.trader.support import BTC, make_fill, make_order
from trader.journal import Journal, JournalError, Record, records
from trader.journal.journal import RESERVE
from trader.journal.records import Kind
from trader.journal.writer import CHECKPOINT_PAGES, FOLD_AT
from trader.model.orders import asset_changes
from trader.model.transitions import OrderState


def open_journal(folder: Path, **changes: object) -> Journal:
    settings: dict[str, object] = {"host": "trader-01", "account": "one", "epoch": 1, "release": "dev"}
    return Journal.open(folder / "j.sqlite", **{**settings, **changes})  # type: ignore[arg-type]


class Opened:
    """A journal that runs, and what its callbacks were told."""

    def __init__(self, folder: Path) -> None:
        self.journal = open_journal(folder)
        self.commits: list[int] = []
        self.errors: list[JournalError] = []
        self.journal.start(lambda seconds, count: self.commits.append(count), self.errors.append)


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    running = Opened(tmp_path)
    yield running
    if running.journal.error is None:
        await running.journal.close()


async def test_what_was_durable_is_there_after_a_restart(tmp_path: Path) -> None:
    running = Opened(tmp_path)
    order = make_order(running.journal.next_client_id())
    await running.journal.append(records.intent(order))
    order.state, order.venue_order_id = OrderState.PARTIALLY_FILLED, "77"
    fill = make_fill()
    changes = asset_changes(fill, BTC)
    await running.journal.append(records.fill(order.client_id, fill, changes))
    await running.journal.append(records.fill(order.client_id, fill, changes))
    await running.journal.append(records.state(order))
    await running.journal.append(records.baseline({"BTC": Decimal(2)}, {"BTC/USDT": "5"}))
    await running.journal.close()

    journal = open_journal(tmp_path)
    snapshot = journal.snapshot()
    [found] = snapshot.orders
    assert (found.client_id, found.state, found.venue_order_id) == (order.client_id, order.state, "77")
    assert (found.price, found.filled, found.trade_ids) == (order.price, Decimal("0.004"), {"1"})
    assert snapshot.positions == {"BTC/USDT": Decimal("0.004")}
    assert snapshot.changes == {"BTC": Decimal("0.00399"), "USDT": Decimal("-240.000")}
    assert snapshot.baseline == {"BTC": Decimal(2), "USDT": Decimal(0)}
    assert snapshot.cursors == {"BTC/USDT": "5"}
    await journal.close()


async def test_final_orders_are_found_but_not_loaded(opened: Opened, tmp_path: Path) -> None:
    order = make_order(opened.journal.next_client_id())
    await opened.journal.append(records.intent(order))
    order.state, order.venue_order_id = OrderState.CANCELED, "77"
    await opened.journal.append(records.state(order))
    by_id = await opened.journal.find(client_id=order.client_id)
    by_venue_id = await opened.journal.find(venue_order_id="77")
    assert by_id is not None
    assert by_venue_id is not None
    assert by_id.client_id == by_venue_id.client_id == order.client_id
    assert await opened.journal.find(client_id="nobody-1-1") is None
    await opened.journal.close()
    again = open_journal(tmp_path)
    assert again.snapshot().orders == []
    await again.close()
    opened.journal = open_journal(tmp_path)


async def test_records_that_queue_up_share_a_commit(opened: Opened) -> None:
    notes = [opened.journal.append(records.note(str(number))) for number in range(100)]
    await asyncio.gather(*notes)
    assert sum(opened.commits) == 100
    assert len(opened.commits) < 100


async def test_intents_that_come_together_share_one_commit(opened: Opened) -> None:
    """Counted by SQLite too: each of its commits is an fsync."""
    transactions: list[str] = []
    waiting, go = threading.Event(), threading.Event()

    def wait(connection: apsw.Connection) -> None:
        waiting.set()
        go.wait(10)

    def committed() -> bool:
        transactions.append("commit")
        return False

    writer = opened.journal._writer
    assert writer is not None
    await writer.submit(lambda connection: connection.set_commit_hook(committed))
    busy = writer.submit(wait)
    await asyncio.to_thread(waiting.wait, 10)
    transactions.clear()
    opened.commits.clear()
    intents = [opened.journal.append(records.intent(make_order(f"trader-01-1-{n}"))) for n in range(20)]
    go.set()
    await asyncio.gather(busy, *intents)
    assert opened.commits == [20]
    assert transactions == ["commit"] * 2, "the one that waited, and the one with all intents"


async def test_what_was_durable_is_there_after_a_crash_that_took_the_tables(tmp_path: Path) -> None:
    """An intent is durable before the tables know of it; the next start brings them up to date."""
    running = Opened(tmp_path)
    await running.journal.append(records.intent(make_order("trader-01-1-1")))
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for file in ("j.sqlite", "j.sqlite-wal"):  # what a kill at this moment leaves
        shutil.copy(tmp_path / file, crashed / file)
    connection = apsw.Connection(str(tmp_path / "j.sqlite"))
    assert connection.execute("SELECT count(*) FROM orders").fetchone() == (0,), "the tables lag"
    connection.close()
    await running.journal.close()
    for folder in (crashed, tmp_path):
        again = open_journal(folder)
        assert [order.client_id for order in again.snapshot().orders] == ["trader-01-1-1"]
        await again.close()


async def test_a_question_is_answered_from_tables_that_do_not_lag(opened: Opened) -> None:
    await opened.journal.append(records.intent(make_order("trader-01-1-1")))
    assert await opened.journal.find(client_id="trader-01-1-1") is not None


async def test_reserved_numbers_never_lag(opened: Opened, tmp_path: Path) -> None:
    """A release that knows nothing of the lag reads them from the tables: it would give ids again."""
    await opened.journal.append(records.intent(make_order("trader-01-1-1")))
    await opened.journal.append(Record(Kind.RESERVED, {"below": 5_000}))
    connection = apsw.Connection(str(tmp_path / "j.sqlite"))
    assert connection.execute("SELECT value FROM meta WHERE key = 'reserved'").fetchone() == ("5000",)
    assert connection.execute("SELECT count(*) FROM orders").fetchone() == (1,), "in their order"
    connection.close()


async def test_tables_never_lag_far(opened: Opened, tmp_path: Path) -> None:
    for number in range(FOLD_AT + 1):
        await opened.journal.append(records.intent(make_order(f"trader-01-1-{number}")))
    connection = apsw.Connection(str(tmp_path / "j.sqlite"))
    assert connection.execute("SELECT count(*) >= ? FROM orders", (FOLD_AT,)).fetchone() == (1,)
    connection.close()


async def test_the_wal_does_not_grow_for_ever(opened: Opened, tmp_path: Path) -> None:
    for _ in range(15):
        await asyncio.gather(
            *(opened.journal.append(records.note("x" * 3_000)) for _ in range(CHECKPOINT_PAGES // 5))
        )
        moment = records.note("a moment when nobody waits")
        await opened.journal._writer.submit(moment, urgent=False)  # type: ignore[union-attr]
    assert (tmp_path / "j.sqlite-wal").stat().st_size < 2 * CHECKPOINT_PAGES * 4_096


async def test_a_start_finds_the_day_the_latch_and_whether_there_was_trade(tmp_path: Path) -> None:
    running = Opened(tmp_path)
    assert not running.journal.snapshot().traded
    await running.journal.append(records.intent(make_order("trader-01-1-1")))
    await running.journal.append(records.day({"date": "2026-01-30", "realized": "-3"}))
    await running.journal.append(records.day({"date": "2026-01-31", "realized": "1.5"}))
    await running.journal.append(records.latch("tripped", "pnl", "-200 USD"))
    await running.journal.close()
    journal = open_journal(tmp_path)
    snapshot = journal.snapshot()
    assert snapshot.day == {"date": "2026-01-31", "realized": "1.5"}
    assert snapshot.latch == {"state": "tripped", "by": "pnl", "reason": "-200 USD"}
    assert snapshot.traded
    await journal.close()


async def test_fills_after_the_days_state_come_once_and_whole(tmp_path: Path) -> None:
    running = Opened(tmp_path)
    before, after = make_fill("1"), make_fill("2", realized=Decimal("-0.5"))
    running.journal.later(records.fill("trader-01-1-1", before, {}))
    await running.journal.append(records.day({"day": "2026-01-31"}))
    for fill in (after, after, make_fill("3")):
        running.journal.later(records.fill("trader-01-1-1", fill, {}))
    await running.journal.close()
    journal = open_journal(tmp_path)
    found = journal.snapshot().fills_after_day
    assert [fill.trade_id for fill in found] == ["2", "3"]
    assert found[0] == after
    await journal.close()


async def test_what_nobody_waits_for_is_written_all_the_same(tmp_path: Path) -> None:
    running = Opened(tmp_path)
    for number in range(10):
        running.journal.later(records.note(str(number)))
    await running.journal.append(records.note("the one that is waited for"))
    assert running.commits == [11]
    running.journal.later(records.note("last"))
    await running.journal.close()
    connection = apsw.Connection(str(tmp_path / "j.sqlite"))
    assert connection.execute("SELECT count(*) FROM events WHERE kind = 'note'").fetchone() == (12,)
    connection.close()


async def test_a_record_that_cannot_be_written_is_a_failure_not_a_silence(opened: Opened) -> None:
    with pytest.raises(JournalError, match="KeyError"):
        await opened.journal.append(Record(Kind.BASELINE, {}))
    assert opened.errors


async def test_ids_are_never_given_again_also_after_a_crash(tmp_path: Path) -> None:
    seen: list[str] = []
    for _ in range(3):
        running = Opened(tmp_path)
        seen += [running.journal.next_client_id() for _ in range(5)]
        # Nothing of these ids was written, as if the process had been killed.
        await running.journal.close()
    assert len(set(seen)) == len(seen)


async def test_reserving_goes_on_in_time(opened: Opened) -> None:
    seen = set()
    for number in range(3 * RESERVE):
        seen.add(opened.journal.next_client_id())
        if number % 100 == 0:
            await opened.journal.append(records.note("the disk keeps up"))
    assert len(seen) == 3 * RESERVE


async def test_a_disk_that_does_not_keep_up_ends_in_an_error_not_in_a_repeat(opened: Opened) -> None:
    # The loop is not left meanwhile, so no reservation can be told to be durable.
    for _ in range(RESERVE):
        opened.journal.next_client_id()
    with pytest.raises(JournalError, match="no reserved sequence number left"):
        opened.journal.next_client_id()


async def test_a_full_disk_fails_this_write_and_all_later_ones(opened: Opened) -> None:
    def fill_disk(connection: apsw.Connection) -> None:
        connection.execute("PRAGMA max_page_count = 1")

    await opened.journal._writer.submit(fill_disk)  # type: ignore[union-attr]
    with pytest.raises(JournalError, match=r"j\.sqlite: FullError"):
        await opened.journal.append(records.note("x" * 100_000))
    with pytest.raises(JournalError):
        await opened.journal.append(records.note("small"))
    assert len(opened.errors) >= 1
    assert opened.journal.error is not None
    with pytest.raises(JournalError):
        await opened.journal.close()


async def test_a_full_disk_takes_nothing_that_was_durable(tmp_path: Path) -> None:
    """The intents are durable, the tables can no longer follow."""
    running = Opened(tmp_path)
    limit = "PRAGMA max_page_count = 1"
    await running.journal._writer.submit(lambda connection: connection.execute(limit))  # type: ignore[union-attr]
    durable: list[str] = []
    while running.journal.error is None:
        name = f"trader-01-1-{len(durable)}"
        with contextlib.suppress(JournalError):
            await running.journal.append(records.intent(make_order(name)))
            durable.append(name)
    assert "check the disk" in str(running.journal.error)
    with pytest.raises(JournalError):
        await running.journal.close()
    again = open_journal(tmp_path)
    assert durable
    assert {order.client_id for order in again.snapshot().orders} == set(durable)
    await again.close()


async def test_only_one_process_has_it(opened: Opened, tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"in use by process [0-9]+"):
        open_journal(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"host": "trader-02"}, "belongs to host 'trader-01'"),
        ({"account": "two"}, "belongs to account 'one'"),
        ({"epoch": 0}, "an epoch never goes back"),
    ],
)
async def test_a_journal_of_somebody_else_is_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    await open_journal(tmp_path).close()
    with pytest.raises(JournalError, match=message):
        open_journal(tmp_path, **change)
    await open_journal(tmp_path, epoch=2).close()


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE events SET body = x'00' WHERE seq = 3",
        "DELETE FROM events WHERE seq = 3",
        "UPDATE events SET at_ns = at_ns + 1 WHERE seq = 4",
    ],
)
async def test_an_edited_end_is_found(tmp_path: Path, harm: str) -> None:
    running = Opened(tmp_path)
    for number in range(5):
        await running.journal.append(records.note(str(number)))
    await running.journal.close()
    connection = apsw.Connection(str(tmp_path / "j.sqlite"))
    connection.execute(harm)
    connection.close()
    with pytest.raises(JournalError, match="does not follow the one before it"):
        open_journal(tmp_path)


async def test_a_long_chain_is_checked_at_its_end_only(tmp_path: Path) -> None:
    running = Opened(tmp_path)
    await asyncio.gather(*(running.journal.append(records.note(str(number))) for number in range(500)))
    await running.journal.close()
    await open_journal(tmp_path).close()


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "j.sqlite").write_text("hello, I am a text file and no database at all\n" * 100)
    with pytest.raises(JournalError, match=r"j\.sqlite: .*restore"):
        open_journal(tmp_path)
    with pytest.raises(JournalError, match="No such file or directory"):
        open_journal(tmp_path / "absent")


def test_a_record_is_the_same_bytes_whatever_the_order_of_its_keys() -> None:
    assert Record(Kind.NOTE, {"a": 1, "b": 2}).payload() == Record(Kind.NOTE, {"b": 2, "a": 1}).payload()


async def test_a_clean_end_leaves_no_table_behind(tmp_path: Path) -> None:
    """An older release, which does not know of the lag, may be the next to open it."""
    running = Opened(tmp_path)
    await running.journal.append(records.intent(make_order("trader-01-1-1")))
    await running.journal.close()
    connection = apsw.Connection(str(tmp_path / "j.sqlite"))
    assert connection.execute("SELECT client_id FROM orders").fetchall() == [("trader-01-1-1",)]
    connection.close()
