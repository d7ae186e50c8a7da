"""What a restore did not bring back, by what the venue told afterwards: the recovery point, measured."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import orjson

from trader.journal import storage
from trader.journal.reader import reading
from trader.journal.records import Kind


@dataclass(frozen=True, slots=True)
class Lost:
    """Of the last restore; everything 0 = the copies held all that the venue had seen filled.

    Args:
        epoch: the restore's; 0 = this journal was never restored.
        restored_ns: UTC, of the last record that the copies brought back.
        orders: intents that had to be rebuilt from the venue.
        milliseconds: by how much the last of them is younger than the last record.
        amounts: traded by them, by symbol's quote currency.
    """

    epoch: int
    restored_ns: int
    orders: int
    milliseconds: int
    amounts: dict[str, str]


def lost(path: Path) -> Lost:
    """Count from the last RESTORED record on.

    Raises:
        JournalError: it cannot be read.
    """
    with reading(path) as connection:
        sql = "SELECT seq, body FROM events WHERE kind = ? ORDER BY seq DESC LIMIT 1"
        found = storage.query(connection, sql, (Kind.RESTORED.value,))
        if not found:
            return Lost(0, 0, 0, 0, {})
        seq, body = found[0][0], orjson.loads(found[0][1])
        before = storage.query(connection, "SELECT at_ns FROM events WHERE seq = ?", (seq - 1,))[0][0]
        sql = "SELECT kind, body FROM events WHERE seq > ? AND kind IN (?, ?) ORDER BY seq"
        rows = storage.query(connection, sql, (seq, Kind.INTENT.value, Kind.FILL.value))
    adopted: dict[str, int] = {}
    amounts: dict[str, Decimal] = {}
    for kind, text in rows:
        event = orjson.loads(text)
        if kind == Kind.INTENT and event.get("adopted"):
            adopted[event["client_id"]] = event["created_ns"]
        elif kind == Kind.FILL and event["client_id"] in adopted:
            quote = event["symbol"].partition("/")[2].partition(":")[0]
            worth = Decimal(event["quantity"]) * Decimal(event["price"])
            amounts[quote] = amounts.get(quote, Decimal(0)) + worth
    latest = max(adopted.values(), default=before)
    return Lost(
        body["epoch"],
        before,
        len(adopted),
        max(0, (latest - before) // 1_000_000),
        {quote: str(amount) for quote, amount in sorted(amounts.items())},
    )
