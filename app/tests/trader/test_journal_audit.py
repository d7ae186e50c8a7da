"""No event can be changed unseen, and the tables are what the events lead to, whatever the sequence."""

import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trader.support import make_fill, make_order
from trader.journal import Journal, JournalError, Record, audit, records, storage, tables
from trader.journal.records import Kind
from trader.model.transitions import OrderState
from trader.model.values import Payment

FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None  # hundreds of journals, none of which must last
IDS = st.integers(1, 4).map(lambda number: f"trader-01-1-{number}")
AMOUNTS = st.decimals("0.0001", "5", places=4)
ORDERS = st.builds(
    make_order, IDS, state=st.sampled_from(OrderState), venue_order_id=st.sampled_from([None, "7"])
)
FILLS = st.builds(
    lambda client_id, trade, quantity, changes: records.fill(
        client_id, make_fill(str(trade), str(quantity), realized=quantity), changes
    ),
    IDS,
    st.integers(1, 5),
    AMOUNTS,
    st.dictionaries(st.sampled_from(["BTC", "USDT"]), AMOUNTS, max_size=2),
)
CURSORS = st.dictionaries(st.sampled_from(["BTC/USDT", "ETH/USDT"]), st.integers(0, 9).map(str), max_size=2)
CHANGES = st.dictionaries(st.sampled_from(["BTC", "USDT"]), AMOUNTS, max_size=2)
FUNDING = st.builds(
    lambda number, amount, changes: records.funding(
        Payment("BTC/USDT:USDT", str(number), "USDT", amount, number), changes
    ),
    st.integers(1, 5),
    AMOUNTS,
    CHANGES,
)
ACCEPTED = st.builds(
    lambda amount, trade, changes, cursors: records.accepted(
        "ann",
        "drill",
        [{"asset": "BTC", "ours": "1", "venue": "2", "usd": None}],
        None,
        {"BTC": amount},
        [(make_fill(str(trade), str(amount)), changes)],
        cursors,
    ),
    AMOUNTS,
    st.integers(1, 5),
    CHANGES,
    CURSORS,
)
RECORDS = st.one_of(
    FUNDING,
    ACCEPTED,
    ORDERS.map(records.intent),
    ORDERS.map(records.state),
    FILLS,
    CURSORS.map(records.cursor),
    st.builds(records.baseline, st.dictionaries(st.sampled_from(["BTC", "ETH"]), AMOUNTS), CURSORS),
    st.builds(lambda pnl: records.day({"realized": str(pnl), "date": "2026-01-31"}), AMOUNTS),
    st.sampled_from(["tripped", "armed"]).map(lambda state: records.latch(state, "somebody", "drill")),
    st.integers(1, 9_000).map(lambda below: Record(Kind.RESERVED, {"below": below})),
    st.just(records.note("x")),
)
BATCHES = st.lists(st.tuples(st.lists(RECORDS, min_size=1, max_size=5), st.booleans()), max_size=12)


def open_journal(path: Path) -> Journal:
    return Journal.open(path, host="trader-01", account="one", epoch=1, release="dev")


def write(path: Path, *written: Record, fold: bool = True) -> None:
    """Add events as the writer does, with tables that follow or lag."""
    connection = storage.connect(path)
    with storage.transaction(connection):
        rows = storage.append(connection, written, *storage.tail(connection))
        if fold:
            storage.fold(connection, written, rows[-1][0])
    connection.close()


def edit(path: Path, sql: str, *values: object) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(sql, values)
    connection.close()


def dump(path: Path) -> dict[str, list[tuple[object, ...]]]:
    connection = apsw.Connection(str(path))
    try:
        return {
            name: storage.query(connection, f"SELECT * FROM {name} ORDER BY 1, 2, 3")
            for name in ("fills", "orders")
        } | {
            name: storage.query(connection, f"SELECT * FROM {name} ORDER BY 1")
            for name in tables.KEYS
            if name not in ("fills", "orders")
        }
    finally:
        connection.close()


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A journal with an order, its two fills, and more."""
    path = tmp_path / "j.sqlite"
    await open_journal(path).close()
    order = make_order("trader-01-1-1", OrderState.OPEN, venue_order_id="77")
    write(
        path,
        records.intent(order),
        records.state(order),
        records.fill(order.client_id, make_fill("1"), {"BTC": Decimal("0.004")}),
        records.fill(order.client_id, make_fill("2"), {"BTC": Decimal("0.004")}),
        records.cursor({"BTC/USDT": "2"}),
        records.day({"realized": "1.5"}),
    )
    return path


@settings(max_examples=60, deadline=None)
@given(BATCHES)
def test_the_tables_are_what_a_rebuild_makes(batches: list[tuple[list[Record], bool]]) -> None:
    with TemporaryDirectory(dir=FAST) as folder:
        path = Path(folder) / "j.sqlite"
        storage.connect(path).close()
        connection = storage.connect(path)
        lagging: list[Record] = []
        for batch, at_once in batches:
            with storage.transaction(connection):
                storage.append(connection, batch, *storage.tail(connection))
                lagging += batch
                if at_once:
                    storage.fold(connection, lagging, storage.tail(connection)[0])
                    lagging = []
        connection.close()
        assert audit.verify(path).sound, "also with tables that lag"
        storage.connect(path).close()
        before = dump(path)
        found = audit.verify(path)
        assert found.sound, found
        assert found.events == sum(len(batch) for batch, _ in batches)
        audit.rebuild(path)
        assert dump(path) == before


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_changed_byte_is_found(data: st.DataObject) -> None:
    with TemporaryDirectory(dir=FAST) as folder:
        path = Path(folder) / "j.sqlite"
        storage.connect(path).close()
        write(path, *(records.note(f"event {number}") for number in range(5)))
        seq = data.draw(st.integers(1, 5), "event")
        column = data.draw(st.sampled_from(["body", "hash", "kind"]), "column")
        connection = apsw.Connection(str(path))
        [(old,)] = storage.query(
            connection, f"SELECT CAST({column} AS BLOB) FROM events WHERE seq = ?", (seq,)
        )
        place = data.draw(st.integers(0, len(old) - 1), "byte")
        new = bytearray(old)
        new[place] ^= data.draw(st.integers(1, 255), "flip")
        as_type = "TEXT" if column == "kind" else "BLOB"
        connection.execute(
            f"UPDATE events SET {column} = CAST(? AS {as_type}) WHERE seq = ?", (bytes(new), seq)
        )
        connection.close()
        for found in (audit.verify(path), audit.verify_chain(path, at_most=10)):
            assert found.broken is not None
            assert found.broken.startswith(f"event {seq} ")
        before = dump(path)
        with pytest.raises(JournalError, match=rf"event {seq} .*nothing was changed"):
            audit.rebuild(path)
        assert dump(path) == before


def test_a_sound_journal_says_what_it_holds(path: Path) -> None:
    found = audit.verify(path)
    assert (found.events, found.sound) == (8, True)
    assert found.first_ns <= found.last_ns
    connection = apsw.Connection(str(path))
    assert found.head == storage.tail(connection)[1].hex()
    connection.close()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        ("DELETE FROM events WHERE seq = 4", "event 4 is missing, event 5 follows 3"),
        ("UPDATE events SET at_ns = at_ns + 1 WHERE seq = 5", "event 5 (fill) is not what was written"),
        ("UPDATE events SET seq = 100 WHERE seq = 8", "event 8 is missing, event 100 follows 7"),
    ],
)
def test_the_first_broken_event_is_named(path: Path, harm: str, message: str) -> None:
    edit(path, harm)
    assert str(audit.verify(path).broken).startswith(message)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (
            "UPDATE orders SET state = 'filled'",
            "orders trader-01-1-1: state is 'filled' in the table, 'open'",
        ),
        ("DELETE FROM fills WHERE trade_id = '2'", "fills BTC/USDT/2/trader-01-1-1: not in the table"),
        ("INSERT INTO positions VALUES ('AAA/USDT', '1')", "positions AAA/USDT: in the table, no event"),
        ("UPDATE balances SET changes = '9'", "balances BTC: changes is '9' in the table, '0.008'"),
        ("UPDATE meta SET value = '1' WHERE key = 'reserved'", "meta reserved: value is '1' in the table"),
        ("UPDATE meta SET value = '{}' WHERE key = 'day'", "meta day: value is '{}' in the table"),
    ],
)
def test_the_first_table_difference_is_named_and_a_rebuild_mends_it(
    path: Path, harm: str, message: str
) -> None:
    before = dump(path)
    edit(path, harm)
    found = audit.verify(path)
    assert found.broken is None
    assert str(found.difference).startswith(message)
    assert audit.rebuild(path) == 8
    assert dump(path) == before
    assert audit.verify(path).sound


async def test_a_rebuild_is_refused_while_a_trader_has_it(path: Path) -> None:
    journal = open_journal(path)
    with pytest.raises(JournalError, match=r"in use by process [0-9]+"):
        audit.rebuild(path)
    assert audit.verify(path).sound, "to look at it is not refused"
    await journal.close()


async def test_what_a_former_release_wrote_still_folds(path: Path) -> None:
    """Without `realized`, `reduce_only` and the marker of how far the tables are."""
    old = Record(Kind.FILL, {**records.fill("trader-01-1-1", make_fill("3"), {}).body})
    del old.body["realized"]
    intent = records.intent(make_order("trader-01-1-2"))
    del intent.body["reduce_only"]
    write(path, records.day({"day": "2026-01-31"}), intent, old)
    edit(path, "DELETE FROM meta WHERE key = 'folded'")
    assert audit.verify(path).sound
    journal = open_journal(path)
    assert [order.client_id for order in journal.snapshot().orders] == ["trader-01-1-1", "trader-01-1-2"]
    assert [fill.realized for fill in journal.snapshot().fills_after_day] == [Decimal(0)]
    await journal.close()


async def test_a_journal_without_the_newest_table_is_whole(path: Path) -> None:
    """Only former releases have written it."""
    edit(path, "DROP TABLE funding")
    assert audit.verify(path).sound
    await open_journal(path).close()
    write(path, records.funding(Payment("BTC/USDT:USDT", "1", "USDT", Decimal(1), 1), {}))
    assert audit.verify(path).sound
    edit(path, "DROP TABLE funding")
    assert audit.verify(path).difference == "funding BTC/USDT:USDT/1: not in the table, the events lead to it"


async def test_kinds_that_a_former_release_does_not_know_never_wait_to_be_folded(path: Path) -> None:
    """It would have to fold them when it opens the journal, and cannot."""
    journal = open_journal(path)
    journal.start(lambda seconds, count: None, lambda error: None)
    paid = Payment("BTC/USDT:USDT", "1", "USDT", Decimal(1), 1)
    for record in (records.funding(paid, {}), records.accepted("ann", "x", [], None, {}, [], {})):
        await journal.append(records.intent(make_order("trader-01-1-2")))
        await journal.append(record)
        reader = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        [[last]] = reader.execute("SELECT max(seq) FROM events")
        assert tables.read_meta(reader, "folded") == str(last)
        reader.close()
    await journal.close()


async def test_a_release_that_was_rolled_back_and_forward_again_harms_nothing(path: Path) -> None:
    """The older one folds at once and leaves the marker where it was."""
    connection = storage.connect(path)
    marker = tables.read_meta(connection, "folded")
    connection.close()
    body = {"host": "trader-01", "account": "one", "epoch": 1, "release": "old", "pid": 1}
    fill = records.fill("trader-01-1-1", make_fill("3"), {"BTC": Decimal(1)})
    write(path, Record(Kind.OPENED, body), records.state(make_order(state=OrderState.FILLED)), fill)
    edit(path, "UPDATE meta SET value = ? WHERE key = 'folded'", marker)
    before = dump(path)
    assert audit.verify(path).sound
    storage.connect(path).close()
    after = dump(path)
    assert [row for row in after.pop("meta") if row[0] != "folded"] == [
        row for row in before.pop("meta") if row[0] != "folded"
    ]
    assert after == before
    assert audit.verify(path).sound


@pytest.mark.parametrize("act", [audit.verify, audit.rebuild])
def test_what_is_no_journal_is_refused(tmp_path: Path, act: Callable[[Path], object]) -> None:
    with pytest.raises(JournalError, match=r"absent: No such file"):
        act(tmp_path / "absent")
    (tmp_path / "text").write_text("hello\n" * 1_000)
    with pytest.raises(JournalError, match=r"text: NotADBError"):
        act(tmp_path / "text")
    apsw.Connection(str(tmp_path / "other")).execute("CREATE TABLE x (y)")
    with pytest.raises(JournalError, match=r"other: .*no such table"):
        act(tmp_path / "other")
    assert not list(tmp_path.glob("*.lock"))


def test_progress_is_told(path: Path) -> None:
    told: list[tuple[int, int]] = []
    audit.verify(path, lambda done, total: told.append((done, total)))
    assert told == [(0, 8), (8, 8)]


def test_a_damaged_file_is_one_line(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    harmed = tmp_path / "harmed.sqlite"
    shutil.copy(path, harmed)
    harmed.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(JournalError, match=r"harmed\.sqlite: "):
        audit.verify(harmed)
