"""Faults of streams: events that come twice, late, in the wrong order or never, and connections that fail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol
from weakref import WeakSet

import orjson

from venue_sim import events
from venue_sim import fault as kinds
from venue_sim.clock import Clock
from venue_sim.connections import Connection, Connections
from venue_sim.dialect import Json
from venue_sim.fault import Fault
from venue_sim.faults import Faults


class TerminableStreams(Protocol):
    """User data streams that the venue can end."""

    def terminate(self, now_ms: int, account: str | None, connection: Connection) -> None:
        """End those of an account, None: of all, on a connection, and tell it."""


class EventFaults:
    """What every event passes through on its way to a connection.

    Args:
        faults: those in force.
        connections: where it is written down what became of an event.
    """

    def __init__(self, faults: Faults, connections: Connections) -> None:
        self._faults = faults
        self._connections = connections
        self._held: dict[Connection, tuple[Fault, bytes]] = {}

    def send_user(self, connection: Connection, account: str, event: Json, message: bytes) -> None:
        """Send an event of an account's user stream, unless a fault has it otherwise."""
        held = self._held.pop(connection, None)
        if held is not None:
            # The next event passes untouched, so that two change places and no more.
            connection.put(message)
            connection.put(held[1])
            return
        # USDM's events of orders have what tells of the order in a field of its own.
        order = event["o"] if isinstance(event.get("o"), dict) else event
        names = (event["e"], order.get("x"))
        hits = self._faults.event_hits(kinds.USER, account, connection.peer, names, time.monotonic_ns())
        for fault in hits:
            self._connections.note(
                fault.kind,
                connection,
                fault=fault.fault_id,
                account=account,
                event=event["e"],
                execution=order.get("x"),
                client_order_id=order.get("C") or order.get("c") or order.get("caid"),
                trade_id=order.get("t"),
            )
        self._deliver(connection, message, hits)

    def send_market(self, connection: Connection, message: bytes) -> None:
        """Send an event of a market stream. What faults do to these is only counted, there are so many."""
        hits = self._faults.event_hits(kinds.MARKET, None, connection.peer, (), time.monotonic_ns())
        self._deliver(connection, message, hits)

    def tick(self, now_ns: int) -> None:
        """Send what was held back for a next event that did not come while its fault lasted."""
        for connection, (fault, message) in list(self._held.items()):
            if not self._faults.holds(fault, now_ns):
                del self._held[connection]
                connection.put(message)

    def _deliver(self, connection: Connection, message: bytes, hits: list[Fault]) -> None:
        copies, delay_ms = 1, 0
        for fault in hits:
            if fault.kind == kinds.DROP:
                copies = 0
            elif fault.kind == kinds.DUPLICATE:
                copies *= 2
            elif fault.kind == kinds.LATE:
                delay_ms += fault.latency_ms
            else:
                self._held[connection] = (fault, message)
                return
        for _ in range(copies):
            if delay_ms:
                asyncio.get_running_loop().call_later(delay_ms / 1000, connection.put, message)
            else:
                connection.put(message)


class ConnectionFaults:
    """Does to whole connections what faults want: to those open when one is set, and to those opened later.

    Args:
        faults: those in force.
        connections, user_streams: what is open.
        clock: dates the venue's events.
    """

    def __init__(
        self,
        faults: Faults,
        connections: Connections,
        user_streams: Sequence[TerminableStreams],
        clock: Clock,
    ) -> None:
        self._faults = faults
        self._connections = connections
        self._user_streams = user_streams
        self._clock = clock
        self._met: dict[int, WeakSet[Connection]] = {}
        self._frozen: dict[Connection, Fault] = {}

    def tick(self, now_ns: int) -> None:
        """Hit the connections that a fault has not met yet; let go those whose silence is over."""
        in_force = self._faults.of_connections(now_ns)
        if self._met or in_force:
            self._met = {fault.fault_id: self._met.get(fault.fault_id, WeakSet()) for fault in in_force}
        for fault in in_force:
            met = self._met[fault.fault_id]
            for connection in self._connections:
                if connection in met or connection.ends or not _matches(fault, connection):
                    continue
                met.add(connection)
                if self._faults.draw(fault):
                    self._hit(fault, connection)
        for connection, fault in list(self._frozen.items()):
            if not self._faults.holds(fault, now_ns) or connection not in self._connections:
                del self._frozen[connection]
                connection.abort()

    def _hit(self, fault: Fault, connection: Connection) -> None:
        self._connections.note(fault.kind, connection, fault=fault.fault_id, account=fault.account)
        if fault.kind == kinds.SILENCE:
            connection.freeze()
            self._frozen[connection] = fault
        elif fault.kind == kinds.TERMINATE:
            for streams in self._user_streams:
                streams.terminate(self._clock.now_ms(), fault.account, connection)
        elif fault.kind == kinds.SERVER_SHUTDOWN:
            connection.announce(orjson.dumps(events.server_shutdown(self._clock.now_ms())))
        elif fault.close_code == kinds.ABNORMAL_CLOSE:
            connection.abort()
        else:
            connection.disconnect(fault.close_code, fault.name)


def _matches(fault: Fault, connection: Connection) -> bool:
    if fault.peer not in (None, connection.peer):
        return False
    if fault.stream == kinds.MARKET:
        return connection.is_market
    return bool(connection.accounts) if fault.account is None else fault.account in connection.accounts
