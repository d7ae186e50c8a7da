"""USDM's streams: spot's in the form of futures, mark prices, and user data streams named by listen keys."""

from __future__ import annotations

import time
from decimal import Decimal

from venue_sim.dialect import Json
from venue_sim.exchange import Market, OrderEvent
from venue_sim.market_streams import SLOW_TICKS, MarketStreams
from venue_sim.model import Account, Trade, money
from venue_sim.usdm import events
from venue_sim.usdm.algo import AlgoOrder
from venue_sim.usdm.dialect import NO_FUNDING_MS
from venue_sim.usdm.exchange import FuturesExchange
from venue_sim.usdm.listen_keys import ListenKeys
from venue_sim.usdm.position import Position

_SPOT_ONLY = ("x", "b", "B", "a", "A")
"""Letters of spot's 24hrTicker that USDM's has not."""
MARK_TICKS = 3 * SLOW_TICKS


class FuturesStreams(MarketStreams):
    """All subscriptions, by stream name; a user data stream's name is its listen key."""

    def __init__(self, exchange: FuturesExchange) -> None:
        super().__init__(exchange)
        self._futures = exchange
        self.listen_keys: ListenKeys | None = None

    def has(self, stream: str) -> bool:
        """Whether anybody is subscribed to a stream."""
        return stream in self._subscribers

    def tick(self, now_ms: int) -> None:
        """Send the timed streams."""
        super().tick(now_ms)
        if self._ticks % SLOW_TICKS:
            return
        for name, market in self._futures.markets.items():
            event = self._mark_price(market, now_ms)
            self._send(f"{name.lower()}@markPrice@1s", event)
            if self._ticks % MARK_TICKS == 0:
                self._send(f"{name.lower()}@markPrice", event)

    def trade(self, market: Market, trade: Trade) -> None:
        """Send a trade at once; every one is an aggregate of its own."""
        super().trade(market, trade)
        event = {
            "e": "aggTrade",
            "E": trade.time_ms,
            "s": market.rules.symbol,
            "a": trade.trade_id,
            "p": money(trade.price),
            "q": money(trade.quantity),
            "f": trade.trade_id,
            "l": trade.trade_id,
            "T": trade.time_ms,
            "m": trade.buyer_is_maker,
        }
        self._send(f"{market.rules.symbol.lower()}@aggTrade", event)

    # what happens to accounts

    def order_event(self, event: OrderEvent) -> None:
        """An order changed."""
        self._send_user(event.order.account, events.order_trade_update(event))

    def position(self, account: Account, position: Position, now_ms: int) -> None:
        """A fill changed a position, and with it the wallet."""
        mark = self._futures.mark(self._futures.markets[position.symbol])
        self._send_user(account, events.account_update(account, position, mark, now_ms))

    def algo(self, algo: AlgoOrder, now_ms: int) -> None:
        """A conditional order changed."""
        order = algo.account.orders.get(algo.order_id) if algo.order_id is not None else None
        self._send_user(algo.account, events.algo_update(algo, order, now_ms))

    def key_expired(self, _account: Account, key: str, now_ms: int) -> None:
        """A listen key's time is over: its stream ends with this event, its connections stay open."""
        self._send(key, events.listen_key_expired(key, now_ms))

    def _send_user(self, account: Account, event: Json) -> None:
        key = self.listen_keys.find(account) if self.listen_keys else None
        if key is not None:
            self._send(key, event)

    def _send(self, stream: str, event: Json | None) -> None:
        if event is not None and stream in self._subscribers and "@" in stream:
            event = self._in_futures_form(stream, event)
        super()._send(stream, event)

    def _in_futures_form(self, stream: str, event: Json) -> Json:
        kind = event.get("e")
        if kind == "depthUpdate":
            return event | {"T": event["E"], "pu": event["U"] - 1}
        if kind == "24hrTicker":
            return {name: value for name, value in event.items() if name not in _SPOT_ONLY}
        if kind == "trade":
            return event | {"X": "MARKET"}
        if kind is not None:
            return event
        now_ms = time.time_ns() // 1_000_000
        if "lastUpdateId" in event:
            last = event["lastUpdateId"]
            return {
                "e": "depthUpdate", "E": now_ms, "T": now_ms, "s": stream.partition("@")[0].upper(),
                "U": last, "u": last, "pu": last - 1, "b": event["bids"], "a": event["asks"],
            }  # fmt: skip
        return {"e": "bookTicker", **event, "T": now_ms, "E": now_ms}

    def _mark_price(self, market: Market, now_ms: int) -> Json:
        mark = money(self._futures.mark(market))
        return {
            "e": "markPriceUpdate",
            "E": now_ms,
            "s": market.rules.symbol,
            "p": mark,
            "ap": mark,
            "i": money(market.last_price),
            "P": mark,
            "r": money(Decimal(0)),
            "T": NO_FUNDING_MS,
        }
