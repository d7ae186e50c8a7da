"""The futures market's heart: spot's books and matching, with positions and margin in place of balances."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from venue_sim.exchange import MARKET, Exchange, Market, NewOrder, OrderEvent
from venue_sim.matching.book import other
from venue_sim.model import (
    BUY,
    EXPIRED,
    FILLED,
    MARGIN_ASSET,
    PARTIALLY_FILLED,
    SELL,
    ZERO,
    Account,
    Fill,
    Order,
    Rules,
    floor_to_unit,
)
from venue_sim.usdm import checks, errors
from venue_sim.usdm.algo import AlgoDesk, AlgoOrder
from venue_sim.usdm.funding import FundingPayment, Fundings
from venue_sim.usdm.margin import Exposure, Margin
from venue_sim.usdm.position import Position

REDUCE_ONLY = "reduceOnly"
CLOSE_POSITION = "closePosition"


class AccountSink(Protocol):
    """Who is told, beside the sinks of every exchange, what happens to positions and conditional orders."""

    def position(self, account: Account, position: Position, now_ms: int) -> None:
        """A fill changed a position."""

    def algo(self, algo: AlgoOrder, now_ms: int) -> None:
        """A conditional order changed."""

    def funding(self, payment: FundingPayment) -> None:
        """An account paid or got funding."""


@dataclass(slots=True, frozen=True)
class Terms:
    """What accounts trade on: shares that a fill costs, the leverage that they begin with, and the rate of
    funding that comes by itself.
    """

    maker_fee: Decimal = ZERO
    taker_fee: Decimal = ZERO
    leverage: int = 20
    funding_rate: Decimal = ZERO


class FuturesExchange(Exchange):
    """All contracts and accounts.

    Args:
        rules: the contracts.
        accounts: the accounts, with their wallets as balance of USDT.
        now_ms: time of the start.
        terms: fees and leverage.
    """

    def __init__(
        self, rules: Iterable[Rules], accounts: Iterable[Account], now_ms: int, terms: Terms
    ) -> None:
        super().__init__(rules, accounts, now_ms, terms.maker_fee, terms.taker_fee)
        self.positions: dict[tuple[str, str], Position] = {}
        self.leverages: dict[tuple[str, str], int] = {}
        self.account_sinks: list[AccountSink] = []
        self.desk = AlgoDesk(self)
        self.fundings = Fundings(terms.funding_rate, self._charge)
        self._leverage = terms.leverage

    def position(self, account: Account, symbol: str) -> Position:
        """An account's position in a contract, flat when it never had one."""
        found = self.positions.get((account.name, symbol))
        if found is None:
            found = self.positions[account.name, symbol] = Position(symbol)
        return found

    def leverage(self, account: Account, symbol: str) -> int:
        """The leverage that an account has chosen for a contract."""
        return self.leverages.get((account.name, symbol), self._leverage)

    def mark(self, market: Market) -> Decimal:
        """The mark price: the last price, but never outside the best bid and ask."""
        bid, ask = market.book.bids.best, market.book.asks.best
        if bid is None or ask is None:
            return market.last_price
        return min(max(market.last_price, bid), ask)

    def exposures(self, account: Account) -> dict[str, Exposure]:
        """Notional values of an account's positions and open orders, by contract."""
        found = {name: self._held(account, market) for name, market in self.markets.items()}
        for order in account.open_orders.values():
            if not reduces_only(order):
                # A market order has no price; it is open only while it is matched.
                exposure = found[order.rules.symbol]
                rest = order.remaining * order.price
                if order.side == BUY:
                    exposure.bids += rest
                else:
                    exposure.asks += rest
        return found

    def margin(self, account: Account) -> Margin:
        """An account's wallet and what is held back of it."""
        found = Margin(account.balance(MARGIN_ASSET).free)
        for symbol, exposure in self.exposures(account).items():
            leverage = self.leverage(account, symbol)
            found.initial += exposure.initial(leverage)
            found.positions += exposure.of_position(leverage)
            found.maintenance += exposure.maintenance
            found.unrealised += exposure.position - self.position(account, symbol).cost
        return found

    def check(self, account: Account, new: NewOrder) -> NewOrder:
        """Apply every rule to an order without placing it.

        Raises:
            VenueError: the venue's refusal.
        """
        market = self.market(new.symbol)
        if account.is_house:
            return new
        mark = self.mark(market)
        reduces = bool(new.extra and new.extra.get(REDUCE_ONLY))
        checks.check_quantity(market.rules, new.quantity)
        if new.type != MARKET:
            checks.check_price(market.rules, new.price)
            checks.check_percent_price(new.side, new.price, mark)
        if not reduces:
            checks.check_notional(market.rules, new.quantity, mark if new.type == MARKET else new.price)
        if new.client_order_id in account.by_client_id:
            raise errors.duplicate_client_id()
        in_symbol = sum(1 for o in account.open_orders.values() if o.rules is market.rules)
        if in_symbol >= market.rules.max_open_orders:
            raise errors.too_many_open_orders()
        if reduces:
            self._check_reduces(account, new)
        else:
            self._check_margin(account, market, new)
        if new.time_in_force == "GTX" and market.book.next_maker(new.side, new.price) is not None:
            raise errors.post_only_rejected()
        if (
            new.time_in_force == "FOK"
            and market.book.cost(new.side, new.price, new.quantity)[0] < new.quantity
        ):
            raise errors.fok_rejected()
        return new

    def place(self, account: Account, new: NewOrder, now_ms: int) -> tuple[Order, list[Fill]]:
        """Place an order, match it, and trigger the conditional orders whose price it reached.

        Raises:
            VenueError: the venue's refusal; nothing has changed then.
        """
        placed = super().place(account, new, now_ms)
        self.desk.watch(self.markets[new.symbol], now_ms)
        return placed

    def cancel(self, order: Order, now_ms: int, cancel_id: str) -> None:
        """Cancel an open order; that too can move the mark price."""
        super().cancel(order, now_ms, cancel_id)
        self.desk.watch(self.markets[order.rules.symbol], now_ms)

    def pay_funding(
        self, symbol: str, rate: Decimal, now_ms: int, listed_ms: int | None = None
    ) -> list[FundingPayment]:
        """Let every account with a position pay or get.

        Args:
            rate: share of the position's value that its holder pays; below zero: that he gets.
            listed_ms: from when on it stands in the income history; None: at once.

        Raises:
            VenueError: no such contract.
        """
        mark = self.mark(self.market(symbol))
        listed_ms = now_ms if listed_ms is None else listed_ms
        payments = [
            self.fundings.pay(
                account, symbol, self.position(account, symbol).amount, mark, rate, now_ms, listed_ms
            )
            for account in self.accounts.values()
            if not account.is_house
        ]
        return [payment for payment in payments if payment is not None]

    def _charge(self, payment: FundingPayment) -> None:
        account = payment.account
        account.balance(MARGIN_ASSET).free += payment.paid
        account.updated_ms = payment.time_ms
        self.house.balance(MARGIN_ASSET).free -= payment.paid  # the counterpart of all others, as always
        for account_sink in self.account_sinks:
            account_sink.funding(payment)
        for sink in self.sinks:
            sink.balances(account, (MARGIN_ASSET,), payment.time_ms)

    def _held(self, account: Account, market: Market) -> Exposure:
        return Exposure(self.position(account, market.rules.symbol).amount * self.mark(market))

    def _check_reduces(self, account: Account, new: NewOrder) -> None:
        """A reduce-only order must fit, with those open already, into the position that it closes.

        One that closes the whole position goes before the others, which then expire.
        """
        held = self.position(account, new.symbol).amount
        reducible = max(-held if new.side == BUY else held, ZERO)
        if not (new.extra and new.extra.get(CLOSE_POSITION)):
            reducible -= sum((o.remaining for o in self._reducing(account, new.symbol, new.side)), ZERO)
        if new.quantity > reducible:
            raise errors.reduce_only_rejected()

    def _check_margin(self, account: Account, market: Market, new: NewOrder) -> None:
        exposure = self.exposures(account)[new.symbol]
        leverage = self.leverage(account, new.symbol)
        before = exposure.initial(leverage)
        if new.type == MARKET:
            filled, notional = market.book.cost(new.side, None, new.quantity)
            notional += (new.quantity - filled) * self.mark(market)
        else:
            notional = new.quantity * new.price
        if new.side == BUY:
            exposure.bids += notional
        else:
            exposure.asks += notional
        needed = exposure.initial(leverage) - before
        if needed > 0 and needed > self.margin(account).left:
            raise errors.margin_insufficient()

    def _needed(self, market: Market, new: NewOrder) -> tuple[str, Decimal]:
        """Nothing is moved when an order is placed: what it holds back follows from the open orders."""
        return MARGIN_ASSET, ZERO

    def _trade(self, market: Market, taker: Order, maker: Order, now_ms: int) -> Fill:
        fill = super()._trade(market, taker, maker, now_ms)
        for account in (taker.account, maker.account):
            self._expire_excess(account, market, now_ms)
        return fill

    def _expire_excess(self, account: Account, market: Market, now_ms: int) -> None:
        """Expire the newest reduce-only orders that no longer fit into the position."""
        if account.is_house:
            return
        symbol = market.rules.symbol
        held = self.position(account, symbol).amount
        for side in (BUY, SELL):
            room = max(-held if side == BUY else held, ZERO)
            for order in self._reducing(account, symbol, side):
                room -= order.remaining
                if room < 0 and order.on_book:
                    market.book.remove(order)
                    self._finish(order, EXPIRED, now_ms)
                    self._tell(OrderEvent(EXPIRED, order, now_ms))

    def _reducing(self, account: Account, symbol: str, side: str) -> list[Order]:
        return [
            order
            for order in account.open_orders.values()
            if order.side == side and order.rules.symbol == symbol and reduces_only(order)
        ]

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
        """Book one side of a trade on its order, its account's position and its wallet."""
        account = order.account
        order.executed += quantity
        order.executed_quote += quote
        order.updated_ms = now_ms
        order.status = PARTIALLY_FILLED if order.remaining else FILLED
        position = self.position(account, order.rules.symbol)
        realised = position.fill(quantity if order.side == BUY else -quantity, price)
        position.updated_ms = now_ms
        rate = self.maker_fee if is_maker else self.taker_fee
        commission = ZERO if account.is_house else floor_to_unit(quote * rate)
        account.balance(MARGIN_ASSET).free += realised - commission
        self.fees[MARGIN_ASSET] = self.fees.get(MARGIN_ASSET, ZERO) + commission
        fill = Fill(
            trade_id, order, price, quantity, quote, commission, MARGIN_ASSET, is_maker, now_ms, realised
        )
        account.add_fill(fill)
        if order.status == FILLED:
            self._finish(order, FILLED, now_ms)
        return fill

    def _tell(self, event: OrderEvent, *assets: str) -> None:
        order = event.order
        account = order.account
        if account.is_house:
            return
        account.updated_ms = event.time_ms
        for sink in self.sinks:
            sink.order_event(event)
        if event.fill is not None:
            for sink in self.sinks:
                sink.balances(account, (MARGIN_ASSET,), event.time_ms)
            position = self.position(account, order.rules.symbol)
            for account_sink in self.account_sinks:
                account_sink.position(account, position, event.time_ms)
        if not order.is_open:
            self.desk.order_ended(order, event.time_ms)


def reduces_only(order: Order) -> bool:
    """Whether an order may only make its account's position smaller."""
    return bool(order.extra and order.extra.get(REDUCE_ONLY))


def closing_side(amount: Decimal) -> str:
    """The side of an order that closes a position."""
    return other(BUY if amount > 0 else SELL)
