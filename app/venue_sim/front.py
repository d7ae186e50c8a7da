"""The front door: every request, REST or WebSocket, passes here.

It counts the weight, finds the account, lets faults act, checks time and signature, runs the operation and
records what came and what was answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from venue_sim import errors, faults
from venue_sim.auth import check_signed
from venue_sim.endpoints import Endpoint
from venue_sim.errors import VenueError
from venue_sim.faults import Fault, Faults
from venue_sim.model import Account
from venue_sim.parameters import Parameters
from venue_sim.record import Record
from venue_sim.venue import Venue

COMMON = frozenset({"timestamp", "recvWindow", "signature"})
UNRECORDED = frozenset({"apiKey", "signature"})


@dataclass(slots=True)
class Call:
    """One request.

    Attributes:
        transport: "rest" or "ws".
        parameters: as received.
        api_key: sent with it, if any.
        payloads: the byte strings that the client may have signed.
        peer: the client's address.
        arrival_monotonic_ns, arrival_wall_ns: when its bytes arrived.
        repeated: one parameter was sent twice.
        extra: names of parameters that belong to the transport.
    """

    transport: str
    endpoint: Endpoint
    parameters: Parameters
    api_key: str | None
    payloads: Iterable[bytes]
    peer: str
    arrival_monotonic_ns: int
    arrival_wall_ns: int
    repeated: bool = False
    extra: frozenset[str] = frozenset()


@dataclass(slots=True)
class Reply:
    """An answer; `body` is the result, or `error` is set. `hang` means that no answer is ever sent."""

    http_status: int = 200
    body: Any = None
    error: VenueError | None = None
    headers: dict[str, str] = field(default_factory=dict)
    account: Account | None = None
    hang: Fault | None = None


class Front:
    """Serves calls.

    Args:
        venue: what they are served from.
        set_faults: the faults in force.
        record: where all is written down.
    """

    def __init__(self, venue: Venue, set_faults: Faults, record: Record) -> None:
        self.venue = venue
        self.faults = set_faults
        self.record = record

    def hits(self, call: Call) -> list[Fault]:
        """The faults that hit a call; none in the usual case."""
        account = self.venue.keys.find(call.api_key)
        return self.faults.hits(account.name if account else None, call.endpoint.name, time.monotonic_ns())

    def serve(self, call: Call, run: Callable[[Account | None], Any] | None = None) -> Reply:
        """Serve a call that no fault hits.

        Args:
            run: in place of the endpoint's own operation (for those that need the connection).
        """
        request_id = self.record.next_request_id()
        reply = self._process(call, request_id, run)
        self._write(call, request_id, reply, None, "answered")
        return reply

    async def serve_with(
        self, call: Call, hits: list[Fault], run: Callable[[Account | None], Any] | None = None
    ) -> Reply:
        """Serve a call that faults hit: wait, fail or stay silent, before or after the venue has acted."""
        request_id = self.record.next_request_id()
        reply: Reply | None = None
        hit: Fault | None = None
        for stage in (faults.BEFORE, faults.AFTER):
            for fault in hits:
                if fault.stage != stage:
                    continue
                hit = fault
                if fault.kind == faults.LATENCY:
                    await asyncio.sleep(fault.latency_ms / 1000)
                elif fault.kind == faults.ERROR:
                    reply = Reply(error=_as_error(fault))
                else:
                    reply = Reply(hang=fault)
            if stage == faults.BEFORE and reply is not None:
                break
            if stage == faults.BEFORE:
                processed = self._process(call, request_id, run)
            elif reply is None:
                reply = processed
        assert reply is not None
        if reply.account is None:
            reply.account = self.venue.keys.find(call.api_key)
        if reply.error is not None:
            reply.http_status = reply.error.http_status
        self._write(call, request_id, reply, hit, "hang" if reply.hang else "answered")
        return reply

    def _process(self, call: Call, request_id: int, run: Callable[[Account | None], Any] | None) -> Reply:
        now_ms = time.time_ns() // 1_000_000
        reply = Reply()
        venue = self.venue
        endpoint = call.endpoint
        self.record.request_id = request_id
        try:
            used = venue.limits.weigh(call.peer, endpoint.weigh(call.parameters), now_ms)
            reply.headers["X-MBX-USED-WEIGHT"] = reply.headers["X-MBX-USED-WEIGHT-1M"] = str(used)
            if endpoint.signed is not None:
                reply.account = account = venue.keys.require(call.api_key)
                _check_names(call, endpoint.parameters | COMMON | call.extra)
                if not endpoint.key_only:
                    check_signed(account, call.parameters, call.payloads, now_ms)
                reply.body = run(account) if run else endpoint.signed(venue, account, call.parameters, now_ms)
                if endpoint.places_order:
                    reply.headers |= venue.limits.count_order(account.name, now_ms)
            else:
                _check_names(call, endpoint.parameters | call.extra)
                if run:
                    reply.body = run(None)
                elif endpoint.public is not None:
                    reply.body = endpoint.public(venue, call.parameters, now_ms)
        except VenueError as error:
            reply.error = error
            reply.http_status = error.http_status
            if error.retry_after_seconds is not None:
                reply.headers["Retry-After"] = str(error.retry_after_seconds)
        finally:
            self.record.request_id = None
        return reply

    def _write(self, call: Call, request_id: int, reply: Reply, hit: Fault | None, outcome: str) -> None:
        answered = outcome == "answered"
        self.record.append(
            "request",
            {
                "request_id": request_id,
                "arrival_monotonic_ns": call.arrival_monotonic_ns,
                "arrival_wall_ns": call.arrival_wall_ns,
                "done_monotonic_ns": time.monotonic_ns(),
                "peer": call.peer,
                "transport": call.transport,
                "market": call.endpoint.market,
                "endpoint": call.endpoint.name,
                "account": reply.account.name if reply.account else None,
                "params": {name: value for name, value in call.parameters.items() if name not in UNRECORDED},
                "http_status": reply.http_status if answered else None,
                "code": (reply.error.code if reply.error else 0) if answered else None,
                "fault": hit.fault_id if hit else None,
                "outcome": outcome,
            },
        )


def _check_names(call: Call, known: frozenset[str]) -> None:
    if call.repeated:
        raise errors.duplicate_values()
    sent = call.parameters.keys()
    if sent <= known:
        return
    unknown = len(sent - known)
    if call.endpoint.signed is None:
        raise errors.too_many_parameters(len(sent) - unknown, len(sent))
    raise errors.unread_parameters(len(sent) - unknown, len(sent))


def _as_error(fault: Fault) -> VenueError:
    text = faults.ERROR_TEXTS.get(fault.code, f"Fault {fault.name}.")
    return VenueError(fault.code, text, fault.http_status)
