"""When bytes arrived: an HTTP server that notes the monotonic time of the last read of each connection."""

from __future__ import annotations

import time

from aiohttp import web
from aiohttp.web_protocol import RequestHandler


class StampedHandler(RequestHandler):
    """A connection that knows when its last bytes arrived, before any of them was parsed."""

    __slots__ = ("arrived_ns",)

    arrived_ns: int

    def data_received(self, data: bytes) -> None:
        """Note the time, then parse."""
        self.arrived_ns = time.monotonic_ns()
        super().data_received(data)


class StampedServer(web.Server):
    """aiohttp's low-level server, with stamped connections."""

    def __call__(self) -> RequestHandler:
        """Make the handler of a new connection."""
        return StampedHandler(self, loop=self._loop, **self._kwargs)


def arrival_ns(request: web.BaseRequest) -> int:
    """Monotonic time, in nanoseconds, at which the last bytes of a request's connection arrived."""
    protocol = request.protocol
    return protocol.arrived_ns if isinstance(protocol, StampedHandler) else time.monotonic_ns()


def peer_address(request: web.BaseRequest) -> str:
    """The client's address without its port, as rate limits count it."""
    return request.remote or "unknown"
