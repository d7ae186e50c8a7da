"""The WebSocket API (/ws-api/v3): requests, answers and user data streams on one connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from venue_sim import broken_answers, errors
from venue_sim.auth import ws_payloads
from venue_sim.connections import Connection, Connections
from venue_sim.endpoints import BY_NAME, Endpoint
from venue_sim.errors import VenueError
from venue_sim.front import Call, Front, Reply
from venue_sim.model import SPOT, Account
from venue_sim.parameters import Parameters
from venue_sim.stamps import arrival_ns, peer_address
from venue_sim.user_streams import UserStreams

SUBSCRIBE = "userDataStream.subscribe.signature"
UNSUBSCRIBE = "userDataStream.unsubscribe"


def _on_connection(*_: Any) -> Any:
    raise AssertionError("served by the connection itself")


ENDPOINTS = BY_NAME | {
    SUBSCRIBE: Endpoint(SUBSCRIBE, None, frozenset(), 2, signed=_on_connection),
    UNSUBSCRIBE: Endpoint(UNSUBSCRIBE, None, frozenset({"subscriptionId"}), 2, public=_on_connection),
    "session.status": Endpoint("session.status", None, frozenset(), 2, public=_on_connection),
    "session.subscriptions": Endpoint("session.subscriptions", None, frozenset(), 2, public=_on_connection),
}
"""Every operation by name; those of `BY_NAME` and those that only a connection can serve."""

_EXTRA = frozenset({"apiKey", "returnRateLimits"})


class WsApiConnection:
    """One connection to the WebSocket API."""

    def __init__(
        self,
        request: web.BaseRequest,
        connection: Connection,
        front: Front,
        streams: UserStreams,
        endpoints: Mapping[str, Endpoint],
    ) -> None:
        self._request = request
        self._endpoints = endpoints
        self._connection = connection
        connection.announce = lambda body: connection.put(b'{"event":%b}' % body)
        self._front = front
        self._streams = streams
        self._subscriptions: set[int] = set()
        self._next_subscription = 0
        self._waiting: set[asyncio.Task[None]] = set()

    def handle(self, text: str) -> None:
        """Serve one frame; one that a fault hits gets a task, so that those after it are not held up."""
        arrived_ns = arrival_ns(self._request)
        request_id: Any = None
        try:
            request_id, method, parameters = _parse(text)
            endpoint = self._endpoints.get(method.removeprefix("v3/"))
            if endpoint is None or endpoint.rest_only:
                raise errors.VenueError(-1020, "This operation is not supported.")
        except VenueError as error:
            refusal = Reply(http_status=error.http_status, error=error)
            self._connection.put(self._content(request_id, refusal, None))
            return
        call = Call(
            transport="ws",
            endpoint=endpoint,
            parameters=parameters,
            api_key=parameters.get("apiKey") or None,
            payloads=ws_payloads(parameters) if endpoint.signed else (),
            peer=peer_address(self._request),
            arrival_monotonic_ns=arrived_ns,
            arrival_wall_ns=time.time_ns() - (time.monotonic_ns() - arrived_ns),
            extra=_EXTRA,
        )
        hits = self._front.hits(call)
        if not hits:
            self._connection.put(self._content(request_id, self._front.serve(call, self._own(call)), call))
            return
        task = asyncio.create_task(self._serve_with(request_id, call, hits))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def close(self) -> None:
        """End the subscriptions, and the requests that faults hold."""
        self._streams.unsubscribe(self._connection)
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)

    async def _serve_with(self, request_id: Any, call: Call, hits: list[Any]) -> None:
        reply = await self._front.serve_with(call, hits, self._own(call))
        content = self._content(request_id, reply, call)
        if reply.broken is None:
            self._connection.put(content)
        else:
            broken_answers.over_websocket(self._connection, reply.broken, content)

    def _own(self, call: Call) -> Any:
        """What the connection itself must do for a call, None when it is an ordinary one."""
        name = call.endpoint.name
        if name == SUBSCRIBE:
            return self._subscribe
        if name == UNSUBSCRIBE:
            return lambda _account: self._unsubscribe(call.parameters)
        if name == "session.status":
            return lambda _account: {
                "apiKey": None,
                "authorizedSince": None,
                "connectedSince": None,
                "returnRateLimits": True,
                "serverTime": self._front.venue.clock.now_ms(),
                "userDataStream": bool(self._subscriptions),
            }
        if name == "session.subscriptions":
            return lambda _account: [{"subscriptionId": number} for number in sorted(self._subscriptions)]
        return None

    def _subscribe(self, account: Account | None) -> dict[str, int]:
        caller = self._front.venue.caller
        assert account is not None
        assert caller is not None
        number = self._next_subscription
        self._next_subscription += 1
        self._subscriptions.add(number)
        self._streams.subscribe(account, number, self._connection, caller.key.name)
        return {"subscriptionId": number}

    def _unsubscribe(self, parameters: Parameters) -> dict[str, int]:
        number = parameters.integer("subscriptionId")
        self._streams.unsubscribe(self._connection, number)
        if number is None:
            self._subscriptions.clear()
        else:
            self._subscriptions.discard(number)
        return {}

    def _content(self, request_id: Any, reply: Reply, call: Call | None) -> bytes:
        answer: dict[str, Any] = {"id": request_id, "status": reply.http_status}
        now_ms = self._front.venue.clock.now_ms()
        if reply.error is None:
            answer["result"] = reply.body
        else:
            answer["error"] = {"code": reply.error.code, "msg": reply.error.message}
            if reply.error.retry_after_seconds is not None:
                until_ms = now_ms + reply.error.retry_after_seconds * 1000
                answer["error"]["data"] = {"serverTime": now_ms, "retryAfter": until_ms}
        if call is not None and call.parameters.get("returnRateLimits", "true") != "false":
            places = call.endpoint.places_order and reply.caller is not None
            account = reply.caller.account.name if places and reply.caller else None
            answer["rateLimits"] = self._front.venue.limits.status(call.peer, account, now_ms)
        return orjson.dumps(answer)


def _parse(text: str) -> tuple[Any, str, Parameters]:
    """A frame's id, method and parameters, values as the strings that are signed.

    Raises:
        VenueError: the frame is not a request.
    """
    try:
        request = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise errors.VenueError(-1135, "Invalid JSON Request") from None
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        raise errors.VenueError(-1135, "Invalid JSON Request")
    params = request.get("params") or {}
    if not isinstance(params, dict):
        raise errors.VenueError(-1135, "JSON sent for parameter 'params' is not valid")
    parameters = Parameters()
    for name, value in params.items():
        parameters[name] = _as_text(name, value)
    return request.get("id"), request["method"], parameters


def _as_text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if value is None or isinstance(value, float):
        # Amounts are strings at the venue; a JSON number with a fraction has no exact text to be signed.
        raise errors.mandatory(name)
    return orjson.dumps(value).decode()


async def serve(
    request: web.BaseRequest,
    connections: Connections,
    front: Front,
    streams: UserStreams,
    endpoints: Mapping[str, Endpoint] = ENDPOINTS,
    market: str = SPOT,
) -> web.WebSocketResponse:
    """Serve a connection until it closes."""
    async with connections.open(request, is_market=False, market=market) as connection:
        api = WsApiConnection(request, connection, front, streams, endpoints)
        try:
            await connection.read(api.handle)
        finally:
            await api.close()
    return connection.socket
