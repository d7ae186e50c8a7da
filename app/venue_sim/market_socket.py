"""Connections to the market streams: /ws, /ws/<stream> and /stream?streams=<a>/<b>."""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import parse_qs, unquote

import orjson
from aiohttp import web

from venue_sim.connections import Connection, Connections
from venue_sim.market_streams import MarketStreams
from venue_sim.model import SPOT


class Way(Protocol):
    """How events reach a connection; faults stand in it."""

    def send_market(self, connection: Connection, message: bytes) -> None:
        """Send an event."""


class MarketSocket:
    """One connection.

    Attributes:
        connection: what it sends on.
    """

    def __init__(self, streams: MarketStreams, connection: Connection, way: Way, combined: bool) -> None:
        self._streams = streams
        self.connection = connection
        self._way = way
        self._combined = combined
        self._subscribed: dict[str, None] = {}
        connection.announce = lambda body: connection.put(self.wrapped("!serverShutdown", body))

    def publish(self, stream: str, body: bytes) -> None:
        """Send a stream's event."""
        self._way.send_market(self.connection, self.wrapped(stream, body))

    def subscribe(self, names: list[str]) -> None:
        """Subscribe to streams."""
        for name in names:
            self._subscribed[name] = None
            self._streams.subscribe(name, self)
        self._tell_kind()

    def unsubscribe(self, names: list[str]) -> None:
        """Unsubscribe from streams."""
        for name in names:
            self._subscribed.pop(name, None)
            self._streams.unsubscribe(name, self)
        self._tell_kind()

    def close(self) -> None:
        """Unsubscribe from everything."""
        self.unsubscribe(list(self._subscribed))

    def handle(self, text: str) -> None:
        """Serve a SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS or property request."""
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError:
            self._refuse(None, 3, "Invalid JSON: expected value at line 1 column 1")
            return
        if not isinstance(request, dict):
            self._refuse(None, 1, "Invalid value type: expected Object")
            return
        request_id, method, params = request.get("id"), request.get("method"), request.get("params", [])
        if not isinstance(params, list):
            self._refuse(request_id, 1, "Invalid value type: expected Array")
        elif method in ("SUBSCRIBE", "UNSUBSCRIBE"):
            if not params or not all(isinstance(name, str) for name in params):
                self._refuse(request_id, 2, "Invalid request: params must be a list of stream names")
                return
            (self.subscribe if method == "SUBSCRIBE" else self.unsubscribe)(params)
            self._answer(request_id, None)
        elif method == "LIST_SUBSCRIPTIONS":
            self._answer(request_id, list(self._subscribed))
        elif method == "GET_PROPERTY" and params == ["combined"]:
            self._answer(request_id, self._combined)
        elif method == "SET_PROPERTY" and len(params) == 2 and params[0] == "combined":
            self._combined = bool(params[1])
            self._answer(request_id, None)
        else:
            self._refuse(request_id, 2, f"Invalid request: unknown method {method!r}")

    def wrapped(self, stream: str, body: bytes) -> bytes:
        """An event as it is sent: with its stream's name on a combined connection."""
        return b'{"stream":%b,"data":%b}' % (orjson.dumps(stream), body) if self._combined else body

    def _tell_kind(self) -> None:
        """One that carries nothing but user data streams is no connection of market streams to faults."""
        users = [self._streams.owner(name) is not None for name in self._subscribed]
        self.connection.is_market = not users or not all(users)

    def _answer(self, request_id: Any, result: Any) -> None:
        self.connection.put(orjson.dumps({"result": result, "id": request_id}))

    def _refuse(self, request_id: Any, code: int, message: str) -> None:
        self.connection.put(orjson.dumps({"error": {"code": code, "msg": message}, "id": request_id}))


async def serve(
    request: web.BaseRequest,
    connections: Connections,
    streams: MarketStreams,
    way: Way,
    market: str = SPOT,
) -> web.WebSocketResponse:
    """Serve a connection until it closes."""
    path, _, query = request.raw_path.partition("?")
    # USDM: /public/ws, /market/stream, /private/ws?listenKey=<key>; a user stream is named by its key.
    for category in ("/public", "/market", "/private"):
        path = path.removeprefix(category)
    combined = path == "/stream"
    if combined:
        names = "/".join(parse_qs(query).get("streams", [])).split("/")
    else:
        names = unquote(path.removeprefix("/ws")).split("/")
    names += parse_qs(query).get("listenKey", [])
    async with connections.open(request, is_market=True, market=market) as connection:
        socket = MarketSocket(streams, connection, way, combined)
        # Clients tell their connections apart by a path of their own ("/ws/0"): only stream names count.
        socket.subscribe([name for name in names if "@" in name or streams.owner(name) is not None])
        try:
            await connection.read(socket.handle)
        finally:
            socket.close()
    return connection.socket
