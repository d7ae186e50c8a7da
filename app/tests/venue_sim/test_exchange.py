"""The exchange's money and orders, under any sequence of requests."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from venue_sim.errors import VenueError
from venue_sim.exchange import Exchange, Market, NewOrder, OrderEvent
from venue_sim.model import BUY, SELL, ZERO, Account, ApiKey, Balance, Fill, Order, Rules, Trade

RULES = Rules(
    "BTCUSDT", "BTC", "USDT", Decimal("100"), Decimal("0.5"), Decimal("0.01"), Decimal(5), max_open_orders=5
)
NAMES = ("a", "b", "c")


def account(name: str, usdt: str = "1000", btc: str = "10") -> Account:
    return Account(name, 1, balances={"USDT": Balance(Decimal(usdt)), "BTC": Balance(Decimal(btc))})


def new(side: str, quantity: str, price: str = "0", **more: Any) -> NewOrder:
    kind = more.pop("type", "LIMIT")
    client_id = more.pop("client_order_id", "c")
    return NewOrder(
        "BTCUSDT", side, kind, client_id, quantity=Decimal(quantity), price=Decimal(price), **more
    )


class Listener:
    """Keeps what the exchange tells."""

    def __init__(self) -> None:
        self.events: list[OrderEvent] = []
        self.statuses: dict[int, list[str]] = {}
        self.fills: list[Fill] = []
        self.trades: list[Trade] = []

    def order_event(self, event: OrderEvent) -> None:
        self.events.append(event)
        self.statuses.setdefault(event.order.order_id, []).append(event.order.status)
        if event.fill:
            self.fills.append(event.fill)

    def balances(self, account: Account, assets: tuple[str, ...], now_ms: int) -> None:
        pass

    def trade(self, market: Market, trade: Trade) -> None:
        self.trades.append(trade)

    def book(self, market: Market) -> None:
        pass


class Machine(RuleBasedStateMachine):
    """Three accounts and the house place and cancel anything, with fees."""

    @initialize(maker=st.sampled_from(["0", "0.001"]), taker=st.sampled_from(["0", "0.00075"]))
    def begin(self, maker: str, taker: str) -> None:
        self.exchange = Exchange([RULES], map(account, NAMES), 0, Decimal(maker), Decimal(taker))
        self.heard = Listener()
        self.exchange.sinks.append(self.heard)
        self.orders: list[Order] = []
        self.count = 0

    @rule(
        who=st.sampled_from([*NAMES, "house"]),
        side=st.sampled_from([BUY, SELL]),
        kind=st.sampled_from(["LIMIT", "LIMIT", "LIMIT", "LIMIT_MAKER", "MARKET"]),
        tif=st.sampled_from(["GTC", "GTC", "IOC", "FOK"]),
        ticks=st.integers(190, 210),
        steps=st.integers(1, 700),
        by_quote=st.booleans(),
    )
    def place(self, who: str, side: str, kind: str, tif: str, ticks: int, steps: int, by_quote: bool) -> None:
        self.count += 1
        owner = self.exchange.house if who == "house" else self.exchange.accounts[who]
        quantity = steps * RULES.step_size
        wanted = NewOrder(
            "BTCUSDT", side, kind, f"{who}-{self.count}",
            "GTC" if kind != "LIMIT" else tif,
            quantity=ZERO if kind == "MARKET" and by_quote else quantity,
            quote_quantity=quantity * 100 if kind == "MARKET" and by_quote else ZERO,
            price=ZERO if kind == "MARKET" else ticks * RULES.tick_size,
        )  # fmt: skip
        before = self.snapshot()
        try:
            order, fills = self.exchange.place(owner, wanted, self.count)
        except VenueError as refusal:
            self.refused(refusal, before)
            return
        self.orders.append(order)
        assert sum((f.quantity for f in fills), ZERO) == order.executed
        assert sum((f.quote for f in fills), ZERO) == order.executed_quote
        paid = [f.price for f in fills]
        assert paid == sorted(paid, reverse=side == SELL), "did not take the best price first"
        if kind == "LIMIT" and fills:
            assert max(paid) <= order.price if side == BUY else min(paid) >= order.price
        if kind == "LIMIT_MAKER":
            assert not fills
        if tif == "FOK" and kind == "LIMIT":
            assert order.executed in (ZERO, order.quantity)
        assert order.on_book == order.is_open
        if kind == "MARKET" or tif != "GTC":
            assert not (order.is_open and kind != "LIMIT_MAKER")

    @rule(which=st.integers(0, 1000))
    def cancel(self, which: int) -> None:
        live = [order for order in self.orders if order.is_open]
        if live:
            order = live[which % len(live)]
            self.exchange.cancel(order, 0, "x")
            assert order.status == "CANCELED"

    def refused(self, refusal: VenueError, before: Any) -> None:
        assert refusal.code in (-1013, -2010)
        assert self.snapshot() == before, "a refused order changed something"

    def snapshot(self) -> Any:
        accounts = [*self.exchange.accounts.values(), self.exchange.house]
        money = [(a.name, n, b.free, b.locked) for a in accounts for n, b in sorted(a.balances.items())]
        return money, self.exchange.markets["BTCUSDT"].book.depth(1000), len(self.heard.events)

    @invariant()
    def money_is_conserved(self) -> None:
        accounts = [*self.exchange.accounts.values(), self.exchange.house]
        for asset, total in (("USDT", 3000), ("BTC", 30)):
            held = sum((a.balance(asset).free + a.balance(asset).locked for a in accounts), ZERO)
            assert held + self.exchange.fees.get(asset, ZERO) == total

    @invariant()
    def nothing_is_negative(self) -> None:
        for held in self.exchange.accounts.values():
            for balance in held.balances.values():
                assert balance.free >= 0
                assert balance.locked >= 0

    @invariant()
    def locked_is_what_open_orders_need(self) -> None:
        for held in self.exchange.accounts.values():
            needed = {"USDT": ZERO, "BTC": ZERO}
            for order in held.open_orders.values():
                buys = order.side == BUY
                needed["USDT" if buys else "BTC"] += order.remaining * (order.price if buys else 1)
            assert {a: held.balance(a).locked for a in needed} == needed

    @invariant()
    def fills_add_up(self) -> None:
        for order in self.orders:
            if order.account.is_house:
                continue
            mine = [fill for fill in self.heard.fills if fill.order is order]
            assert sum((f.quantity for f in mine), ZERO) == order.executed <= order.quantity
            assert sum((f.quote for f in mine), ZERO) == order.executed_quote
            assert (order.status == "FILLED") == (order.executed == order.quantity)

    @invariant()
    def each_trade_once(self) -> None:
        ids = [trade.trade_id for trade in self.heard.trades]
        assert ids == sorted(set(ids))

    @invariant()
    def book_is_not_crossed(self) -> None:
        bids, asks = self.exchange.markets["BTCUSDT"].book.depth(1)
        assert not (bids and asks) or bids[0][0] < asks[0][0]

    @invariant()
    def final_states_are_final(self) -> None:
        final = {"FILLED", "CANCELED", "EXPIRED"}
        for statuses in self.heard.statuses.values():
            assert not final & set(statuses[:-1])


Machine.TestCase.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
TestAnySequence = Machine.TestCase


@pytest.fixture
def exchange() -> Exchange:
    return Exchange([RULES], map(account, NAMES), 0)


def test_a_better_price_gives_back_what_was_locked(exchange: Exchange) -> None:
    a, b = exchange.accounts["a"], exchange.accounts["b"]
    exchange.place(b, new(SELL, "1", "99"), 0)
    order, fills = exchange.place(a, new(BUY, "2", "101"), 0)
    assert [(f.price, f.quantity, f.is_maker) for f in fills] == [(Decimal(99), Decimal(1), False)]
    assert order.status == "PARTIALLY_FILLED"
    assert (a.balance("USDT").free, a.balance("USDT").locked) == (Decimal(1000 - 99 - 101), Decimal(101))
    assert a.balance("BTC").free == 11
    assert b.balance("USDT").free == 1099


def test_market_order_takes_what_is_there_and_expires(exchange: Exchange) -> None:
    exchange.place(exchange.accounts["b"], new(SELL, "1", "99"), 0)
    order, fills = exchange.place(exchange.accounts["a"], new(BUY, "3", type="MARKET"), 0)
    assert (order.status, order.executed, len(fills)) == ("EXPIRED", Decimal(1), 1)
    assert exchange.accounts["a"].balance("USDT").locked == 0


def test_commission_is_taken_from_what_is_received_and_cut_down() -> None:
    exchange = Exchange([RULES], map(account, NAMES), 0, Decimal("0.001"), Decimal("0.0000001"))
    exchange.place(exchange.accounts["b"], new(SELL, "0.33", "99"), 0)
    _, fills = exchange.place(exchange.accounts["a"], new(BUY, "0.33", "99"), 0)
    assert (fills[0].commission, fills[0].commission_asset) == (Decimal("0.00000003"), "BTC")
    assert exchange.fees == {"BTC": Decimal("0.00000003"), "USDT": Decimal("0.03267")}


def test_client_id_is_unique_among_open_orders_only(exchange: Exchange) -> None:
    a = exchange.accounts["a"]
    first, _ = exchange.place(a, new(BUY, "1", "90"), 0)
    with pytest.raises(VenueError, match=r"-2010 Duplicate order sent\."):
        exchange.place(a, new(BUY, "1", "90"), 0)
    exchange.place(exchange.accounts["b"], new(BUY, "1", "90"), 0)
    exchange.cancel(first, 0, "x")
    second, _ = exchange.place(a, new(BUY, "1", "90"), 0)
    assert a.by_client_id["c"] is second


@pytest.mark.parametrize(
    ("order", "refusal"),
    [
        (new(BUY, "1", "90.25"), "-1013 Filter failure: PRICE_FILTER"),
        (new(BUY, "1", "1000000.5"), "-1013 Filter failure: PRICE_FILTER"),
        (new(BUY, "1", "0"), "-1013 Invalid price."),
        (new(BUY, "0.015", "90"), "-1013 Filter failure: LOT_SIZE"),
        (new(BUY, "0", "90"), "-1013 Invalid quantity."),
        (new(BUY, "0.05", "90"), "-1013 Filter failure: NOTIONAL"),
        (new(BUY, "0.04", type="MARKET"), "-1013 Filter failure: NOTIONAL"),
        (new(BUY, "11.2", "90"), "-2010 Account has insufficient balance for requested action."),
        (new(SELL, "10.01", "110"), "-2010 Account has insufficient balance for requested action."),
        (new(BUY, "10", type="MARKET"), "-2010 Account has insufficient balance for requested action."),
        (new(SELL, "1", "95", type="LIMIT_MAKER"), "-2010 Order would immediately match and take."),
    ],
)
def test_refusals(exchange: Exchange, order: NewOrder, refusal: str) -> None:
    for number in range(2):
        exchange.place(exchange.accounts["b"], new(BUY, "4", "95", client_order_id=f"b{number}"), 0)
        exchange.place(exchange.accounts["b"], new(SELL, "5", "110", client_order_id=f"s{number}"), 0)
    with pytest.raises(VenueError) as refused:
        exchange.place(exchange.accounts["a"], order, 0)
    assert str(refused.value) == refusal
    assert not exchange.accounts["a"].orders


def test_open_orders_are_limited(exchange: Exchange) -> None:
    for number in range(5):
        exchange.place(exchange.accounts["a"], new(BUY, "0.1", "90", client_order_id=str(number)), 0)
    with pytest.raises(VenueError, match="MAX_NUM_ORDERS"):
        exchange.place(exchange.accounts["a"], new(BUY, "0.1", "90", client_order_id="6"), 0)


def test_old_closed_orders_are_forgotten_open_ones_never(exchange: Exchange) -> None:
    a = exchange.accounts["a"]
    a.history = 3
    kept, _ = exchange.place(a, new(BUY, "0.1", "90", client_order_id="kept"), 0)
    for number in range(6):
        order, _ = exchange.place(a, new(BUY, "0.1", "90", client_order_id=str(number)), 0)
        exchange.cancel(order, 0, "x")
    assert a.orders[kept.order_id] is kept
    assert len(a.orders) <= 4
    assert "0" not in a.by_client_id
    assert "5" in a.by_client_id


def test_a_secret_is_not_in_what_is_printed(exchange: Exchange) -> None:
    a = exchange.accounts["a"]
    a.keys[""] = ApiKey("", "hush-key", b"hush-hush")
    order, _ = exchange.place(a, new(BUY, "1", "90"), 0)
    assert "hush" not in f"{order!r} {a!r}"
