"""The WebSocket connections that are open: how each is kept alive, and how it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from venue_sim import fault as kinds
from venue_sim.outbox import Outbox
from venue_sim.record import Record
from venue_sim.stamps import peer_address

LARGEST_MESSAGE = 1 << 20
CLOSE_SECONDS = 2.0
"""How long a client may take to answer a close frame."""

_TICK_NS = 50_000_000


class Connection:
    """One connection.

    Attributes:
        peer: the client's address.
        is_market: it carries market streams.
        market: "spot" or "usdm".
        accounts: those whose user streams it carries.
        socket: aiohttp's side of it.
        announce: sends an event that is of no stream, in the form of this connection.
    """

    def __init__(
        self, request: web.BaseRequest, socket: web.WebSocketResponse, is_market: bool, market: str
    ) -> None:
        self.peer = peer_address(request)
        self.is_market = is_market
        self.market = market
        self.accounts: set[str] = set()
        self.announce: Callable[[bytes], None] = self.put
        self.opened_ns = self.pinged_ns = time.monotonic_ns()
        self.unanswered_ns: int | None = None
        """When the oldest ping that has no pong was sent."""
        self._ping = b""
        self._transport = request.transport
        self.socket = socket
        self._outbox = Outbox(socket)
        self._gone = asyncio.Event()
        self._frozen = False
        self._ending: asyncio.Task[None] | None = None

    @property
    def transport(self) -> asyncio.Transport | None:
        """What the bytes pass through, for those who break it."""
        return self._transport

    @property
    def ends(self) -> bool:
        """Whether it is frozen or about to end: then the venue does nothing on it."""
        return self._frozen or self._ending is not None

    def put(self, message: bytes) -> None:
        """Send a text message after those before it."""
        if not self.ends:
            self._outbox.put(message)

    def ping(self, now_ns: int) -> None:
        """Send a ping. Only a pong with the same payload answers it."""
        self._ping = str(time.time_ns() // 1_000_000).encode()
        self.pinged_ns = now_ns
        if self.unanswered_ns is None:
            self.unanswered_ns = now_ns
        self._outbox.put(self._ping, WSMsgType.PING)

    async def read(self, handle: Callable[[str], None]) -> None:
        """Hand over every text message until the connection ends."""
        async for message in self.socket:
            if message.type == WSMsgType.TEXT:
                handle(message.data)
            elif message.type == WSMsgType.PING:
                self._outbox.put(bytes(message.data), WSMsgType.PONG)
            elif message.type == WSMsgType.PONG and bytes(message.data) == self._ping:
                self.unanswered_ns = None

    def freeze(self) -> None:
        """Be a peer that is gone without a word: the connection stays, nothing is sent or read any more."""
        self._frozen = True
        self._outbox.forget()
        if self._transport is not None:
            self._transport.pause_reading()

    def abort(self) -> None:
        """Drop the connection at once, without a close frame."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.abort()

    def disconnect(self, code: int, reason: str) -> None:
        """End the connection with a close frame; a client that does not answer it is dropped."""
        if self._ending is None:
            self._ending = asyncio.create_task(self.end(code, reason))

    async def end(self, code: int, reason: str) -> None:
        """Send a close frame and wait for the client's, but not for long; a frozen connection is dropped."""
        if self._frozen:
            self.abort()
            return
        # Not aiohttp's close(): called by another task than the reader's it lets no client answer.
        self._outbox.put(code.to_bytes(2, "big") + reason.encode(), WSMsgType.CLOSE)
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._gone.wait()
        except TimeoutError:
            self.abort()

    async def close(self) -> None:
        """Stop sending: the connection is gone."""
        self._gone.set()
        await self._outbox.close()


class Connections:
    """All open connections.

    Args:
        life_seconds: after which the venue ends a connection.
        ping_seconds: between two pings.
        pong_seconds: within which a ping must be answered.
        record: where it is written down that the venue ended one.
    """

    def __init__(self, life_seconds: float, ping_seconds: float, pong_seconds: float, record: Record) -> None:
        self._life_ns = int(life_seconds * 1e9)
        self._ping_ns = int(ping_seconds * 1e9)
        self._pong_ns = int(pong_seconds * 1e9)
        self._record = record
        self._open: set[Connection] = set()
        self._next_tick_ns = 0

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._open))

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._open

    @asynccontextmanager
    async def open(self, request: web.BaseRequest, is_market: bool, market: str) -> AsyncIterator[Connection]:
        """Accept a connection; it is among the open ones until the context ends."""
        # Pings are the venue's own affair here: aiohttp's heartbeat would wake a frozen connection.
        socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=LARGEST_MESSAGE)
        await socket.prepare(request)
        connection = Connection(request, socket, is_market, market)
        self._open.add(connection)
        try:
            yield connection
        finally:
            self._open.discard(connection)
            await connection.close()

    def tick(self, now_ns: int) -> None:
        """Ping those whose turn it is; end those that are too old or did not answer."""
        if now_ns < self._next_tick_ns:
            return
        self._next_tick_ns = now_ns + _TICK_NS
        for connection in self:
            if connection.ends:
                continue
            if now_ns - connection.opened_ns >= self._life_ns:
                self.note("life_over", connection)
                connection.disconnect(WSCloseCode.GOING_AWAY, "disconnected after its time")
            elif connection.unanswered_ns and now_ns - connection.unanswered_ns >= self._pong_ns:
                self.note("pong_missed", connection)
                connection.disconnect(WSCloseCode.POLICY_VIOLATION, "Pong timeout")
            elif now_ns - connection.pinged_ns >= self._ping_ns:
                connection.ping(now_ns)

    async def end_all(self) -> None:
        """End every connection because the venue stops."""
        ending = [connection.end(WSCloseCode.GOING_AWAY, "") for connection in self]
        await asyncio.gather(*ending, return_exceptions=True)

    def note(self, action: str, connection: Connection, **more: Any) -> None:
        """Write down what the venue did to a connection or kept from it."""
        stream = kinds.MARKET if connection.is_market else kinds.USER
        entry = {"fault": None, "action": action, "market": connection.market, "stream": stream}
        entry |= {"peer": connection.peer, "account": None}
        self._record.append("stream", entry | more)
