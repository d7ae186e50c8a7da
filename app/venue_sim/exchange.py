"""The venue's heart: accounts, symbols, orders and the money that moves between them.

It is synchronous and takes the time as an argument, so that tests can drive it without a server. Everything
that happens is told to the sinks (the record, the streams) at the moment it happens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from venue_sim import errors, filters
from venue_sim.matching.book import OrderBook
from venue_sim.model import (
    BUY,
    CANCELED,
    EXPIRED,
    FILLED,
    NEW,
    PARTIALLY_FILLED,
    TRADE,
    ZERO,
    Account,
    Fill,
    Order,
    Rules,
    Trade,
    floor_to_unit,
)

LIMIT = "LIMIT"
LIMIT_MAKER = "LIMIT_MAKER"
MARKET = "MARKET"


@dataclass(slots=True, frozen=True)
class NewOrder:
    """A request to place an order, its parameters already in form."""

    symbol: str
    side: str
    type: str
    client_order_id: str
    time_in_force: str = "GTC"
    quantity: Decimal = ZERO
    quote_quantity: Decimal = ZERO
    price: Decimal = ZERO
    extra: dict[str, int] | None = None


@dataclass(slots=True, frozen=True)
class OrderEvent:
    """A change of an order: `execution` is NEW, TRADE, CANCELED or EXPIRED."""

    execution: str
    order: Order
    time_ms: int
    fill: Fill | None = None
    cancel_id: str | None = None
    """Client id of the cancel request, for CANCELED."""


class Sink(Protocol):
    """Who is told what happened. Nothing is said of the house account's orders and balances."""

    def order_event(self, event: OrderEvent) -> None:
        """An order changed."""

    def balances(self, account: Account, assets: tuple[str, ...], now_ms: int) -> None:
        """Balances of an account changed."""

    def trade(self, market: Market, trade: Trade) -> None:
        """Two orders traded."""

    def book(self, market: Market) -> None:
        """A request or the background flow may have changed the book."""


@dataclass(slots=True)
class Market:
    """One symbol: its rules, its book and what was traded since the start."""

    rules: Rules
    book: OrderBook
    last_price: Decimal
    open_price: Decimal
    high_price: Decimal
    low_price: Decimal
    open_ms: int
    volume: Decimal = ZERO
    quote_volume: Decimal = ZERO
    first_trade_id: int = -1
    trade_count: int = 0
    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=1000))


class Exchange:
    """All markets and accounts.

    Args:
        rules: the symbols.
        accounts: the clients' accounts, with their balances.
        maker_fee, taker_fee: share of what is received that the venue keeps, cut down to eight decimals.
        now_ms: time of the start.
    """

    def __init__(
        self,
        rules: Iterable[Rules],
        accounts: Iterable[Account],
        now_ms: int,
        maker_fee: Decimal = ZERO,
        taker_fee: Decimal = ZERO,
    ) -> None:
        self.markets = {
            r.symbol: Market(r, OrderBook(), r.price, r.price, r.price, r.price, now_ms) for r in rules
        }
        self.accounts = {a.name: a for a in accounts}
        self.house = Account("house", uid=0, is_house=True)
        self.fees: dict[str, Decimal] = {}
        self.maker_fee = maker_fee
        self.taker_fee = taker_fee
        self.next_order_id = 1
        self.next_trade_id = 1
        self.sinks: list[Sink] = []
        self.spares: Callable[[str], bool] = lambda _client_id: False
        """Which orders stay open though they are cancelled: the sabotage of a fault."""

    def market(self, symbol: str) -> Market:
        """The market of a symbol.

        Raises:
            VenueError: -1121.
        """
        market = self.markets.get(symbol)
        if market is None:
            raise errors.bad_symbol()
        return market

    def check(self, account: Account, new: NewOrder) -> NewOrder:
        """Apply every rule to an order without placing it.

        Returns:
            The order as it would be placed: a market order by quote quantity gets its base quantity here.

        Raises:
            VenueError: the venue's refusal (-1013, -1121, -2010).
        """
        market = self.market(new.symbol)
        rules = market.rules
        if new.type == MARKET:
            new = self._with_quantity(market, new)
        else:
            filters.check_price(rules, new.price)
        filters.check_quantity(rules, new.quantity)
        filters.check_notional(rules, new.quantity, market.last_price if new.type == MARKET else new.price)
        if new.type == LIMIT_MAKER and market.book.next_maker(new.side, new.price) is not None:
            raise errors.rejected(errors.WOULD_MATCH)
        if account.is_house:
            return new
        known = account.by_client_id.get(new.client_order_id)
        if known is not None and known.is_open:
            raise errors.rejected(errors.DUPLICATE_ORDER)
        in_symbol = sum(1 for o in account.open_orders.values() if o.rules is rules)
        if in_symbol >= rules.max_open_orders:
            raise errors.rejected("Filter failure: MAX_NUM_ORDERS")
        asset, needed = self._needed(market, new)
        if account.balance(asset).free < needed:
            raise errors.rejected(errors.INSUFFICIENT_BALANCE)
        return new

    def place(self, account: Account, new: NewOrder, now_ms: int) -> tuple[Order, list[Fill]]:
        """Place an order and match it.

        Returns:
            The order after matching, and its fills.

        Raises:
            VenueError: the venue's refusal; nothing has changed then.
        """
        new = self.check(account, new)
        market = self.markets[new.symbol]
        asset, needed = self._needed(market, new)
        order = Order(
            order_id=self.next_order_id,
            account=account,
            rules=market.rules,
            client_order_id=new.client_order_id,
            side=new.side,
            type=new.type,
            time_in_force=new.time_in_force,
            price=new.price,
            quantity=new.quantity,
            quote_quantity=new.quote_quantity,
            created_ms=now_ms,
            updated_ms=now_ms,
            locked=needed,
            extra=new.extra,
        )
        self.next_order_id += 1
        held = account.balance(asset)
        held.free -= needed
        held.locked += needed
        account.remember(order)
        self._tell(OrderEvent(NEW, order, now_ms), asset)
        fills = self._match(market, order, now_ms)
        if order.status != FILLED:
            if order.type == MARKET or order.time_in_force in ("IOC", "FOK"):
                self._finish(order, EXPIRED, now_ms)
                self._tell(OrderEvent(EXPIRED, order, now_ms), asset)
            else:
                market.book.add(order)
        self._tell_book(market)
        return order, fills

    def cancel(self, order: Order, now_ms: int, cancel_id: str) -> None:
        """Cancel an open order; `cancel_id` is the client id of the cancel request."""
        if self.spares(order.client_order_id):
            return
        market = self.markets[order.rules.symbol]
        market.book.remove(order)
        self._finish(order, CANCELED, now_ms)
        asset = order.rules.quote if order.side == BUY else order.rules.base
        self._tell(OrderEvent(CANCELED, order, now_ms, cancel_id=cancel_id), asset)
        self._tell_book(market)

    def _with_quantity(self, market: Market, new: NewOrder) -> NewOrder:
        if not new.quote_quantity:
            return new
        quantity = market.book.quantity_for(new.side, new.quote_quantity, market.rules.step_size)
        if not quantity:
            raise errors.rejected("Order book liquidity is less than symbol minimum quantity.")
        return NewOrder(
            new.symbol, new.side, MARKET, new.client_order_id, new.time_in_force, quantity,
            new.quote_quantity, ZERO, new.extra,
        )  # fmt: skip

    def _needed(self, market: Market, new: NewOrder) -> tuple[str, Decimal]:
        """Asset and amount that an order holds back while it lives."""
        if new.side != BUY:
            return market.rules.base, new.quantity
        if new.type == MARKET:
            return market.rules.quote, market.book.cost(BUY, None, new.quantity)[1]
        return market.rules.quote, new.quantity * new.price

    def _match(self, market: Market, order: Order, now_ms: int) -> list[Fill]:
        limit = None if order.type == MARKET else order.price
        book = market.book
        fills: list[Fill] = []
        if order.time_in_force == "FOK" and order.type == LIMIT:
            available, _ = book.cost(order.side, limit, order.quantity)
            if available < order.quantity:
                return fills
        while order.remaining:
            maker = book.next_maker(order.side, limit)
            if maker is None:
                break
            fills.append(self._trade(market, order, maker, now_ms))
        return fills

    def _trade(self, market: Market, taker: Order, maker: Order, now_ms: int) -> Fill:
        quantity = min(taker.remaining, maker.remaining)
        price = maker.price
        trade_id = self.next_trade_id
        self.next_trade_id += 1
        quote = price * quantity
        made = self._fill(maker, trade_id, price, quantity, quote, True, now_ms)
        market.book.take(maker, quantity)
        taken = self._fill(taker, trade_id, price, quantity, quote, False, now_ms)
        trade = Trade(trade_id, price, quantity, quote, now_ms, maker.side == BUY)
        _count(market, trade)
        for fill in (taken, made):
            self._tell(OrderEvent(TRADE, fill.order, now_ms, fill), taker.rules.base, taker.rules.quote)
        for sink in self.sinks:
            sink.trade(market, trade)
        return taken

    def _fill(
        self,
        order: Order,
        trade_id: int,
        price: Decimal,
        quantity: Decimal,
        quote: Decimal,
        is_maker: bool,
        now_ms: int,
    ) -> Fill:
        """Book one side of a trade on its order and its account."""
        rules, account = order.rules, order.account
        order.executed += quantity
        order.executed_quote += quote
        order.updated_ms = now_ms
        order.status = PARTIALLY_FILLED if order.remaining else FILLED
        rate = self.maker_fee if is_maker else self.taker_fee
        base, money = account.balance(rules.base), account.balance(rules.quote)
        if order.side == BUY:
            gained, received = rules.base, quantity
            # What a limit order locked above the price that it got goes back at once.
            unlocked = quote if order.type == MARKET else order.price * quantity
            money.locked -= unlocked
            money.free += unlocked - quote
        else:
            gained, received = rules.quote, quote
            unlocked = quantity
            base.locked -= unlocked
        order.locked -= unlocked
        commission = ZERO if account.is_house else floor_to_unit(received * rate)
        account.balance(gained).free += received - commission
        if commission:
            self.fees[gained] = self.fees.get(gained, ZERO) + commission
        fill = Fill(trade_id, order, price, quantity, quote, commission, gained, is_maker, now_ms)
        account.add_fill(fill)
        if order.status == FILLED:
            self._finish(order, FILLED, now_ms)
        return fill

    def _finish(self, order: Order, status: str, now_ms: int) -> None:
        """Give an order its final status and its account what was still held back."""
        order.status = status
        order.updated_ms = now_ms
        if order.locked:
            held = order.account.balance(order.rules.quote if order.side == BUY else order.rules.base)
            held.locked -= order.locked
            held.free += order.locked
            order.locked = ZERO
        order.account.close(order)

    def _tell(self, event: OrderEvent, *assets: str) -> None:
        account = event.order.account
        if account.is_house:
            return
        account.updated_ms = event.time_ms
        for sink in self.sinks:
            sink.order_event(event)
            sink.balances(account, assets, event.time_ms)

    def _tell_book(self, market: Market) -> None:
        for sink in self.sinks:
            sink.book(market)


def _count(market: Market, trade: Trade) -> None:
    market.last_price = trade.price
    market.high_price = max(market.high_price, trade.price)
    market.low_price = min(market.low_price, trade.price)
    market.volume += trade.quantity
    market.quote_volume += trade.quote
    market.trade_count += 1
    if market.first_trade_id < 0:
        market.first_trade_id = trade.trade_id
    market.trades.append(trade)
