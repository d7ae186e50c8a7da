"""Whether two instances decided the same: the intents and cancels of two journals, side by side."""

import bisect
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import apsw
import orjson

from trader.journal import JournalError, storage
from trader.journal.records import Kind
from trader.model.transitions import OrderState
from trader.model.values import OrderKind, Side

BASIS_POINTS: Final = Decimal(10_000)


class Action(StrEnum):
    PLACE = "place"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Decision:
    """One intent, or one request to cancel an order with these values.

    Args:
        at_ns: UTC.
        client_id: of the order; each instance has ids of its own.
    """

    at_ns: int
    action: Action
    symbol: str
    side: Side
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None
    client_id: str = ""

    def __str__(self) -> str:
        price = "market" if self.price is None else f"at {self.price}"
        return f"{self.action} {self.symbol} {self.side} {self.quantity} {price}"


class Only(StrEnum):
    """Who decided something that the other did not."""

    SHADOW = "shadow"
    LIVE = "live"
    BOTH = "both"  # they agree on all but the quantity


@dataclass(frozen=True, slots=True)
class Difference:
    """One decision that has no equal. With `Only.BOTH`, `other` is the live one's."""

    only: Only
    decision: Decision
    other: Decision | None = None

    def __str__(self) -> str:
        if self.other is not None:
            return f"{self.decision} in the shadow, {self.other.quantity} live"
        return f"{self.decision}: only {'in the shadow' if self.only is Only.SHADOW else 'live'}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result; `differences` in order of time."""

    shadow: int
    live: int
    matched: int
    differences: tuple[Difference, ...]

    @property
    def union(self) -> int:
        return self.matched + len(self.differences)

    @property
    def agreement(self) -> Decimal | None:
        """Matched share of all decisions of either; None when there is none, which agrees with nothing."""
        return None if self.union == 0 else Decimal(self.matched) / self.union


def load_decisions(path: Path, since_ns: int, until_ns: int) -> list[Decision]:
    """Read the decisions of a journal, of a running service or of a copy; writes nothing.

    Args:
        since_ns, until_ns: UTC; the second is not included.

    Raises:
        JournalError: no such file, or not a journal that this release reads.
    """
    if not path.is_file():
        raise JournalError(f"{path}: no such file; give the path of a journal")
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.set_busy_timeout(2_000)
            storage.check_schema(connection, path)
            return _decisions(connection, since_ns, until_ns)
        finally:
            connection.close(True)
    except (apsw.Error, orjson.JSONDecodeError, KeyError, ValueError) as error:
        raise JournalError(f"{path}: {error}; it is no journal, or damaged") from error


def _decisions(connection: apsw.Connection, since_ns: int, until_ns: int) -> list[Decision]:
    intents: dict[str, dict[str, Any]] = {}
    decisions = []
    sql = "SELECT at_ns, kind, body FROM events WHERE kind IN (?, ?) AND at_ns < ? ORDER BY seq"
    for at_ns, kind, blob in connection.execute(sql, (Kind.INTENT.value, Kind.STATE.value, until_ns)):
        body = orjson.loads(blob)
        if kind == Kind.INTENT.value:
            intents[body["client_id"]] = body
            action, decided_ns = Action.PLACE, body["created_ns"]
        elif body["state"] == OrderState.CANCEL_PENDING.value:
            action, decided_ns = Action.CANCEL, at_ns
        else:
            continue
        if since_ns <= decided_ns < until_ns:
            decisions.append(_decision(decided_ns, action, intents[body["client_id"]]))
    return sorted(decisions, key=_at)


def _decision(at_ns: int, action: Action, intent: dict[str, Any]) -> Decision:
    return Decision(
        at_ns=at_ns,
        action=action,
        symbol=intent["symbol"],
        side=Side(intent["side"]),
        kind=OrderKind(intent["kind"]),
        quantity=Decimal(intent["quantity"]),
        price=None if intent["price"] is None else Decimal(intent["price"]),
        client_id=intent["client_id"],
    )


def compare(
    shadow: Sequence[Decision], live: Sequence[Decision], window_ns: int, tolerance_bps: Decimal
) -> Comparison:
    """Match decisions in order of time: each with the first of the other side that is of the same action,
    symbol, side and kind, not farther away than the window, and near in price. Pure.

    Args:
        window_ns: largest distance in time.
        tolerance_bps: largest distance in price, in 1/100 % of the live price.
    """
    candidates: dict[Hashable, list[Decision]] = defaultdict(list)
    for decision in sorted(live, key=_at):
        candidates[_key(decision)].append(decision)
    matched, differences = 0, []
    for decision in sorted(shadow, key=_at):
        twin = _take(candidates[_key(decision)], decision, window_ns, tolerance_bps)
        if twin is None:
            differences.append(Difference(Only.SHADOW, decision))
        elif twin.quantity != decision.quantity:
            differences.append(Difference(Only.BOTH, decision, twin))
        else:
            matched += 1
    differences += [Difference(Only.LIVE, decision) for left in candidates.values() for decision in left]
    differences.sort(key=lambda difference: difference.decision.at_ns)
    return Comparison(len(shadow), len(live), matched, tuple(differences))


def _take(
    candidates: list[Decision], decision: Decision, window_ns: int, tolerance_bps: Decimal
) -> Decision | None:
    """Remove and return the first candidate that matches."""
    index = bisect.bisect_left(candidates, decision.at_ns - window_ns, key=_at)
    while index < len(candidates) and candidates[index].at_ns <= decision.at_ns + window_ns:
        if _is_near(decision.price, candidates[index].price, tolerance_bps):
            return candidates.pop(index)
        index += 1
    return None


def _is_near(one: Decimal | None, other: Decimal | None, tolerance_bps: Decimal) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) * BASIS_POINTS <= tolerance_bps * other


def _key(decision: Decision) -> Hashable:
    return (decision.action, decision.symbol, decision.side, decision.kind)


def _at(decision: Decision) -> int:
    return decision.at_ns
