"""The derived tables: what they look like, and the fold of an event into them.

The layout of each is that of the former release, and bodies of events only grow: a release that is rolled
back reads what a newer one wrote. It trades on a journal with kinds of events that it does not know, because
those are folded at once (they are not in `writer.LAGGING`); its `verify` calls them broken, though.
What no table needs (`reduce_only`, `realized`) is read from the events.
"""

from collections.abc import Iterator
from decimal import Decimal

import apsw
import orjson

from trader.journal.records import Kind

META = "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;"
EVENTS = """
CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL, hash BLOB NOT NULL
) STRICT;
"""
DERIVED = """
CREATE TABLE IF NOT EXISTS orders (
  client_id TEXT PRIMARY KEY, symbol TEXT NOT NULL, side TEXT NOT NULL, kind TEXT NOT NULL,
  quantity TEXT NOT NULL, price TEXT, created_ns INTEGER NOT NULL, state TEXT NOT NULL, venue_order_id TEXT,
  reason TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS orders_live ON orders (state)
  WHERE state NOT IN ('filled', 'canceled', 'rejected', 'expired');
CREATE INDEX IF NOT EXISTS orders_venue ON orders (venue_order_id);
CREATE TABLE IF NOT EXISTS fills (
  symbol TEXT NOT NULL, trade_id TEXT NOT NULL, client_id TEXT NOT NULL, side TEXT NOT NULL,
  quantity TEXT NOT NULL, price TEXT NOT NULL, fee TEXT NOT NULL, fee_asset TEXT, at_ms INTEGER NOT NULL,
  PRIMARY KEY (symbol, trade_id, client_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS fills_order ON fills (client_id);
CREATE TABLE IF NOT EXISTS balances (
  asset TEXT PRIMARY KEY, baseline TEXT NOT NULL, changes TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS positions (symbol TEXT PRIMARY KEY, quantity TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS cursors (symbol TEXT PRIMARY KEY, trade_id TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS funding (
  symbol TEXT NOT NULL, payment_id TEXT NOT NULL, asset TEXT NOT NULL, amount TEXT NOT NULL,
  at_ms INTEGER NOT NULL, PRIMARY KEY (symbol, payment_id)
) STRICT, WITHOUT ROWID;
"""
# Each table with its key. Of meta only what events say; OWN is this module's and the schema's.
KEYS = {
    "orders": ("client_id",),
    "fills": ("symbol", "trade_id", "client_id"),
    "balances": ("asset",),
    "positions": ("symbol",),
    "cursors": ("symbol",),
    "funding": ("symbol", "payment_id"),
    "meta": ("key",),
}
FOLDED = "folded"
OWN = ("schema", FOLDED)


def create(connection: apsw.Connection) -> None:
    """Make the tables that are not there."""
    connection.execute(META + EVENTS + DERIVED)


def clear(connection: apsw.Connection) -> None:
    """Make the derived tables anew, empty; must run inside a transaction."""
    for table in KEYS:
        if table != "meta":
            connection.execute(f"DROP TABLE IF EXISTS {table}")
    connection.execute(META + DERIVED)
    connection.execute("DELETE FROM meta WHERE key <> 'schema'")


def read_meta(connection: apsw.Connection, key: str) -> str | None:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def write_meta(connection: apsw.Connection, key: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def folded(connection: apsw.Connection, last: int) -> int:
    """Up to which event the tables are.

    Args:
        last: the last event's sequence.
    """
    text = read_meta(connection, FOLDED)
    if text is None:
        return last
    # A release without the marker folds at once, and leaves the marker of the one before it behind: only
    # such a release opens a journal without moving the marker.
    sql = "SELECT 1 FROM events WHERE seq > ? AND kind = ? LIMIT 1"
    opened_since = connection.execute(sql, (int(text), Kind.OPENED.value)).fetchone()
    return last if opened_since else int(text)


def catch_up(connection: apsw.Connection) -> None:
    """Fold what a crash left unfolded; must run inside a transaction.

    To fold an event again changes nothing, so the marker may lag but never lead.
    """
    last = _last(connection)
    marker = int(read_meta(connection, FOLDED) or last)
    for kind, at_ns, body in _events_after(connection, marker):
        fold(connection, Kind(kind), at_ns, orjson.loads(body))
    write_meta(connection, FOLDED, str(last))


def _last(connection: apsw.Connection) -> int:
    row = connection.execute("SELECT max(seq) FROM events").fetchone()
    return 0 if row is None or row[0] is None else int(row[0])


def _events_after(connection: apsw.Connection, seq: int) -> Iterator[tuple[str, int, bytes]]:
    sql = "SELECT kind, at_ns, body FROM events WHERE seq > ? ORDER BY seq"
    yield from connection.execute(sql, (seq,))


def fold(connection: apsw.Connection, kind: Kind, at_ns: int, body: dict[str, object]) -> None:
    """Apply one event to the derived tables; events are applied in their order."""
    match kind:
        case Kind.INTENT:
            connection.execute(
                "INSERT OR IGNORE INTO orders VALUES (:client_id, :symbol, :side, :kind, :quantity, :price,"
                " :created_ns, 'pending', NULL, '')",
                body,
            )
        case Kind.STATE:
            connection.execute(
                "UPDATE orders SET state = :state, reason = :reason,"
                " venue_order_id = coalesce(venue_order_id, :venue_order_id) WHERE client_id = :client_id",
                body,
            )
        case Kind.FILL:
            _fold_fill(connection, body)
        case Kind.RESERVED:
            write_meta(connection, "reserved", str(body["below"]))
        case Kind.OPENED | Kind.RESTORED:
            for key in ("host", "account", "epoch"):
                write_meta(connection, key, str(body[key]))
        case Kind.BASELINE:
            _fold_baseline(connection, body)
            _fold_cursors(connection, body)
            write_meta(connection, "baseline_ns", str(at_ns))
        case Kind.CURSOR:
            _fold_cursors(connection, body)
        case Kind.FUNDING:
            _fold_funding(connection, body)
        case Kind.ACCEPTED:
            fills = body["fills"]
            assert isinstance(fills, list)
            for fill in fills:
                _fold_fill(connection, fill)
            _fold_baseline(connection, body)
            _fold_cursors(connection, body)
        case Kind.DAY | Kind.LATCH:
            write_meta(connection, kind.value, orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode())
        case Kind.NOTE:
            pass


def _texts(value: object) -> list[tuple[str, str]]:
    assert isinstance(value, dict)
    return list(value.items())


def _fold_baseline(connection: apsw.Connection, body: dict[str, object]) -> None:
    for asset, amount in _texts(body["balances"]):
        connection.execute(
            "INSERT INTO balances VALUES (?, ?, '0')"
            " ON CONFLICT (asset) DO UPDATE SET baseline = excluded.baseline",
            (asset, amount),
        )


def _fold_cursors(connection: apsw.Connection, body: dict[str, object]) -> None:
    for symbol, trade_id in _texts(body["cursors"]):
        connection.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?)", (symbol, trade_id))


def _fold_fill(connection: apsw.Connection, body: dict[str, object]) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO fills VALUES"
        " (:symbol, :trade_id, :client_id, :side, :quantity, :price, :fee, :fee_asset, :at_ms)",
        body,
    )
    if connection.changes() == 0:
        return  # the same trade, told twice
    _fold_changes(connection, body)
    row = connection.execute("SELECT quantity FROM positions WHERE symbol = ?", (body["symbol"],)).fetchone()
    signed = Decimal(str(body["quantity"])) * (1 if body["side"] == "buy" else -1)
    position = (Decimal(0) if row is None else Decimal(row[0])) + signed
    connection.execute("INSERT OR REPLACE INTO positions VALUES (?, ?)", (body["symbol"], str(position)))


def _fold_funding(connection: apsw.Connection, body: dict[str, object]) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO funding VALUES (:symbol, :payment_id, :asset, :amount, :at_ms)", body
    )
    if connection.changes():  # else the same payment, told twice
        _fold_changes(connection, body)


def _fold_changes(connection: apsw.Connection, body: dict[str, object]) -> None:
    for asset, amount in _texts(body["changes"]):
        row = connection.execute("SELECT changes FROM balances WHERE asset = ?", (asset,)).fetchone()
        known = Decimal(0) if row is None else Decimal(row[0])
        connection.execute(
            "INSERT INTO balances VALUES (?, '0', ?)"
            " ON CONFLICT (asset) DO UPDATE SET changes = excluded.changes",
            (asset, str(known + Decimal(amount))),
        )
