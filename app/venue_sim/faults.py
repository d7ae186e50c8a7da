"""Faults: what the venue does wrong on purpose, to whom, how often and for how long. Each ends by itself."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from typing import Any

LATENCY = "latency"
ERROR = "error"
HANG = "hang"
KINDS = (LATENCY, ERROR, HANG)

BEFORE = "before"
AFTER = "after"
_DEFAULT_STAGE = {LATENCY: BEFORE, ERROR: BEFORE, HANG: AFTER}
_LONGEST_SECONDS = 86_400

ERROR_TEXTS = {
    -1000: "An unknown error occurred while processing the request.",
    -1001: "Internal error; unable to process your request. Please try again.",
    -1003: "Too many requests queued.",
    -1006: "An unexpected response was received from the message bus. Execution status unknown.",
    -1007: "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    -1008: "Server is currently overloaded with other requests. Please try again in a few minutes.",
    -1015: "Too many new orders.",
    -1021: "Timestamp for this request is outside of the recvWindow.",
    -2010: "Account has insufficient balance for requested action.",
}


class FaultError(ValueError):
    """A fault that cannot be set; the text names the field."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        fault_id: given by the emulator.
        name: chosen by who sets it, for the record.
        kind: "latency" waits, "error" answers with `code`, "hang" never answers.
        account, endpoint: whom it hits; None is everyone or everything. Endpoints: see endpoints.py.
        share: of the matching requests, 0..1.
        stage: "before" the venue acts on the request, or "after" (the order is live, nobody was told).
        latency_ms, code, http_status: what the kind needs.
        ends_monotonic_ns: when it is over.
    """

    fault_id: int
    name: str
    kind: str
    account: str | None
    endpoint: str | None
    share: float
    stage: str
    latency_ms: int
    code: int
    http_status: int
    duration_seconds: float
    ends_monotonic_ns: int

    def describe(self, now_monotonic_ns: int) -> dict[str, Any]:
        """The fault as the admin port shows it."""
        row = asdict(self)
        row["id"] = row.pop("fault_id")
        del row["ends_monotonic_ns"]
        row["remaining_seconds"] = round(max(0, self.ends_monotonic_ns - now_monotonic_ns) / 1e9, 3)
        return row


class Faults:
    """The faults in force.

    Args:
        seed: of the draws that decide which share of the requests is hit.
        endpoints: names that `endpoint` may have.
        accounts: names that `account` may have.
    """

    def __init__(self, seed: int, endpoints: frozenset[str], accounts: frozenset[str]) -> None:
        self._draws = random.Random(seed)  # noqa: S311
        self._endpoints = endpoints
        self._accounts = accounts
        self._faults: dict[int, Fault] = {}
        self._next_id = 1

    def add(self, wanted: dict[str, Any], now_monotonic_ns: int) -> Fault:
        """Set a fault.

        Args:
            wanted: the fields of the admin request (see `Fault`; `duration_seconds` says how long it lasts).
            now_monotonic_ns: the time.

        Raises:
            FaultError: a field is missing, unknown or out of range.
        """
        fields = dict(wanted)
        kind = _take(fields, "kind", str)
        if kind not in KINDS:
            raise FaultError(f"kind: {kind!r} is none of {', '.join(KINDS)}")
        duration = _number(
            _take(fields, "duration_seconds", int, float), "duration_seconds", 0, _LONGEST_SECONDS
        )
        stage = _take(fields, "stage", str, default=_DEFAULT_STAGE[kind])
        if stage not in (BEFORE, AFTER):
            raise FaultError(f"stage: {stage!r} is neither {BEFORE} nor {AFTER}")
        fault = Fault(
            fault_id=self._next_id,
            name=_take(fields, "name", str, default=kind),
            kind=kind,
            account=_known(_take(fields, "account", str, default=None), "account", self._accounts),
            endpoint=_known(_take(fields, "endpoint", str, default=None), "endpoint", self._endpoints),
            share=_number(_take(fields, "share", int, float, default=1), "share", 0, 1),
            stage=stage,
            latency_ms=_take(fields, "latency_ms", int, default=None if kind == LATENCY else 0),
            code=_take(fields, "code", int, default=-1000),
            http_status=_take(fields, "http_status", int, default=500),
            duration_seconds=duration,
            ends_monotonic_ns=now_monotonic_ns + int(duration * 1e9),
        )
        if fields:
            raise FaultError(f"{sorted(fields)[0]}: no such field")
        if kind == LATENCY and (
            fault.latency_ms is None or not 0 <= fault.latency_ms <= _LONGEST_SECONDS * 1000
        ):
            raise FaultError("latency_ms: a latency fault needs it, in whole milliseconds")
        if not 400 <= fault.http_status <= 599:
            raise FaultError("http_status: must be 400 to 599")
        self._next_id += 1
        self._faults[fault.fault_id] = fault
        return fault

    def remove(self, fault_id: int) -> Fault | None:
        """End a fault now; None when there is none of that id."""
        return self._faults.pop(fault_id, None)

    def clear(self) -> list[Fault]:
        """End all faults now."""
        ended = list(self._faults.values())
        self._faults.clear()
        return ended

    def expire(self, now_monotonic_ns: int) -> list[Fault]:
        """Drop the faults whose time is over, and return them."""
        ended = [fault for fault in self._faults.values() if fault.ends_monotonic_ns <= now_monotonic_ns]
        for fault in ended:
            del self._faults[fault.fault_id]
        return ended

    def active(self, now_monotonic_ns: int) -> list[Fault]:
        """The faults in force."""
        return [fault for fault in self._faults.values() if fault.ends_monotonic_ns > now_monotonic_ns]

    def in_force(self, fault: Fault, now_monotonic_ns: int) -> bool:
        """Whether a fault that once hit is still set."""
        return fault.fault_id in self._faults and fault.ends_monotonic_ns > now_monotonic_ns

    def hits(self, account: str | None, endpoint: str, now_monotonic_ns: int) -> list[Fault]:
        """Draw which faults hit a request. Costs nothing while no fault is set."""
        if not self._faults:
            return []
        return [
            fault
            for fault in self.active(now_monotonic_ns)
            if fault.account in (None, account)
            and fault.endpoint in (None, endpoint)
            and self._draws.random() < fault.share
        ]


_MISSING = object()


def _take(fields: dict[str, Any], name: str, *types: type, default: Any = _MISSING) -> Any:
    value = fields.pop(name, None)
    if value is None:
        if default is _MISSING:
            raise FaultError(f"{name}: missing")
        return default
    if not isinstance(value, types) or isinstance(value, bool):
        raise FaultError(f"{name}: must be {' or '.join(t.__name__ for t in types)}")
    return value


def _number(value: float, name: str, lowest: float, highest: float) -> float:
    if not lowest <= value <= highest:
        raise FaultError(f"{name}: must be {lowest} to {highest}")
    return float(value)


def _known(value: str | None, name: str, allowed: frozenset[str]) -> str | None:
    if value is not None and value not in allowed:
        raise FaultError(f"{name}: {value!r} is unknown; known: {', '.join(sorted(allowed))}")
    return value
