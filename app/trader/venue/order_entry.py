"""Order entry over the venue's WebSocket API: one connection of its own, one write per request.

Speaks Binance's dialect, spot (/ws-api/v3) and USDM (/ws-fapi/v1). ccxt's client is not used here: its
requests have no timeout, and each leaves an entry in a map for ever. What is raised says whether the
request can have left this machine, because only then the order has to be looked for.

Signing: https://developers.binance.com/docs/binance-spot-api-docs/websocket-api/request-security (all
parameters in alphabetical order, as plain UTF-8; integers are JSON integers, amounts are JSON strings).
"""

import asyncio
import contextlib
import hmac
import random
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver

from trader.venue.interface import describe, now_ms
from trader.venue.wire_errors import LostAnswerError, NotSentError, RefusedError

PLACE, CANCEL, STATUS = "order.place", "order.cancel", "order.status"
SHUTDOWN = "serverShutdown"  # the venue says so minutes before it closes a connection
INTEGERS = ("orderId", "recvWindow")
FIRST_BACKOFF_SECONDS = 0.1
LONGEST_BACKOFF_SECONDS = 5.0
STEADY_SECONDS = 5.0  # a connection that lived this long was a good one: the next backoff is short again
CLOSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class WsAnswer:
    """The venue's `result`, and its `rateLimits` rows, as they came."""

    result: dict[str, Any]
    rate_limits: list[dict[str, Any]]


class OrderEntry:
    """The connection. Lives in the background from `start` to `stop`; is opened again whenever it ends.

    Args:
        url: "wss://<host>/ws-api/v3" or "wss://<host>/ws-fapi/v1".
        ssl_context: None = the public certificate authorities.
        resolver: None = aiohttp's own.
        request_timeout_seconds: from the write to the answer.
        connect_timeout_seconds: for TCP, TLS and the WebSocket handshake together.
        ping_seconds: silence after which the peer is pinged. aiohttp gives it half of that again to answer,
            so a frozen peer is found after 1.5 times this.
        max_pending: requests that may wait for their answers at once.
        max_age_seconds: the venue closes a connection after 24 h; it is replaced before that, in a quiet
            moment of our own, so that no answer is lost by it.
        clock_ms: stamps the requests (UTC).
        changed: called with (ready, why) when the connection is there, ends, or cannot be opened.

    Attributes:
        reconnects: times that the connection had to be opened again, or could not be opened.
        lost_answers: requests that may have been written and had no good answer in time.
        unmatched_frames: frames that nobody waited for; most are answers that came after their timeout.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        api_secret: str,
        *,
        ssl_context: ssl.SSLContext | None = None,
        resolver: AbstractResolver | None = None,
        request_timeout_seconds: float = 2.0,
        connect_timeout_seconds: float = 5.0,
        ping_seconds: float = 3.0,
        max_pending: int = 500,
        max_age_seconds: float = 23 * 3600.0,
        clock_ms: Callable[[], int] = now_ms,
        changed: Callable[[bool, str], None] = lambda ready, why: None,
    ) -> None:
        self._url = url
        self._api_key = api_key
        self._secret = api_secret.encode()
        self._ssl = True if ssl_context is None else ssl_context
        self._resolver = resolver
        self._timeout_seconds = request_timeout_seconds
        self._connect_seconds = connect_timeout_seconds
        self._ping_seconds = ping_seconds
        self._max_pending = max_pending
        self._max_age_seconds = max_age_seconds
        self._clock_ms = clock_ms
        self._changed = changed
        self._socket: aiohttp.ClientWebSocketResponse[bool] | None = None
        self._pending: dict[int, asyncio.Future[dict[str, Any] | None]] = {}
        self._last_id = 0
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.reconnects = 0
        self.lost_answers = 0
        self.unmatched_frames = 0

    @property
    def ready(self) -> bool:
        """Whether a request would be written now; if not, take the other way before sending."""
        return self._socket is not None and not self._socket.closed

    @property
    def pending(self) -> int:
        """Requests that wait for their answers."""
        return len(self._pending)

    def start(self) -> None:
        """Begin to connect, in the background."""
        self._task = asyncio.create_task(self._run(), name="order entry")
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Close the connection; requests that still wait are lost."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def place(self, params: Mapping[str, str]) -> WsAnswer:
        """Send a new order, once.

        Args:
            params: the venue's parameters (symbol, side, type, quantity, ..., newClientOrderId, recvWindow)
                without apiKey, timestamp and signature.

        Raises:
            NotSentError, LostAnswerError, RefusedError: see there.
        """
        return await self._ask(PLACE, params)

    async def cancel(self, params: Mapping[str, str]) -> WsAnswer:
        """Ask once for a cancel (symbol, origClientOrderId, recvWindow); raises as `place`."""
        return await self._ask(CANCEL, params)

    async def status(self, params: Mapping[str, str]) -> WsAnswer:
        """Ask for one order (symbol, origClientOrderId, recvWindow); raises as `place`."""
        return await self._ask(STATUS, params)

    # -- one request

    async def _ask(self, method: str, params: Mapping[str, str]) -> WsAnswer:
        socket = self._socket
        if socket is None or socket.closed:
            raise NotSentError(f"{method}: the order entry connection is down")
        if len(self._pending) >= self._max_pending:
            raise NotSentError(f"{method}: {len(self._pending)} requests wait for an answer already")
        self._last_id = request_id = self._last_id + 1
        frame = self._signed(request_id, method, params)
        answer: asyncio.Future[dict[str, Any] | None] = asyncio.get_running_loop().create_future()
        self._pending[request_id] = answer
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await socket.send_frame(frame, aiohttp.WSMsgType.TEXT)
                reply = await answer
        except TimeoutError:
            raise self._lost(f"{method}: no answer within {self._timeout_seconds:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            # The socket may have failed before or after the bytes; only one of the two would be harmless.
            raise self._lost(f"{method}: {describe(error)}") from error
        finally:
            del self._pending[request_id]
        if reply is None:
            raise self._lost(f"{method}: the connection ended before the answer")
        return self._judged(method, reply)

    def _lost(self, text: str) -> LostAnswerError:
        self.lost_answers += 1
        return LostAnswerError(text)

    def _signed(self, request_id: int, method: str, params: Mapping[str, str]) -> bytes:
        fields: dict[str, str | int] = {**params, "apiKey": self._api_key, "timestamp": self._clock_ms()}
        for name in INTEGERS:
            if name in fields:
                fields[name] = int(fields[name])
        payload = "&".join([f"{name}={fields[name]}" for name in sorted(fields)])
        fields["signature"] = hmac.digest(self._secret, payload.encode(), "sha256").hex()
        return orjson.dumps({"id": request_id, "method": method, "params": fields})

    def _judged(self, method: str, frame: dict[str, Any]) -> WsAnswer:
        status, result, error = frame.get("status"), frame.get("result"), frame.get("error")
        limits = frame.get("rateLimits")
        limits = limits if isinstance(limits, list) else []
        if status == 200 and isinstance(result, dict) and error is None:
            return WsAnswer(result, limits)
        if isinstance(error, dict) and isinstance(error.get("code"), int) and isinstance(status, int):
            until_ms = self._until_ms(error.get("data"))
            raise RefusedError(error["code"], status, str(error.get("msg", "")), until_ms, limits)
        raise self._lost(f"{method}: an answer with status {status!r} that has no readable result or error")

    def _until_ms(self, data: Any) -> int | None:
        """The end of a ban on our clock: the venue tells its own time along, and the clocks may differ."""
        if not isinstance(data, dict) or not isinstance(data.get("retryAfter"), int):
            return None
        there_ms = data.get("serverTime")
        ahead_ms = self._clock_ms() - there_ms if isinstance(there_ms, int) else 0
        return int(data["retryAfter"]) + ahead_ms

    # -- the connection

    async def _run(self) -> None:
        backoff = FIRST_BACKOFF_SECONDS
        loop = asyncio.get_running_loop()
        # A frozen peer never ends its side of TLS: without the cleanup each would leave a socket behind.
        connector = aiohttp.TCPConnector(ssl=self._ssl, resolver=self._resolver, enable_cleanup_closed=True)
        async with aiohttp.ClientSession(connector=connector) as session:
            while True:
                began, pause = loop.time(), 0.0
                try:
                    why = await self._connection(session)
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    why, pause = describe(error), _retry_after_seconds(error)
                self._is_down(why)
                self.reconnects += 1
                if loop.time() - began > STEADY_SECONDS:
                    backoff = FIRST_BACKOFF_SECONDS
                pause = max(pause, random.uniform(backoff / 2, backoff))  # noqa: S311
                await asyncio.sleep(pause)
                backoff = min(2 * backoff, LONGEST_BACKOFF_SECONDS)

    async def _connection(self, session: aiohttp.ClientSession) -> str:
        """One connection, from its opening to its end.

        Returns:
            Why it ended.
        """
        async with asyncio.timeout(self._connect_seconds):
            socket = await session.ws_connect(
                self._url,
                compress=0,
                decode_text=False,
                heartbeat=self._ping_seconds,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
            )
        self._ending.clear()
        retirement = asyncio.create_task(self._retire(socket))
        try:
            self._socket = socket
            self._changed(True, "connected")
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._take(message.data)
            return describe(socket.exception() or ConnectionError(f"closed with code {socket.close_code}"))
        finally:
            retirement.cancel()
            self._drop()
            await socket.close()

    async def _retire(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        """Replace the connection before the venue ends it: first take no more requests, then close."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._max_age_seconds):
                await self._ending.wait()
        self._is_down("the venue is about to close it")
        await asyncio.sleep(self._timeout_seconds)  # all that still wait have their answer or timeout then
        await socket.close()

    def _is_down(self, why: str) -> None:
        self._socket = None
        self._changed(False, why)

    def _drop(self) -> None:
        self._socket = None
        for answer in self._pending.values():
            if not answer.done():
                answer.set_result(None)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._drop()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._is_down(f"given up, restart the service: {describe(error)}")

    def _take(self, data: str | bytes) -> None:
        try:
            frame = orjson.loads(data)
        except orjson.JSONDecodeError:
            frame = None
        if not isinstance(frame, dict):
            self.unmatched_frames += 1
            return
        request_id = frame.get("id")
        answer = self._pending.get(request_id) if isinstance(request_id, int) else None
        if answer is not None and not answer.done():
            answer.set_result(frame)
            return
        self.unmatched_frames += 1
        event = frame.get("event", frame)
        if isinstance(event, dict) and event.get("e") == SHUTDOWN:
            self._ending.set()


def _retry_after_seconds(error: BaseException) -> float:
    """How long a refused handshake asks to wait; each attempt during a ban would lengthen it."""
    headers = getattr(error, "headers", None) or {}
    value = str(headers.get("Retry-After", ""))
    return float(value) if value.isdigit() else 0.0
