"""What the venue's record says of one account around a trip of the kill switch. Pure.

Entries are those of the emulator's record (app/venue_sim/record.py and usdm/record.py say which fields each
kind has). Times are unix nanoseconds by the venue's clock.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

Entry = Mapping[str, Any]
Key = tuple[str, str, int]
"""Market, "order" or "algo" (a conditional order), and the venue's id."""

_OPEN = {"order": frozenset({"NEW", "PARTIALLY_FILLED"}), "algo": frozenset({"NEW", "TRIGGERING"})}
_ONE = frozenset({"order.cancel", "usdm.order.cancel", "usdm.algoOrder.cancel"})
_ALL = frozenset({"openOrders.cancelAll", "usdm.allOpenOrders.cancel", "usdm.algoOpenOrders.cancel"})
CANCELS = _ONE | _ALL
_TOO_MANY = (429, 418)
_MS = 10**6
# An order that was signed before the trip may be on its way so long; what arrives later was held back by us.
WIRE_NS = 10**9
_SIGNED_WITHIN_NS = 60 * 10**9


@dataclass(frozen=True)
class Order:
    """One order's life at the venue; `final_ns` is None while it is open."""

    key: Key
    client_id: str
    symbol: str
    accepted_ns: int
    final_ns: int | None
    request_id: int | None


@dataclass(frozen=True)
class Seen:
    """What happened to the account.

    Args:
        at_trip: orders open at the trip.
        late: orders accepted after the trip that had not left before it.
        on_the_wire: orders accepted after the trip that had.
        left: orders open at the end.
        first_cancel_ns: the first cancel after the trip arrived (or the venue cancelled by itself).
        last_ack_ns: the last cancel that took an order away was answered.
        flat_ns: from here on no order was open; None when some are.
        cancels: cancel requests after the trip.
        ignored: cancels of one order that were answered as done and cancelled nothing.
        refusals: requests after the trip that were refused as too many (429, 418).
        signed_off_seconds: how much later than they were signed the account's requests arrived, the median
            of the last minute before the trip; None when there were none.
    """

    at_trip: tuple[Order, ...]
    late: tuple[Order, ...]
    on_the_wire: tuple[Order, ...]
    left: tuple[Order, ...]
    first_cancel_ns: int | None
    last_ack_ns: int | None
    flat_ns: int | None
    cancels: int
    ignored: int
    refusals: int
    signed_off_seconds: float | None


def look(entries: Iterable[Entry], account: str, trip_ns: int) -> Seen:
    """Read the record.

    Args:
        entries: from its beginning, in order.
        account: whose.
        trip_ns: when the kill switch tripped.
    """
    mine = [entry for entry in entries if entry.get("account") == account]
    requests = {entry["request_id"]: entry for entry in mine if entry["kind"] == "request"}
    lives = _lives(mine)
    after = [order for order in lives if order.accepted_ns > trip_ns]
    late = tuple(order for order in after if not _had_left(requests.get(order.request_id), trip_ns))
    concerned = [order for order in lives if order.final_ns is None or order.final_ns > trip_ns]
    left = tuple(order for order in lives if order.final_ns is None)
    cancels = [
        entry
        for entry in requests.values()
        if entry["endpoint"] in CANCELS
        and entry["arrival_wall_ns"] >= trip_ns
        and _signed_since(entry, trip_ns)
    ]
    taken = [
        entry for entry in mine if entry["kind"] in _OPEN and entry["wall_ns"] > trip_ns and _is_cancel(entry)
    ]
    by_itself = [entry["wall_ns"] for entry in taken if entry.get("request_id") is None]
    effective = {entry.get("request_id") for entry in taken}
    return Seen(
        at_trip=tuple(order for order in concerned if order.accepted_ns <= trip_ns),
        late=late,
        on_the_wire=tuple(order for order in after if order not in late),
        left=left,
        first_cancel_ns=min([entry["arrival_wall_ns"] for entry in cancels] + by_itself, default=None),
        last_ack_ns=max((_acknowledged_ns(entry, requests) for entry in taken), default=None),
        flat_ns=None if left else max((order.final_ns or 0 for order in concerned), default=trip_ns),
        cancels=len(cancels),
        ignored=sum(
            entry["endpoint"] in _ONE and entry["code"] == 0 and entry["request_id"] not in effective
            for entry in cancels
        ),
        refusals=sum(
            entry["http_status"] in _TOO_MANY and entry["arrival_wall_ns"] >= trip_ns
            for entry in requests.values()
        ),
        signed_off_seconds=_signed_off(requests.values(), trip_ns),
    )


def accepted_since(entries: Iterable[Entry], account: str, since_ns: int) -> int:
    """How many orders of an account the venue accepted from a moment on."""
    mine = [entry for entry in entries if entry.get("account") == account]
    return sum(order.accepted_ns >= since_ns for order in _lives(mine))


def part(entries: Iterable[Entry], account: str, since_ns: int) -> list[Entry]:
    """What a judgement from a moment on rests on: later entries, and the whole life of each open order."""
    mine = [entry for entry in entries if entry.get("account") == account]
    alive = {order.key for order in _lives(mine) if order.final_ns is None or order.final_ns >= since_ns}
    return [
        entry
        for entry in mine
        if entry["wall_ns"] >= since_ns - _SIGNED_WITHIN_NS
        or (entry["kind"] in _OPEN and _key(entry) in alive)
    ]


def _key(entry: Entry) -> Key:
    kind = entry["kind"]
    return entry["market"], kind, entry["order_id" if kind == "order" else "algo_id"]


def _lives(mine: Iterable[Entry]) -> list[Order]:
    """Every order from its first entry to its last."""
    first: dict[Key, Entry] = {}
    final: dict[Key, int | None] = {}
    for entry in mine:
        if entry["kind"] not in _OPEN:
            continue
        key = _key(entry)
        first.setdefault(key, entry)
        is_open = entry["status"] in _OPEN[entry["kind"]]
        # An order that comes back to life is open again: that it ended before is no comfort.
        final[key] = None if is_open else final.get(key) or entry["wall_ns"]
    return [
        Order(
            key=key,
            client_id=str(entry.get("client_order_id" if key[1] == "order" else "client_algo_id")),
            symbol=entry["symbol"],
            accepted_ns=entry["wall_ns"],
            final_ns=final[key],
            request_id=entry.get("request_id"),
        )
        for key, entry in first.items()
    ]


def _had_left(request: Entry | None, trip_ns: int) -> bool:
    """Whether an order was on its way when the kill switch tripped: arrived, or signed and arriving soon."""
    if request is None:
        return False
    arrival_ns = int(request["arrival_wall_ns"])
    if arrival_ns <= trip_ns:
        return True
    signed_ms = _signed_ms(request)
    return signed_ms is not None and signed_ms <= trip_ns // _MS and arrival_ns <= trip_ns + WIRE_NS


def _signed_since(request: Entry, trip_ns: int) -> bool:
    """A cancel that was signed before the trip is the strategy's, not the kill switch's."""
    signed_ms = _signed_ms(request)
    return signed_ms is None or signed_ms >= trip_ns // _MS


def _signed_ms(request: Entry) -> int | None:
    text = str(request.get("params", {}).get("timestamp", ""))
    return int(text) if text.isascii() and text.isdigit() else None


def _is_cancel(entry: Entry) -> bool:
    return "CANCELED" in (entry.get("event"), entry["status"])


def _acknowledged_ns(entry: Entry, requests: Mapping[int, Entry]) -> int:
    """When the caller was told that this order was cancelled; when it was, if nobody was told."""
    request = requests.get(entry.get("request_id") or 0)
    if request is None or request["outcome"] != "answered":
        return int(entry["wall_ns"])
    took_ns = request["done_monotonic_ns"] - request["arrival_monotonic_ns"]
    return max(int(entry["wall_ns"]), int(request["arrival_wall_ns"]) + int(took_ns))


def _signed_off(requests: Iterable[Entry], trip_ns: int) -> float | None:
    offs = []
    for request in requests:
        signed_ms = _signed_ms(request)
        arrival_ns = request["arrival_wall_ns"]
        if signed_ms is not None and trip_ns - _SIGNED_WITHIN_NS <= arrival_ns <= trip_ns:
            offs.append((arrival_ns - signed_ms * _MS) / 1e9)
    return median(offs) if offs else None
