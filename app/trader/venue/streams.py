"""The streams, each watched: a watch call of ccxt may end by an error, by a cancelled future, or never.

ccxt signals a message only to a call that is waiting when it arrives. So from the return of one watch
call to the next one nothing here may suspend: deliveries are plain functions, and the timeout does not
make a task of its own.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from trader.model.values import Fill, OrderReport, Quote
from trader.venue import parse
from trader.venue.channels import CHANNELS
from trader.venue.gateway import Gateway
from trader.venue.parse import OddAnswerError
from trader.venue.request_errors import REQUEST_ERRORS

SUBSCRIBE_SECONDS = 5.0
IDLE_SECONDS = (
    5.0  # user events come only with orders; after this the cache is looked at, and the wait goes on
)
GUESS_SECONDS = 2.0  # a watch call that has not failed for so long is subscribed, where nothing tells
SILENCE_SECONDS = 4.0
FIRST_BACKOFF_SECONDS = 0.1
LONGEST_BACKOFF_SECONDS = 5.0


class Stream(StrEnum):
    QUOTES = "quotes"
    ORDERS = "orders"
    FILLS = "fills"


@dataclass(frozen=True, slots=True)
class Handlers:
    """Where events go; none of these may wait for anything.

    Args:
        lost: a stream has broken (name, error); what it would have told is missing from now on.
        back: it is subscribed again; the caller now compares with the venue.
    """

    quote: Callable[[Quote], None]
    order: Callable[[OrderReport], None]
    fill: Callable[[Fill], object]
    lost: Callable[[Stream, BaseException], None]
    back: Callable[[Stream], None]


class Silence:
    """Whether the account's stream says nothing where it must: every acknowledged order shows on it."""

    def __init__(self) -> None:
        self._since: float | None = None

    def lasts(self, now: float, heard_at: float, acked_at: float | None) -> bool:
        """Asked every second or so.

        Args:
            now: monotonic seconds, as the other two.
            heard_at: of the stream's last event.
            acked_at: of the last acknowledged order; None = there was none.
        """
        if acked_at is None or heard_at >= acked_at:
            self._since = None
        elif self._since is None or heard_at > self._since:
            self._since = now
        elif now - self._since > SILENCE_SECONDS:
            self._since = None
            return True
        return False


class Streams:
    """Quotes of some symbols, and the account's own order and fill events.

    Args:
        gateway: whose connections and readings these are.
        stale_seconds: quotes older than this are a break.
        private: whether the account's own streams are watched too; not on paper.
    """

    def __init__(
        self,
        gateway: Gateway,
        symbols: list[str],
        handlers: Handlers,
        stale_seconds: float,
        private: bool = True,
    ) -> None:
        exchange = self._exchange = gateway.exchange
        self._edge = gateway.edge
        self._symbols = symbols
        self._handlers = handlers
        self._stale_seconds = stale_seconds
        self._channel = CHANNELS[exchange.id]
        self._sessions: dict[Stream, Callable[[], Awaitable[None]]] = {Stream.QUOTES: self._quotes}
        if private:
            self._sessions[Stream.ORDERS] = self._orders
        if private and exchange.has.get("watchMyTrades"):
            # Elsewhere the order's own report tells that there are more, and they are asked for.
            self._sessions[Stream.FILLS] = self._fills
        self._heard_ns = dict.fromkeys(self._sessions, time.monotonic_ns())
        self._up = {stream: asyncio.Event() for stream in self._sessions}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin watching."""
        for stream, session in self._sessions.items():
            self._tasks.append(asyncio.create_task(self._supervise(stream, session), name=f"stream {stream}"))

    async def ready(self) -> None:
        """Wait until each stream has been subscribed or has brought data."""
        for event in self._up.values():
            await event.wait()

    @property
    def watched(self) -> tuple[Stream, ...]:
        """The streams that there are."""
        return tuple(self._sessions)

    def up(self, stream: Stream) -> bool:
        return self._up[stream].is_set()

    def age_seconds(self, stream: Stream) -> float:
        """Time since the stream last brought data."""
        return (time.monotonic_ns() - self._heard_ns[stream]) / 1e9

    async def reset_user(self) -> None:
        """Close the account's connection, which is silent where it should have spoken; it is opened again."""
        for client in self._account_clients():
            await _close(client)

    async def stop(self) -> None:
        """Stop watching."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _supervise(self, stream: Stream, session: Callable[[], Awaitable[None]]) -> None:
        backoff = FIRST_BACKOFF_SECONDS
        while True:
            try:
                await session()
            except asyncio.CancelledError as error:
                # ccxt cancels its futures when a connection closes; that is not somebody cancelling this
                # task.
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                self._lost(stream, ConnectionError(str(error) or "connection closed"))
            except (TimeoutError, *REQUEST_ERRORS) as error:
                self._lost(stream, error)
            if self.age_seconds(stream) < LONGEST_BACKOFF_SECONDS:
                backoff = FIRST_BACKOFF_SECONDS
            await asyncio.sleep(random.uniform(backoff / 2, backoff))  # noqa: S311
            backoff = min(2 * backoff, LONGEST_BACKOFF_SECONDS)

    def _lost(self, stream: Stream, error: BaseException) -> None:
        self._up[stream].clear()
        self._handlers.lost(stream, error)

    def _heard(self, stream: Stream) -> None:
        self._heard_ns[stream] = time.monotonic_ns()

    def _is_up(self, stream: Stream) -> None:
        if not self._up[stream].is_set():
            self._heard(stream)
            self._up[stream].set()
            self._handlers.back(stream)

    async def _quotes(self) -> None:
        exchange = self._exchange
        watch = exchange.watch_bids_asks if exchange.has.get("watchBidsAsks") else exchange.watch_tickers
        try:
            while True:
                async with asyncio.timeout(self._stale_seconds):
                    tickers = await watch(self._symbols)
                self._is_up(Stream.QUOTES)
                self._heard(Stream.QUOTES)
                for ticker in tickers.values():
                    quote = parse.quote(ticker, self._heard_ns[Stream.QUOTES])
                    if quote is not None:
                        self._handlers.quote(quote)
        finally:
            for url, client in list(self._exchange.clients.items()):
                if not self._channel.carries(url):
                    await self._forget(client)

    async def _orders(self) -> None:
        def deliver(order: dict[str, Any]) -> None:
            with contextlib.suppress(
                OddAnswerError
            ):  # reconciliation finds what an odd event would have told
                self._handlers.order(self._edge.read_order(order))

        await self._user(Stream.ORDERS, self._exchange.watch_orders, lambda: self._exchange.orders, deliver)

    async def _fills(self) -> None:
        def deliver(trade: dict[str, Any]) -> None:
            with contextlib.suppress(OddAnswerError):
                self._handlers.fill(self._edge.read_fill(trade))

        await self._user(
            Stream.FILLS, self._exchange.watch_my_trades, lambda: self._exchange.myTrades, deliver
        )

    async def _user(
        self,
        stream: Stream,
        watch: Callable[[], Awaitable[list[dict[str, Any]]]],
        cache: Callable[[], Any],
        deliver: Callable[[dict[str, Any]], None],
    ) -> None:
        mine: list[Any] = []
        try:
            items = []
            try:
                if self._channel.subscribe is None:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(GUESS_SECONDS):
                            items = await watch()
                    mine = self._account_clients()
                else:
                    # A subscription that hangs would be taken for a good one by every later watch call, so it
                    # has its own timeout.
                    async with asyncio.timeout(SUBSCRIBE_SECONDS):
                        mine = [await self._channel.subscribe(self._exchange)]
            except BaseException:
                mine = self._account_clients()
                raise
            self._is_up(stream)
            for item in items:
                deliver(item)
            while True:
                try:
                    async with asyncio.timeout(IDLE_SECONDS):
                        items = await watch()
                    self._heard(stream)
                except TimeoutError:
                    items = _unread(cache())
                for item in items:
                    deliver(item)
        finally:
            for client in mine:
                await self._forget(client)

    def _account_clients(self) -> list[Any]:
        return [client for url, client in self._exchange.clients.items() if self._channel.carries(url)]

    async def _forget(self, client: Any) -> None:
        """Drop a connection that this session used, unless another session has opened a new one since."""
        if self._exchange.clients.get(client.url) is client:
            del self._exchange.clients[client.url]
            await _close(client)


def _unread(cache: Any) -> list[dict[str, Any]]:
    """Updates that arrived while nobody waited."""
    if not cache:
        return []
    count = cache.getLimit(None, None) or 0
    return list(cache)[-count:] if count else []


async def _close(client: Any) -> None:
    with contextlib.suppress(TimeoutError, *REQUEST_ERRORS):
        async with asyncio.timeout(1.0):
            await client.close()
