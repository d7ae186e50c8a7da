"""What a WebSocket connection still has to send: filled without waiting, emptied in order by its own task."""

from __future__ import annotations

import asyncio
from collections import deque

from aiohttp import WSMsgType, web

MOST_WAITING = 20_000
"""A client that lets more messages wait than this is disconnected, as the venue does with slow readers."""


class Outbox:
    """The sending side of one connection.

    Args:
        socket: prepared already.
    """

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._waiting: deque[tuple[bytes, WSMsgType]] = deque()
        self._wake = asyncio.Event()
        self._task = asyncio.create_task(self._send())

    def put(self, message: bytes, kind: WSMsgType = WSMsgType.TEXT) -> None:
        """Send a message, a text if nothing else is said, after those before it."""
        self._waiting.append((message, kind))
        self._wake.set()

    def forget(self) -> None:
        """Drop what still waits to be sent."""
        self._waiting.clear()

    async def close(self) -> None:
        """Stop sending."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                if len(self._waiting) > MOST_WAITING:
                    await self._socket.close(code=1008, message=b"too slow")
                    return
                try:
                    await self._socket.send_frame(*self._waiting.popleft())
                except ConnectionError:
                    return
