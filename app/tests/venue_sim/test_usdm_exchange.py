"""Positions, wallets and margin under any sequence of orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from venue_sim.errors import VenueError
from venue_sim.exchange import Market, NewOrder, OrderEvent
from venue_sim.model import BUY, SELL, USDM, ZERO, Account, Balance, Fill, Order, Rules, Trade
from venue_sim.usdm.algo import AlgoOrder
from venue_sim.usdm.exchange import FuturesExchange, Terms, reduces_only
from venue_sim.usdm.funding import FundingPayment
from venue_sim.usdm.position import Position

RULES = Rules(
    "BTCUSDT", "BTC", "USDT", Decimal("100"), Decimal("0.5"), Decimal("0.01"), Decimal(5), max_open_orders=8
)
NAMES = ("a", "b", "c")
START = Decimal(1000)


def account(name: str) -> Account:
    return Account(name, 1, market=USDM, balances={"USDT": Balance(START)})


def new(side: str, quantity: str, price: str = "0", **more: Any) -> NewOrder:
    kind = more.pop("type", "LIMIT")
    client_id = more.pop("client_order_id", f"{side}{quantity}{price}{kind}")
    return NewOrder(
        "BTCUSDT", side, kind, client_id, quantity=Decimal(quantity), price=Decimal(price), **more
    )


def algo(
    exchange: FuturesExchange, owner: Account, side: str, kind: str, trigger: str, **more: Any
) -> AlgoOrder:
    fields: dict[str, Any] = {
        "algo_id": exchange.desk.next_id, "account": owner, "symbol": "BTCUSDT",
        "client_algo_id": f"algo-{exchange.desk.next_id}", "side": side, "type": kind, "time_in_force": "GTC",
        "quantity": Decimal(1), "price": ZERO, "trigger_price": Decimal(trigger),
        "working_type": "CONTRACT_PRICE", "reduce_only": False, "close_position": False, "created_ms": 0,
        "updated_ms": 0,
    }  # fmt: skip
    return AlgoOrder(**fields | more)


class Listener:
    """Keeps what the exchange tells."""

    def __init__(self) -> None:
        self.fills: list[Fill] = []
        self.algos: list[tuple[int, str]] = []
        self.funded: list[FundingPayment] = []

    def order_event(self, event: OrderEvent) -> None:
        if event.fill:
            self.fills.append(event.fill)

    def balances(self, account: Account, assets: tuple[str, ...], now_ms: int) -> None:
        pass

    def trade(self, market: Market, trade: Trade) -> None:
        pass

    def book(self, market: Market) -> None:
        pass

    def position(self, account: Account, position: Position, now_ms: int) -> None:
        pass

    def algo(self, algo: AlgoOrder, now_ms: int) -> None:
        self.algos.append((algo.algo_id, algo.status))

    def funding(self, payment: FundingPayment) -> None:
        self.funded.append(payment)


class Machine(RuleBasedStateMachine):
    """Three accounts and the house place, cancel and let wait anything, with fees."""

    @initialize(maker=st.sampled_from(["0", "0.0002"]), taker=st.sampled_from(["0", "0.0005"]))
    def begin(self, maker: str, taker: str) -> None:
        terms = Terms(Decimal(maker), Decimal(taker), leverage=10)
        self.exchange = FuturesExchange([RULES], map(account, NAMES), 0, terms)
        self.heard = Listener()
        self.exchange.sinks.append(self.heard)
        self.exchange.account_sinks.append(self.heard)
        self.orders: list[Order] = []
        self.count = 0

    @rule(
        who=st.sampled_from([*NAMES, *NAMES, "house"]),
        side=st.sampled_from([BUY, SELL]),
        kind=st.sampled_from(["LIMIT", "LIMIT", "LIMIT", "MARKET"]),
        tif=st.sampled_from(["GTC", "GTC", "IOC", "FOK", "GTX"]),
        ticks=st.integers(190, 210),
        steps=st.integers(1, 3000),
        reduce_only=st.sampled_from([False, False, True]),
    )
    def place(
        self, who: str, side: str, kind: str, tif: str, ticks: int, steps: int, reduce_only: bool
    ) -> None:
        self.count += 1
        owner = self.exchange.house if who == "house" else self.exchange.accounts[who]
        wanted = NewOrder(
            "BTCUSDT", side, kind, f"{who}-{self.count}", tif if kind == "LIMIT" else "GTC",
            quantity=steps * RULES.step_size, price=ZERO if kind == "MARKET" else ticks * RULES.tick_size,
            extra={"reduceOnly": True} if reduce_only and who != "house" else None,
        )  # fmt: skip
        held = self.exchange.position(owner, "BTCUSDT").amount
        before = self.snapshot()
        try:
            order, fills = self.exchange.place(owner, wanted, self.count)
        except VenueError as refusal:
            self.refused(refusal, -2019, -2022, -2025, -4016, -4024, -4164, -5021, -5022)
            assert self.snapshot() == before, "a refused order changed something"
            return
        self.orders.append(order)
        assert order.on_book == order.is_open
        if tif == "FOK" and kind == "LIMIT" and who != "house":
            assert order.executed == order.quantity
        if tif == "GTX" and kind == "LIMIT" and who != "house":
            assert not fills
        if reduces_only(order):
            now = held + (order.executed if side == BUY else -order.executed)
            assert abs(now) <= abs(held), "a reduce-only order made its position larger"
            assert now * held >= 0, "a reduce-only order turned its position"

    @rule(which=st.integers(0, 1000))
    def cancel(self, which: int) -> None:
        live = [order for order in self.orders if order.is_open]
        if live:
            self.exchange.cancel(live[which % len(live)], self.count, "x")

    @rule(
        who=st.sampled_from(NAMES),
        side=st.sampled_from([BUY, SELL]),
        kind=st.sampled_from(["STOP_MARKET", "TAKE_PROFIT_MARKET", "STOP"]),
        ticks=st.integers(185, 215),
        close=st.booleans(),
    )
    def wait(self, who: str, side: str, kind: str, ticks: int, close: bool) -> None:
        trigger = ticks * RULES.tick_size
        waiting = algo(
            self.exchange, self.exchange.accounts[who], side, kind, str(trigger),
            close_position=close and kind != "STOP", price=trigger if kind == "STOP" else ZERO,
        )  # fmt: skip
        try:
            self.exchange.desk.place(waiting, self.count)
        except VenueError as refusal:
            self.refused(refusal, -2021)

    @rule(units=st.integers(-300, 300))
    def fund(self, units: int) -> None:
        self.exchange.pay_funding("BTCUSDT", Decimal(units) / 100_000, self.count)

    def refused(self, refusal: VenueError, *codes: int) -> None:
        assert refusal.code in codes

    def snapshot(self) -> Any:
        accounts = [*self.exchange.accounts.values(), self.exchange.house]
        positions = [(p.amount, p.cost) for p in map(self.held, accounts)]
        depth = self.exchange.markets["BTCUSDT"].book.depth(1000)
        return [a.balance("USDT").free for a in accounts], positions, depth, len(self.heard.fills)

    def held(self, owner: Account) -> Position:
        return self.exchange.position(owner, "BTCUSDT")

    @invariant()
    def a_position_is_the_sum_of_its_fills(self) -> None:
        for owner in self.exchange.accounts.values():
            signed = [f.quantity if f.order.side == BUY else -f.quantity for f in owner.fills]
            assert self.held(owner).amount == sum(signed, ZERO)
            assert self.held(owner).realised == sum((f.realised for f in owner.fills), ZERO)

    @invariant()
    def a_wallet_is_what_its_fills_made_of_it(self) -> None:
        for owner in self.exchange.accounts.values():
            made = sum((f.realised - f.commission for f in owner.fills), ZERO)
            paid = sum((p.paid for p in self.heard.funded if p.account is owner), ZERO)
            assert owner.balance("USDT").free == START + made + paid
            assert owner.balance("USDT").locked == 0

    @invariant()
    def nothing_is_made_or_lost(self) -> None:
        accounts = [*self.exchange.accounts.values(), self.exchange.house]
        assert sum((self.held(a).amount for a in accounts), ZERO) == 0
        wallets = sum((a.balance("USDT").free for a in accounts), ZERO)
        open_costs = sum((self.held(a).cost for a in accounts), ZERO)
        assert wallets - open_costs + self.exchange.fees.get("USDT", ZERO) == START * 3

    @invariant()
    def margin_is_freed_with_the_last_order_and_position(self) -> None:
        for owner in self.exchange.accounts.values():
            margin = self.exchange.margin(owner)
            assert margin.orders >= 0
            if not owner.open_orders:
                assert margin.orders == 0
                if not self.held(owner).amount:
                    assert margin.initial == margin.unrealised == 0
                    assert margin.available == max(owner.balance("USDT").free, ZERO)

    @invariant()
    def reduce_only_orders_fit_into_their_position(self) -> None:
        for owner in self.exchange.accounts.values():
            held = self.held(owner).amount
            for side, room in ((BUY, max(-held, ZERO)), (SELL, max(held, ZERO))):
                open_ones = [o for o in owner.open_orders.values() if reduces_only(o) and o.side == side]
                assert sum((o.remaining for o in open_ones), ZERO) <= room

    @invariant()
    def nothing_waits_beyond_its_trigger(self) -> None:
        market = self.exchange.markets["BTCUSDT"]
        for owner in self.exchange.accounts.values():
            for waiting in self.exchange.desk.waiting(owner):
                assert not waiting.reached(market.last_price, self.exchange.mark(market))


Machine.TestCase.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
TestAnySequence = Machine.TestCase


@given(st.lists(st.tuples(st.integers(-50, 50).filter(bool), st.integers(1, 500)), min_size=1))
def test_a_position_closed_has_realised_exactly_what_was_paid_and_received(
    fills: list[tuple[int, int]],
) -> None:
    position = Position("X")
    cash = realised = ZERO
    for amount, price in fills:
        realised += position.fill(Decimal(amount), Decimal(price))
        cash -= Decimal(amount) * price
    left = position.amount
    assert left == sum(amount for amount, _ in fills)
    assert realised == position.realised == cash + position.cost
    if left:
        realised += position.fill(-left, Decimal(7))
        cash += left * 7
    assert position.amount == position.cost == position.entry_price == 0
    assert realised == cash


@pytest.fixture
def exchange() -> FuturesExchange:
    return FuturesExchange([RULES], map(account, NAMES), 0, Terms(leverage=10))


def trade(exchange: FuturesExchange, seller: str, buyer: str, quantity: str, price: str, tag: str) -> None:
    exchange.place(exchange.accounts[seller], new(SELL, quantity, price, client_order_id=f"s{tag}"), 0)
    exchange.place(exchange.accounts[buyer], new(BUY, quantity, price, client_order_id=f"b{tag}"), 0)


def shown(held: Position) -> str:
    return f"{held.amount:.0f} @ {held.entry_price:.0f}, realised {held.realised:.0f}"


def test_entry_price_is_the_average_and_turning_starts_anew(exchange: FuturesExchange) -> None:
    a = exchange.accounts["a"]
    trade(exchange, "b", "a", "1", "100", "1")
    trade(exchange, "b", "a", "2", "103", "2")
    held = exchange.position(a, "BTCUSDT")
    assert shown(held) == "3 @ 102, realised 0"
    trade(exchange, "a", "b", "1", "104", "3")
    assert shown(held) == "2 @ 102, realised 2"
    trade(exchange, "a", "b", "5", "101", "4")
    assert shown(held) == "-3 @ 101, realised 0"
    assert exchange.margin(a).wallet == START


def test_orders_of_both_sides_need_margin_for_the_larger_only(exchange: FuturesExchange) -> None:
    a = exchange.accounts["a"]
    exchange.place(a, new(BUY, "90", "95"), 0)
    exchange.place(a, new(SELL, "80", "105"), 0)
    assert exchange.margin(a).orders == 855
    with pytest.raises(VenueError, match="-2019"):
        exchange.place(a, new(BUY, "20", "95"), 0)
    exchange.place(a, new(BUY, "15", "95"), 0)
    for order in list(a.open_orders.values()):
        exchange.cancel(order, 0, "x")
    assert exchange.margin(a).available == START


def test_an_account_without_margin_can_still_reduce(exchange: FuturesExchange) -> None:
    trade(exchange, "b", "a", "99", "100", "1")
    trade(exchange, "c", "b", "1", "95", "2")  # the mark price falls: a has lost more than its margin
    a = exchange.accounts["a"]
    assert exchange.margin(a).left < 0
    with pytest.raises(VenueError, match="-2019"):
        exchange.place(a, new(BUY, "1", "94"), 0)
    exchange.place(a, new(SELL, "50", "96"), 0)


def test_reduce_only_orders_that_no_longer_fit_expire(exchange: FuturesExchange) -> None:
    a = exchange.accounts["a"]
    trade(exchange, "b", "a", "3", "100", "1")
    flags = {"reduceOnly": True}
    first, _ = exchange.place(a, new(SELL, "1", "104", extra=flags), 0)
    second, _ = exchange.place(a, new(SELL, "2", "105", extra=flags), 0)
    with pytest.raises(VenueError, match="-2022"):
        exchange.place(a, new(SELL, "0.01", "103", extra=flags), 0)
    trade(exchange, "a", "b", "1", "101", "2")
    assert (first.status, second.status) == ("NEW", "EXPIRED")
    assert not second.on_book


def test_a_used_client_id_is_refused_even_when_its_order_is_closed(exchange: FuturesExchange) -> None:
    a = exchange.accounts["a"]
    order, _ = exchange.place(a, new(BUY, "1", "95", client_order_id="x"), 0)
    exchange.cancel(order, 0, "x")
    with pytest.raises(VenueError, match=r"-4116 ClientOrderId is duplicated\."):
        exchange.place(a, new(BUY, "1", "95", client_order_id="x"), 0)
    exchange.place(exchange.accounts["b"], new(BUY, "1", "95", client_order_id="x"), 0)


def test_a_stop_closes_the_whole_position_before_other_orders(exchange: FuturesExchange) -> None:
    a = exchange.accounts["a"]
    heard = Listener()
    exchange.account_sinks.append(heard)
    trade(exchange, "b", "a", "3", "100", "1")
    resting, _ = exchange.place(a, new(SELL, "2", "104", extra={"reduceOnly": True}), 0)
    stop = algo(exchange, a, SELL, "STOP_MARKET", "97", close_position=True, quantity=ZERO)
    exchange.desk.place(stop, 0)
    exchange.place(exchange.accounts["c"], new(BUY, "10", "96"), 0)
    trade(exchange, "b", "c", "1", "98", "2")
    assert stop.status == "NEW"
    exchange.place(exchange.accounts["b"], new(SELL, "1", "96", client_order_id="down"), 0)
    assert exchange.position(a, "BTCUSDT").amount == 0
    assert (stop.status, resting.status) == ("FINISHED", "EXPIRED")
    assert [s for _, s in heard.algos] == ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]


def test_a_conditional_order_that_the_market_refuses_is_rejected(exchange: FuturesExchange) -> None:
    a = exchange.accounts["a"]
    stop = algo(exchange, a, SELL, "STOP_MARKET", "97", reduce_only=True)
    exchange.desk.place(stop, 0)
    trade(exchange, "b", "c", "1", "97", "1")
    assert (stop.status, stop.reason, stop.order_id) == ("REJECTED", "ReduceOnly Order is rejected.", None)


def test_one_trigger_can_set_off_the_next(exchange: FuturesExchange) -> None:
    a, b, c = exchange.accounts.values()
    for quantity, price in (("1", "98"), ("1", "97"), ("1", "96")):
        exchange.place(c, new(BUY, quantity, price), 0)
    first = algo(exchange, a, SELL, "STOP_MARKET", "98")
    exchange.desk.place(first, 0)
    second = algo(exchange, a, SELL, "STOP_MARKET", "97")
    exchange.desk.place(second, 0)
    exchange.place(b, new(SELL, "1", "98"), 0)
    assert (first.status, second.status) == ("FINISHED", "FINISHED")
    assert exchange.position(a, "BTCUSDT").amount == -2
    assert exchange.markets["BTCUSDT"].last_price == 96


def test_a_triggered_limit_order_ends_with_its_order(exchange: FuturesExchange) -> None:
    a = exchange.accounts["a"]
    stop = algo(exchange, a, BUY, "STOP", "102", price=Decimal("101"))
    exchange.desk.place(stop, 0)
    trade(exchange, "b", "c", "1", "102", "1")
    assert stop.status == "TRIGGERED"
    order = a.orders[stop.order_id or 0]
    assert (order.type, order.price, order.is_open) == ("LIMIT", Decimal("101"), True)
    exchange.cancel(order, 0, "x")
    assert stop.status == "FINISHED"


def test_the_mark_price_triggers_too_when_a_cancel_moves_it(exchange: FuturesExchange) -> None:
    a, b, _ = exchange.accounts.values()
    best, _ = exchange.place(b, new(BUY, "1", "103"), 0)
    exchange.place(b, new(SELL, "1", "105"), 0)
    stop = algo(exchange, a, SELL, "STOP_MARKET", "101", working_type="MARK_PRICE")
    exchange.desk.place(stop, 0)
    assert exchange.mark(exchange.markets["BTCUSDT"]) == 103
    exchange.cancel(best, 0, "x")
    assert stop.status == "FINISHED"
