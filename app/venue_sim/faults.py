"""The faults in force: which of them hit a request, an event or a connection, and when each is over."""

from __future__ import annotations

import random
from typing import Any

from venue_sim.fault import (
    CANCELS,
    CLOCK_SKEW,
    CONNECTION_KINDS,
    EVENT_KINDS,
    HOLDING,
    IGNORE_CANCEL,
    REQUEST_KINDS,
    Fault,
)
from venue_sim.fault_reader import FaultReader


class Faults:
    """The faults in force.

    Args:
        seed: of the draws that decide which share is hit.
        endpoints: names that `endpoint` may have.
        accounts: names that `account` may have.
    """

    def __init__(self, seed: int, endpoints: frozenset[str], accounts: frozenset[str]) -> None:
        self._draws = random.Random(seed)  # noqa: S311
        self._reader = FaultReader(endpoints, accounts)
        self._faults: dict[int, Fault] = {}
        self._holding: dict[int, Fault] = {}  # their count is used up, what they hit is still held
        self._over: list[Fault] = []  # ended by their count, not yet told
        self._next_id = 1

    def add(self, wanted: dict[str, Any], now_monotonic_ns: int) -> Fault:
        """Set a fault.

        Args:
            wanted: the fields of the admin request (see `Fault`; `duration_seconds` says how long it lasts).
            now_monotonic_ns: the time.

        Raises:
            FaultError: a field is missing, unknown or out of range.
        """
        fault = self._reader.read(wanted, self._next_id, now_monotonic_ns)
        self._next_id += 1
        self._faults[fault.fault_id] = fault
        return fault

    def remove(self, fault_id: int) -> Fault | None:
        """End a fault now and let go what it holds; None when there is none of that id."""
        return self._faults.pop(fault_id, None) or self._holding.pop(fault_id, None)

    def clear(self) -> list[Fault]:
        """End all faults now and let go what they hold; returns those that were in force."""
        ended = list(self._faults.values())
        self._faults.clear()
        self._holding.clear()
        return ended

    def expire(self, now_monotonic_ns: int) -> list[Fault]:
        """Drop the faults whose time is over; return them, and those ended by their count since last time."""
        ended, self._over = self._over, []
        for fault in list(self._faults.values()):
            if fault.ends_monotonic_ns <= now_monotonic_ns:
                del self._faults[fault.fault_id]
                ended.append(fault)
        for fault in list(self._holding.values()):
            if fault.ends_monotonic_ns <= now_monotonic_ns:
                del self._holding[fault.fault_id]
        return ended

    def active(self, now_monotonic_ns: int) -> list[Fault]:
        """The faults in force."""
        return [fault for fault in self._faults.values() if fault.ends_monotonic_ns > now_monotonic_ns]

    def holds(self, fault: Fault, now_monotonic_ns: int) -> bool:
        """Whether what a fault once hit is still held back by it."""
        known = fault.fault_id in self._faults or fault.fault_id in self._holding
        return known and fault.ends_monotonic_ns > now_monotonic_ns

    def hits(
        self, account: str | None, endpoint: str, transport: str, peer: str, now_monotonic_ns: int
    ) -> list[Fault]:
        """Draw which faults hit a request. Costs nothing while no fault is set."""
        if not self._faults:
            return []
        return [
            fault
            for fault in self.active(now_monotonic_ns)
            if fault.kind in REQUEST_KINDS
            and fault.account in (None, account)
            and fault.endpoint in (None, endpoint)
            and fault.transport in (None, transport)
            and fault.peer in (None, peer)
            and (fault.kind != IGNORE_CANCEL or CANCELS in endpoint)
            and self.draw(fault)
        ]

    def event_hits(
        self,
        stream: str,
        account: str | None,
        peer: str,
        names: tuple[str | None, ...],
        now_monotonic_ns: int,
    ) -> list[Fault]:
        """Draw which faults hit an event on its way to one connection; `names` are those it goes by."""
        if not self._faults:
            return []
        return [
            fault
            for fault in self.active(now_monotonic_ns)
            if fault.kind in EVENT_KINDS
            and fault.stream == stream
            and fault.account in (None, account)
            and fault.peer in (None, peer)
            and (fault.event is None or fault.event in names)
            and self.draw(fault)
        ]

    def of_connections(self, now_monotonic_ns: int) -> list[Fault]:
        """The faults of whole connections in force."""
        if not self._faults:
            return []
        return [fault for fault in self.active(now_monotonic_ns) if fault.kind in CONNECTION_KINDS]

    def skew_ms(self, now_monotonic_ns: int) -> int:
        """By how much the venue's clock is off; what several faults say adds up."""
        if not self._faults:
            return 0
        return sum(fault.offset_ms for fault in self.active(now_monotonic_ns) if fault.kind == CLOCK_SKEW)

    def draw(self, fault: Fault) -> bool:
        """Draw whether a fault hits something that it matches, and count the hit."""
        if fault.fault_id not in self._faults or self._draws.random() >= fault.share:
            return False
        fault.hits += 1
        if fault.hits == fault.count:
            del self._faults[fault.fault_id]
            self._over.append(fault)
            if fault.kind in HOLDING:
                self._holding[fault.fault_id] = fault
        return True
