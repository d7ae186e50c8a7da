"""USDM's streams: spot's in the form of futures, mark prices, and user data streams named by listen keys."""

from __future__ import annotations

import orjson

from venue_sim.clock import Clock
from venue_sim.connections import Connection
from venue_sim.dialect import Json
from venue_sim.exchange import Market, OrderEvent
from venue_sim.market_streams import SLOW_TICKS, MarketStreams, Subscriber
from venue_sim.model import Account, Trade, money
from venue_sim.usdm import events
from venue_sim.usdm.algo import AlgoOrder
from venue_sim.usdm.exchange import FuturesExchange
from venue_sim.usdm.funding import FundingPayment
from venue_sim.usdm.listen_keys import ListenKeys
from venue_sim.usdm.position import Position
from venue_sim.user_streams import Straight, Way

_SPOT_ONLY = ("x", "b", "B", "a", "A")
"""Letters of spot's 24hrTicker that USDM's has not."""
MARK_TICKS = 3 * SLOW_TICKS


class FuturesStreams(MarketStreams):
    """All subscriptions, by stream name; a user data stream's name is its listen key.

    Args:
        exchange: whose events they are.
        listen_keys: say whose stream is whose; they tell here when one ends.
        clock: dates what the exchange does not.
    """

    def __init__(self, exchange: FuturesExchange, listen_keys: ListenKeys, clock: Clock) -> None:
        super().__init__(exchange)
        self.way: Way = Straight()
        self._futures = exchange
        self._listen_keys = listen_keys
        self._clock = clock
        listen_keys.ended = self._key_ended

    def has(self, stream: str) -> bool:
        """Whether anybody is subscribed to a stream."""
        return stream in self._subscribers

    def owner(self, stream: str) -> str | None:
        """The account whose user data stream this is."""
        return self._listen_keys.owner(stream)

    def subscribe(self, stream: str, subscriber: Subscriber) -> None:
        """Send a stream to a connection."""
        super().subscribe(stream, subscriber)
        account = self.owner(stream)
        if account is not None:
            subscriber.connection.accounts.add(account)

    def unsubscribe(self, stream: str, subscriber: Subscriber) -> None:
        """Stop sending a stream to a connection."""
        super().unsubscribe(stream, subscriber)
        account = self.owner(stream)
        if account is not None:
            subscriber.connection.accounts.discard(account)

    def terminate(self, now_ms: int, account: str | None, connection: Connection) -> None:
        """End listen keys by the venue's own will, and tell it to all who listen to them.

        Args:
            now_ms: the venue's time.
            account: whose, None: everybody's.
            connection: only those keys whose streams it carries.
        """
        for name, held in self._futures.accounts.items():
            if account in (None, name) and self._carries(connection, held):
                self._listen_keys.expire(held, now_ms)

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

    def funding(self, payment: FundingPayment) -> None:
        """An account paid or got funding."""
        self._send_user(payment.account, events.funding_update(payment))

    def _key_ended(self, account: str, key: str, expired_ms: int | None) -> None:
        """A key that expires is told as its stream's last event; the connections stay open either way."""
        for subscriber in self._subscribers.get(key, ()):
            if expired_ms is not None:
                body = orjson.dumps(events.listen_key_expired(key, expired_ms))
                subscriber.connection.put(subscriber.wrapped(key, body))
            subscriber.connection.accounts.discard(account)

    def _carries(self, connection: Connection, account: Account) -> bool:
        subscribers = self._subscribers.get(self._listen_keys.find(account) or "", ())
        return any(subscriber.connection is connection for subscriber in subscribers)

    def _send_user(self, account: Account, event: Json) -> None:
        key = self._listen_keys.find(account)
        if key is None or key not in self._subscribers:
            return
        body = orjson.dumps(event)
        for subscriber in list(self._subscribers[key]):
            self.way.send_user(subscriber.connection, account.name, event, subscriber.wrapped(key, body))

    def _send(self, stream: str, event: Json | None) -> None:
        if event is not None and stream in self._subscribers:
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
        now_ms = self._clock.now_ms()
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
            "r": money(self._futures.fundings.rate),
            "T": self._futures.fundings.next_ms(now_ms),
        }
