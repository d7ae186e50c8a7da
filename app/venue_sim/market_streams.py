"""Market data streams: depth, bookTicker, tickers and trades, sent to whoever subscribed."""

from __future__ import annotations

import asyncio
import re
from decimal import Decimal
from typing import Protocol

import orjson

from venue_sim import dialect
from venue_sim.clock import Clock
from venue_sim.connections import Connection
from venue_sim.dialect import Json
from venue_sim.exchange import Exchange, Market, OrderEvent
from venue_sim.model import Account, Trade, money

TICK_SECONDS = 0.1
SLOW_TICKS = 10
_PARTIAL = re.compile(r"^depth(5|10|20)(@100ms)?$")


class Subscriber(Protocol):
    """A connection to the market streams."""

    @property
    def connection(self) -> Connection:
        """What it sends on."""

    def wrapped(self, stream: str, body: bytes) -> bytes:
        """A stream's event as it is sent."""

    def publish(self, stream: str, body: bytes) -> None:
        """Send a stream's event."""


class DepthFeed:
    """Gathers the changes of a book until they are due."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._first = market.book.update_id + 1
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}

    def add(self, bids: list[tuple[Decimal, Decimal]], asks: list[tuple[Decimal, Decimal]]) -> None:
        """Take in changed levels."""
        self._bids.update(bids)
        self._asks.update(asks)

    def due(self, now_ms: int) -> Json | None:
        """The depthUpdate of everything since the last one; None when nothing changed."""
        last = self._market.book.update_id
        if last < self._first:
            return None
        event = {
            "e": "depthUpdate",
            "E": now_ms,
            "s": self._market.rules.symbol,
            "U": self._first,
            "u": last,
            "b": dialect.levels(list(self._bids.items())),
            "a": dialect.levels(list(self._asks.items())),
        }
        self._first = last + 1
        self._bids, self._asks = {}, {}
        return event


class MarketStreams:
    """All subscriptions, by stream name ("btcusdt@depth@100ms")."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._subscribers: dict[str, set[Subscriber]] = {}
        self._fast = {name: DepthFeed(market) for name, market in exchange.markets.items()}
        self._slow = {name: DepthFeed(market) for name, market in exchange.markets.items()}
        self._best: dict[str, tuple[str, str, str, str]] = {}
        self._ticks = 0

    def owner(self, stream: str) -> str | None:
        """The account whose user data stream this is; None: it is none of any account."""
        return None

    def subscribe(self, stream: str, subscriber: Subscriber) -> None:
        """Send a stream to a connection. A stream that does not exist stays silent, as at the venue."""
        self._subscribers.setdefault(stream, set()).add(subscriber)

    def unsubscribe(self, stream: str, subscriber: Subscriber) -> None:
        """Stop sending a stream to a connection."""
        held = self._subscribers.get(stream)
        if held:
            held.discard(subscriber)
            if not held:
                del self._subscribers[stream]

    async def run(self, clock: Clock) -> None:
        """Send what is due, for ever."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.tick(clock.now_ms())

    def tick(self, now_ms: int) -> None:
        """Send the timed streams; to be called every `TICK_SECONDS`."""
        self._ticks += 1
        slow = self._ticks % SLOW_TICKS == 0
        for name, market in self._exchange.markets.items():
            stem = name.lower()
            bids, asks = market.book.drain_changes()
            self._fast[name].add(bids, asks)
            self._slow[name].add(bids, asks)
            self._send(f"{stem}@depth@100ms", self._fast[name].due(now_ms))
            if slow:
                self._send(f"{stem}@depth", self._slow[name].due(now_ms))
                self._send_tickers(stem, market, now_ms)
        for stream in list(self._subscribers):
            self._send_partial(stream, slow)

    # the exchange tells what happened (exchange.Sink)

    def order_event(self, event: OrderEvent) -> None:
        """Orders are their account's business."""

    def balances(self, account: Account, assets: tuple[str, ...], now_ms: int) -> None:
        """Balances are their account's business."""

    def trade(self, market: Market, trade: Trade) -> None:
        """Send a trade at once."""
        stream = f"{market.rules.symbol.lower()}@trade"
        if stream in self._subscribers:
            self._send(
                stream,
                {
                    "e": "trade",
                    "E": trade.time_ms,
                    "s": market.rules.symbol,
                    "t": trade.trade_id,
                    "p": money(trade.price),
                    "q": money(trade.quantity),
                    "T": trade.time_ms,
                    "m": trade.buyer_is_maker,
                    "M": True,
                },
            )

    def book(self, market: Market) -> None:
        """Send the best bid and ask at once when they have changed."""
        symbol = market.rules.symbol
        stream = f"{symbol.lower()}@bookTicker"
        if stream not in self._subscribers:
            return
        best = dialect.best(market)
        if self._best.get(symbol) == best:
            return
        self._best[symbol] = best
        bid, bid_quantity, ask, ask_quantity = best
        self._send(
            stream,
            {
                "u": market.book.update_id,
                "s": symbol,
                "b": bid,
                "B": bid_quantity,
                "a": ask,
                "A": ask_quantity,
            },
        )

    def _send_tickers(self, stem: str, market: Market, now_ms: int) -> None:
        if f"{stem}@miniTicker" in self._subscribers:
            self._send(f"{stem}@miniTicker", _mini_ticker(market, now_ms))
        if f"{stem}@ticker" in self._subscribers:
            self._send(f"{stem}@ticker", _ticker(market, now_ms))

    def _send_partial(self, stream: str, slow: bool) -> None:
        symbol, _, kind = stream.partition("@")
        found = _PARTIAL.match(kind)
        market = self._exchange.markets.get(symbol.upper())
        if found and market and (slow or found[2]):
            self._send(stream, dialect.depth(market, int(found[1])))

    def _send(self, stream: str, event: Json | None) -> None:
        held = self._subscribers.get(stream)
        if event is None or not held:
            return
        body = orjson.dumps(event)
        for subscriber in list(held):
            subscriber.publish(stream, body)


def _mini_ticker(market: Market, now_ms: int) -> Json:
    return {
        "e": "24hrMiniTicker",
        "E": now_ms,
        "s": market.rules.symbol,
        "c": money(market.last_price),
        "o": money(market.open_price),
        "h": money(market.high_price),
        "l": money(market.low_price),
        "v": money(market.volume),
        "q": money(market.quote_volume),
    }


_TICKER_LETTERS = {
    "priceChange": "p",
    "priceChangePercent": "P",
    "weightedAvgPrice": "w",
    "prevClosePrice": "x",
    "lastPrice": "c",
    "lastQty": "Q",
    "bidPrice": "b",
    "bidQty": "B",
    "askPrice": "a",
    "askQty": "A",
    "openPrice": "o",
    "highPrice": "h",
    "lowPrice": "l",
    "volume": "v",
    "quoteVolume": "q",
    "openTime": "O",
    "closeTime": "C",
    "firstId": "F",
    "lastId": "L",
    "count": "n",
}


def _ticker(market: Market, now_ms: int) -> Json:
    full = dialect.ticker(market, now_ms)
    event: Json = {"e": "24hrTicker", "E": now_ms, "s": market.rules.symbol}
    return event | {letter: full[name] for name, letter in _TICKER_LETTERS.items()}
