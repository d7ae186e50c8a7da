"""Reads a fault from what was asked of the admin port, and names what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from venue_sim import fault as kinds
from venue_sim.fault import FIELDS, Fault

LONGEST_SECONDS = 86_400
MOST_HITS = 1_000_000_000

USER_EVENTS = frozenset(
    {
        *("executionReport", "outboundAccountPosition"),
        *("ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "ALGO_UPDATE"),
        *("NEW", "TRADE", "CANCELED", "EXPIRED"),
    }
)
"""What `event` may be: events of spot's and USDM's user streams by name, orders' also by execution type."""

CLOSE_CODES = (1000, 1001, kinds.ABNORMAL_CLOSE, 1008, 1011, 1012, 1013)

_AFTER_UNLESS_TOLD = frozenset(kinds.REQUEST_KINDS) - {kinds.LATENCY, kinds.ERROR}
_ONLY_AFTER = (kinds.OTHER_ID, kinds.NO_ID, kinds.IGNORE_CANCEL)
_MARKET_KINDS = (kinds.LATE, kinds.SILENCE, kinds.DISCONNECT, kinds.SERVER_SHUTDOWN)


class FaultError(ValueError):
    """A fault that cannot be set; the text names the field."""


class FaultReader:
    """Reads faults.

    Args:
        endpoints: names that `endpoint` may have.
        accounts: names that `account` may have.
    """

    def __init__(self, endpoints: frozenset[str], accounts: frozenset[str]) -> None:
        self._readers: dict[str, Callable[[Any], Any]] = {
            "name": _text,
            "account": _one_of(accounts),
            "endpoint": _one_of(endpoints),
            "transport": _one_of((kinds.REST, kinds.WS)),
            "peer": _text,
            "stream": _one_of((kinds.USER, kinds.MARKET)),
            "event": _one_of(USER_EVENTS),
            "share": _number(0, 1),
            "count": _whole(1, MOST_HITS),
            "stage": _one_of((kinds.BEFORE, kinds.AFTER)),
            "latency_ms": _whole(0, LONGEST_SECONDS * 1000),
            "code": _whole(-99_999, -1),
            "message": _text,
            "body": _text,
            "retry_after_seconds": _whole(0, LONGEST_SECONDS),
            "close_code": _one_of(CLOSE_CODES),
            "client_order_id": _text,
            "offset_ms": _whole(-LONGEST_SECONDS * 1000, LONGEST_SECONDS * 1000),
            "duration_seconds": _number(0, LONGEST_SECONDS),
        }

    def read(self, wanted: dict[str, Any], fault_id: int, now_monotonic_ns: int) -> Fault:
        """Read a fault.

        Args:
            wanted: the fields of the admin request; null is the same as absent.
            fault_id: its id to be.
            now_monotonic_ns: the time from which `duration_seconds` counts.

        Raises:
            FaultError: a field is missing, unknown for the kind, or out of range.
        """
        given = {name: value for name, value in wanted.items() if value is not None}
        kind = given.pop("kind", None)
        if kind is None:
            raise FaultError("kind: missing")
        if kind not in FIELDS:
            raise FaultError(f"kind: {kind!r} is none of {', '.join(FIELDS)}")
        unknown = sorted(wanted.keys() - set(FIELDS[kind]))
        if unknown:
            raise FaultError(f"{unknown[0]}: a fault of kind {kind} has no such field")
        values = {"name": kind} | _defaults(kind)
        for name, value in given.items():
            values[name] = self._read(name, value, kind)
        if "duration_seconds" not in values:
            raise FaultError("duration_seconds: missing")
        for kind_of, field in _NEEDED:
            if kind == kind_of and field not in values:
                raise FaultError(f"{field}: a {kind} fault needs it, in whole milliseconds")
        _check_combination(kind, values)
        ends_ns = now_monotonic_ns + int(values["duration_seconds"] * 1e9)
        return Fault(fault_id=fault_id, kind=kind, ends_monotonic_ns=ends_ns, **values)

    def _read(self, name: str, value: Any, kind: str) -> Any:
        if name == "http_status":
            # A page may come with any status; a refusal of the venue never with success.
            read = _whole(200, 599) if kind == kinds.HTML else _whole(400, 599)
        else:
            read = self._readers[name]
        try:
            return read(value)
        except ValueError as error:
            raise FaultError(f"{name}: {error}") from None


_NEEDED = ((kinds.LATENCY, "latency_ms"), (kinds.LATE, "latency_ms"), (kinds.CLOCK_SKEW, "offset_ms"))


def _defaults(kind: str) -> dict[str, Any]:
    defaults: dict[str, Any] = {}
    if kind in _AFTER_UNLESS_TOLD:
        defaults["stage"] = kinds.AFTER
    if kind == kinds.HTML:
        # A page is never sent over the WebSocket API.
        defaults |= {"http_status": 502, "transport": kinds.REST}
    return defaults


def _check_combination(kind: str, values: dict[str, Any]) -> None:
    if kind in _ONLY_AFTER and values["stage"] != kinds.AFTER:
        raise FaultError(f"stage: {kind} changes the answer of what was done: only {kinds.AFTER}")
    if kind == kinds.IGNORE_CANCEL and kinds.CANCELS not in values.get("endpoint", kinds.CANCELS):
        raise FaultError("endpoint: an ignore_cancel fault is only of those that cancel")
    if kind == kinds.HTML and values["transport"] != kinds.REST:
        raise FaultError(f"transport: an {kind} fault is only of {kinds.REST}")
    if values.get("stream") == kinds.MARKET:
        if kind not in _MARKET_KINDS:
            raise FaultError(f"stream: {kind} is a fault of user streams only")
        for name in ("account", "event"):
            if name in values:
                raise FaultError(f"{name}: market streams have none; use peer")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text")
    return value


def _whole(lowest: int, highest: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise ValueError(f"must be a whole number, {lowest} to {highest}")
        return value

    return read


def _number(lowest: float, highest: float) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not lowest <= value <= highest:
            raise ValueError(f"must be a number, {lowest} to {highest}")
        return float(value)

    return read


def _one_of(allowed: frozenset[str] | tuple[str | int, ...]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, str | int) or value not in allowed:
            raise ValueError(f"{value!r} is none of {', '.join(map(str, sorted(allowed, key=str)))}")
        return value

    return read
