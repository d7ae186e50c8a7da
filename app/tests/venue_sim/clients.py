"""Clients of the emulator: an unmodified ccxt.pro, and one that sends exactly the bytes that a test wants."""

from __future__ import annotations

import contextlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import ccxt.pro
from yarl import URL

from tests.venue_sim.support import DEADLINE_SECONDS, RunningVenue
from venue_sim.model import SPOT


@asynccontextmanager
async def ccxt_client(venue: RunningVenue, account: str = "trader-01", **extra: Any) -> AsyncIterator[Any]:
    """An unmodified ccxt.pro.binance on the emulator, closed at the end."""
    client = ccxt.pro.binance(venue.ccxt_config(account, timeout_on_exit=0, **extra))
    try:
        yield client
    finally:
        # Python 3.11.2 (Debian 12): asyncio's TLS transports cannot be aborted twice, as closing ccxt does.
        with contextlib.suppress(AttributeError):
            await client.close()


@asynccontextmanager
async def usdm_client(venue: RunningVenue, account: str = "trader-01", **extra: Any) -> AsyncIterator[Any]:
    """An unmodified ccxt.pro.binanceusdm on the emulator, closed at the end."""
    client = ccxt.pro.binanceusdm(venue.usdm_config(account, **extra))
    try:
        yield client
    finally:
        with contextlib.suppress(AttributeError):  # as in ccxt_client
            await client.close()


class RawClient:
    """A hand-written REST client: sends exactly the bytes that a test wants."""

    def __init__(self, venue: RunningVenue, session: aiohttp.ClientSession, account: str) -> None:
        self._session = session
        self._url = venue.rest_url
        self.credentials = venue.accounts[account]

    def sign(self, payload: str) -> str:
        """The HMAC of a payload."""
        return hmac.new(self.credentials.api_secret.encode(), payload.encode(), "sha256").hexdigest()

    async def send(
        self, method: str, path: str, query: str = "", body: str | None = None, key: str | None = ""
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Send a request as it is; `key` None: no API key, "": the account's own.

        Returns:
            Status, decoded body, headers.
        """
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}
        if key is not None:
            headers["X-MBX-APIKEY"] = key or self.credentials.api_key
        url = URL(f"{self._url}{path}{'?' + query if query else ''}", encoded=True)
        async with self._session.request(method, url, data=body, headers=headers) as answer:
            text = await answer.text()
            decoded = json.loads(text) if answer.content_type == "application/json" else text
            return answer.status, decoded, answer.headers

    async def signed(
        self, method: str, path: str, query: str = "", timestamp_ms: int | None = None
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Add the time, sign and send, in the query."""
        now = int(time.time() * 1000) if timestamp_ms is None else timestamp_ms
        payload = f"{query}{'&' if query else ''}timestamp={now}"
        return await self.send(method, path, f"{payload}&signature={self.sign(payload)}")


@asynccontextmanager
async def raw_client(venue: RunningVenue, account: str = "trader-01") -> AsyncIterator[RawClient]:
    """A hand-written REST client, closed at the end."""
    connector = aiohttp.TCPConnector(ssl=venue.ssl_context())
    async with aiohttp.ClientSession(connector=connector) as session:
        yield RawClient(venue, session, account)


class Frames:
    """One connection to the WebSocket API; answers by id, events apart."""

    def __init__(self, venue: RunningVenue, socket: aiohttp.ClientWebSocketResponse, account: str) -> None:
        self.socket = socket
        self._credentials = venue.accounts[account]
        self.events: list[dict[str, Any]] = []
        self._count = 0

    async def send(self, text: str) -> None:
        """Send a text frame as it is."""
        await self.socket.send_str(text)

    async def receive(self) -> dict[str, Any]:
        """The next frame, decoded."""
        frame = await self.socket.receive(DEADLINE_SECONDS)
        assert frame.type == aiohttp.WSMsgType.TEXT, frame
        decoded: dict[str, Any] = json.loads(frame.data)
        return decoded

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a request and wait for its answer; events that come before are kept."""
        self._count += 1
        await self.send(json.dumps({"id": self._count, "method": method, "params": params}))
        while True:
            frame = await self.receive()
            if "event" not in frame:
                assert frame["id"] == self._count
                return frame
            self.events.append(frame)

    async def signed(self, method: str, **params: Any) -> dict[str, Any]:
        """The same, signed."""
        params |= {"apiKey": self._credentials.api_key, "timestamp": int(time.time() * 1000)}
        text = {n: str(v).lower() if isinstance(v, bool) else str(v) for n, v in params.items()}
        payload = "&".join(f"{name}={text[name]}" for name in sorted(text))
        secret = self._credentials.api_secret.encode()
        return await self.ask(
            method, **params, signature=hmac.new(secret, payload.encode(), "sha256").hexdigest()
        )

    async def event(self) -> dict[str, Any]:
        """The next event."""
        return self.events.pop(0) if self.events else await self.receive()


@asynccontextmanager
async def frames(
    venue: RunningVenue, account: str = "trader-01", market: str = SPOT
) -> AsyncIterator[Frames]:
    """A connection to a market's WebSocket API, closed at the end."""
    name, path = ("ws-api", "ws-api/v3") if market == SPOT else ("ws-fapi", "ws-fapi/v1")
    connector = aiohttp.TCPConnector(ssl=venue.ssl_context())
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.ws_connect(f"wss://{name}.{venue.hostname}/{path}") as socket,
    ):
        yield Frames(venue, socket, account)
