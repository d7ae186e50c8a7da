"""A journal can be looked at while it is written, and looking leaves nothing behind."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.trader.support import make_fill, make_order
from tests.trader.test_journal_audit import open_journal, write
from trader.journal import JournalError, reader, records
from trader.journal.reader import DAY_NS, VIEWS
from trader.model.transitions import OrderState

HOUR_NS = 3_600 * 10**9


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "j.sqlite"
    await open_journal(path).close()
    for number in (1, 2, 3):
        order = make_order(f"trader-01-1-{number}", OrderState.OPEN, created_ns=number * 1_000_000_000)
        fill = make_fill(str(number), at_ms=number * 1_000)
        write(path, records.intent(order), records.fill(order.client_id, fill, {"BTC": Decimal(1)}))
    return path


def ids(
    path: Path, what: str, since_ns: int | None = None, client_id: str | None = None, limit: int = 9
) -> list[str]:
    with reader.reading(path) as connection:
        rows = reader.rows(connection, VIEWS[what], since_ns, client_id, limit)
    column = reader.names(VIEWS[what]).index("client_id")
    return [row[column].removeprefix("trader-01-1-") for row in rows]


@pytest.mark.parametrize("what", ["orders", "fills"])
def test_the_last_rows_come_in_order(path: Path, what: str) -> None:
    assert ids(path, what) == ["1", "2", "3"]
    assert ids(path, what, limit=2) == ["2", "3"]
    assert ids(path, what, since_ns=2_000_000_000) == ["2", "3"]
    assert ids(path, what, client_id="trader-01-1-2") == ["2"]


def test_events_and_positions(path: Path) -> None:
    with reader.reading(path) as connection:
        events = reader.rows(connection, VIEWS["events"], None, "trader-01-1-3", 9)
        positions = reader.rows(connection, VIEWS["positions"], None, None, 9)
    assert [(seq, kind) for seq, _, kind, _ in events] == [(7, "intent"), (8, "fill")]
    assert '"client_id":"trader-01-1-3"' in events[0][3]
    assert positions == [("BTC/USDT", "0.012")]


def test_looking_leaves_nothing_behind(path: Path) -> None:
    before = {file: file.read_bytes() for file in path.parent.iterdir()}
    ids(path, "orders")
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == before


async def test_it_is_read_while_it_is_written(path: Path) -> None:
    journal = open_journal(path)
    journal.start(lambda seconds, count: None, lambda error: None)
    with reader.reading(path) as connection:
        seen = reader.rows(connection, VIEWS["events"], None, None, 99)
        await journal.append(records.note("written meanwhile"))
        assert reader.rows(connection, VIEWS["events"], None, None, 99) == seen, "one moment's state"
    with reader.reading(path) as connection:
        assert "written meanwhile" in reader.rows(connection, VIEWS["events"], None, None, 1)[0][3]
    await journal.close()


def test_a_service_that_starts_meanwhile_spoils_the_look(path: Path) -> None:
    look = reader.reading(path)
    look.__enter__()
    write(path, records.note("meanwhile"))
    with pytest.raises(JournalError, match="a service started while it was read"):
        look.__exit__(None, None, None)


def test_the_head_tells_whose_it_is_and_how_it_grows(path: Path) -> None:
    with reader.reading(path) as connection:
        first_ns = reader.rows(connection, VIEWS["events"], None, None, 99)[0][1]
        head = reader.head(connection, 8_000, first_ns + 2 * DAY_NS)
        assert (head.host, head.account, head.epoch, head.latch, head.last) == (
            "trader-01",
            "one",
            1,
            None,
            8,
        )
        assert head.bytes_per_event == 1_000
        assert head.events_per_day == pytest.approx(4)
        assert reader.head(connection, 8_000, first_ns + HOUR_NS // 2).events_per_day == pytest.approx(8 * 24)


@pytest.mark.parametrize("name", ["a%20b.sqlite", "a?b#c.sqlite"])
def test_any_file_name_is_the_file(path: Path, name: str) -> None:
    path.rename(path.with_name(name))
    assert ids(path.with_name(name), "orders") == ["1", "2", "3"]
