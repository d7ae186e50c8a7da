"""Connections to the market streams: /ws, /ws/<stream> and /stream?streams=<a>/<b>."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote

import orjson
from aiohttp import WSMsgType, web

from venue_sim.market_streams import MarketStreams
from venue_sim.outbox import Outbox

HEARTBEAT_SECONDS = 40
LARGEST_MESSAGE = 1 << 20


class MarketSocket:
    """One connection."""

    def __init__(self, streams: MarketStreams, outbox: Outbox, combined: bool) -> None:
        self._streams = streams
        self._outbox = outbox
        self._combined = combined
        self._subscribed: dict[str, None] = {}

    def publish(self, stream: str, body: bytes) -> None:
        """Send a stream's event, wrapped with the stream's name on a combined connection."""
        if self._combined:
            body = b'{"stream":%b,"data":%b}' % (orjson.dumps(stream), body)
        self._outbox.put(body)

    def subscribe(self, names: list[str]) -> None:
        """Subscribe to streams."""
        for name in names:
            self._subscribed[name] = None
            self._streams.subscribe(name, self)

    def unsubscribe(self, names: list[str]) -> None:
        """Unsubscribe from streams."""
        for name in names:
            self._subscribed.pop(name, None)
            self._streams.unsubscribe(name, self)

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

    def _answer(self, request_id: Any, result: Any) -> None:
        self._outbox.put(orjson.dumps({"result": result, "id": request_id}))

    def _refuse(self, request_id: Any, code: int, message: str) -> None:
        self._outbox.put(orjson.dumps({"error": {"code": code, "msg": message}, "id": request_id}))


async def serve(
    request: web.BaseRequest, sockets: set[web.WebSocketResponse], streams: MarketStreams
) -> web.WebSocketResponse:
    """Serve a connection until it closes; it stands in `sockets` while it is open."""
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS, compress=False, max_msg_size=LARGEST_MESSAGE)
    await socket.prepare(request)
    sockets.add(socket)
    outbox = Outbox(socket)
    path, _, query = request.raw_path.partition("?")
    # USDM: /public/ws, /market/stream, /private/ws?listenKey=<key>; a user stream is named by its key.
    for category in ("/public", "/market", "/private"):
        path = path.removeprefix(category)
    combined = path == "/stream"
    connection = MarketSocket(streams, outbox, combined)
    if combined:
        names = "/".join(parse_qs(query).get("streams", [])).split("/")
    else:
        names = unquote(path.removeprefix("/ws")).split("/")
    names += parse_qs(query).get("listenKey", [])
    # Clients tell their connections apart by a number of their own ("/ws/0"): it is no stream.
    connection.subscribe([name for name in names if name and not name.isdigit()])
    try:
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                connection.handle(message.data)
    finally:
        sockets.discard(socket)
        connection.close()
        await outbox.close()
    return socket
