"""The front door: every request, REST or WebSocket, passes here.

It counts the weight, finds the account, lets faults act, checks time and signature, runs the operation and
records what came and what was answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from venue_sim import errors
from venue_sim import fault as kinds
from venue_sim.auth import Caller, check_signed
from venue_sim.broken_answers import with_client_id, with_status, without_ids
from venue_sim.endpoints import Endpoint
from venue_sim.errors import VenueError
from venue_sim.fault import Fault
from venue_sim.faults import Faults
from venue_sim.model import CANCELED, Account
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
    """An answer; `body` is the result, or `error` is set.

    `text`, when set, is sent over REST in place of JSON. `broken` is the fault by which the answer does not
    arrive as it should (broken_answers.py).
    """

    http_status: int = 200
    body: Any = None
    error: VenueError | None = None
    headers: dict[str, str] = field(default_factory=dict)
    caller: Caller | None = None
    text: str | None = None
    broken: Fault | None = None


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
        caller = self.venue.keys.find(call.api_key)
        return self.faults.hits(
            caller.account.name if caller else None,
            call.endpoint.name,
            call.transport,
            call.peer,
            time.monotonic_ns(),
        )

    def serve(self, call: Call, run: Callable[[Account | None], Any] | None = None) -> Reply:
        """Serve a call that no fault hits.

        Args:
            run: in place of the endpoint's own operation (for those that need the connection).
        """
        request_id = self.record.next_request_id()
        reply = self._process(call, request_id, run)
        self._write(call, request_id, reply, None)
        return reply

    async def serve_with(
        self, call: Call, hits: list[Fault], run: Callable[[Account | None], Any] | None = None
    ) -> Reply:
        """Serve a call that faults hit: wait, fail or break the answer, before or after the venue acts."""
        request_id = self.record.next_request_id()
        reply: Reply | None = None
        for fault in (hit for hit in hits if hit.stage == kinds.BEFORE):
            if fault.kind == kinds.LATENCY:
                await asyncio.sleep(fault.latency_ms / 1000)
            elif fault.kind == kinds.ERROR:
                reply = _refusal(fault)
            else:
                reply = reply or _refusal(_UNABLE)
                reply.broken = fault
        if reply is None:
            with self._sparing([hit for hit in hits if hit.kind == kinds.IGNORE_CANCEL]):
                reply = self._process(call, request_id, run)
            for fault in (hit for hit in hits if hit.stage == kinds.AFTER):
                if fault.kind == kinds.LATENCY:
                    await asyncio.sleep(fault.latency_ms / 1000)
                elif fault.kind == kinds.ERROR:
                    reply = _refusal(fault)
                elif fault.kind == kinds.OTHER_ID:
                    reply.body = with_client_id(reply.body, self.venue.new_client_id())
                elif fault.kind == kinds.NO_ID:
                    reply.body = without_ids(reply.body)
                elif fault.kind == kinds.IGNORE_CANCEL:
                    reply.body = with_status(reply.body, CANCELED)
                else:
                    reply.broken = fault
        self._write(call, request_id, reply, hits)
        return reply

    @contextmanager
    def _sparing(self, ignored: list[Fault]) -> Iterator[None]:
        """Let orders live on that are cancelled meanwhile."""
        spared = {fault.client_order_id for fault in ignored}
        exchange = self.venue.exchange
        plain = exchange.spares
        if spared:
            exchange.spares = lambda client_id: None in spared or client_id in spared
        try:
            yield
        finally:
            exchange.spares = plain

    def _process(self, call: Call, request_id: int, run: Callable[[Account | None], Any] | None) -> Reply:
        venue = self.venue
        now_ms = venue.clock.now_ms()
        reply = Reply()
        endpoint = call.endpoint
        self.record.request_id = request_id
        try:
            used = venue.limits.weigh(call.peer, endpoint.weigh(call.parameters), now_ms)
            reply.headers["X-MBX-USED-WEIGHT"] = reply.headers["X-MBX-USED-WEIGHT-1M"] = str(used)
            if endpoint.signed is not None:
                reply.caller = venue.caller = caller = venue.keys.require(call.api_key)
                account = caller.account
                _check_names(call, endpoint.parameters | COMMON | call.extra)
                if not endpoint.key_only:
                    check_signed(caller.key, call.parameters, call.payloads, now_ms)
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
            reply.headers |= _retry_after(error)
        finally:
            self.record.request_id = None
            venue.caller = None
        return reply

    def _write(self, call: Call, request_id: int, reply: Reply, hits: list[Fault] | None) -> None:
        caller = reply.caller or self.venue.keys.find(call.api_key)
        broken = reply.broken.kind if reply.broken else None
        code: int | None = reply.error.code if reply.error else 0
        http_status: int | None = reply.http_status
        if reply.text is not None:
            code = None
        if reply.broken is not None:
            code = None
            if broken in (kinds.HANG, kinds.RESET, kinds.CLOSE):
                http_status = None
            elif broken == kinds.HTML:
                http_status = reply.broken.http_status
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
                "account": caller.account.name if caller else None,
                "key": caller.key.name if caller else None,
                "params": {name: value for name, value in call.parameters.items() if name not in UNRECORDED},
                "http_status": http_status,
                "code": code,
                "fault": hits[-1].fault_id if hits else None,
                "outcome": broken or "answered",
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


_UNABLE = Fault(0, "", kinds.ERROR, 0, 0, code=-1001, http_status=200)
"""What stands in for the answer that is broken when the venue did not act; its status tells nothing."""


def _refusal(fault: Fault) -> Reply:
    message = fault.message or fault.body or errors.TEXTS.get(fault.code, f"Fault {fault.name}.")
    error = VenueError(fault.code, message, fault.http_status, fault.retry_after_seconds)
    return Reply(http_status=fault.http_status, error=error, headers=_retry_after(error), text=fault.body)


def _retry_after(error: VenueError) -> dict[str, str]:
    return {} if error.retry_after_seconds is None else {"Retry-After": str(error.retry_after_seconds)}
