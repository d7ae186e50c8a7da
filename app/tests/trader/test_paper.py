"""The paper venue: how it fills, that it agrees with the books, and that nothing private leaves."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trader.parts import Parts
from tests.trader.support import BTC, make_order
from trader.journal import Journal, records
from trader.model.intents import Place
from trader.model.orders import Order
from trader.model.transitions import OrderState, Signal
from trader.model.values import Fill, Instrument, OrderKind, OrderReport, Payment, Quote, Side
from trader.shadow.paper import PaperVenue
from trader.shadow.settings import PaperSettings
from trader.venue.interface import Found, Lookup, Placement, Venue, VenueError, now_ms
from trader.venue.outcomes import Outcome

D = Decimal
PERP = replace(BTC, symbol="BTC/USDT:USDT", settle="USDT")
BUY, SELL = Side.BUY, Side.SELL


class PublicOnly:
    """A real venue of which only the public side may be asked."""

    recv_window_ms = 100

    def __init__(self) -> None:
        self.instruments: dict[str, Instrument] = {}
        self.closed = False

    async def connect(self) -> None:
        self.instruments.update({one.symbol: one for one in (BTC, PERP)})

    async def time_ms(self) -> int:
        return now_ms()

    async def close(self) -> None:
        self.closed = True

    async def place(self, order: Order) -> Placement:
        raise AssertionError("an order was sent")

    async def close_out(self, order: Order) -> Placement:
        raise AssertionError("an order was sent")

    async def cancel(self, order: Order) -> Lookup:
        raise AssertionError("a cancel was sent")

    async def cancel_stranger(self, report: OrderReport) -> None:
        raise AssertionError("a cancel was sent")

    async def lookup(self, order: Order) -> Lookup:
        raise AssertionError("the account was asked")

    async def forgotten(self, venue_order_id: str, symbol: str) -> tuple[Order, OrderReport] | None:
        raise AssertionError("the account was asked")

    async def open_orders(self) -> list[OrderReport]:
        raise AssertionError("the account was asked")

    async def trades(self, symbol: str, after: str | None) -> list[Fill]:
        raise AssertionError("the account was asked")

    async def balances(self) -> dict[str, Decimal]:
        raise AssertionError("the account was asked")

    async def positions(self) -> dict[str, Decimal]:
        raise AssertionError("the account was asked")

    async def payments(self, since_ms: int) -> list[Payment]:
        raise AssertionError("the account was asked")


def quote(bid: str = "59999", ask: str = "60001", symbol: str = "BTC/USDT") -> Quote:
    return Quote(symbol, D(bid), D(ask), 1)


class Told:
    """A paper venue, and what it told."""

    def __init__(self, venue: PaperVenue) -> None:
        self.venue = venue
        self.reports: list[OrderReport] = []
        self.fills: list[Fill] = []
        venue.report = self.reports.append
        venue.fill = self.fills.append


async def paper(*, quoted: bool = True, fee_bps: int = 0, **fields: Any) -> Told:
    settings = PaperSettings(maker_fee_bps=D(fee_bps), taker_fee_bps=D(2 * fee_bps))
    values: dict[str, Any] = {"balances": {"USDT": D(10_000), "BTC": D(1)}, "positions": {}}
    inner: Venue = PublicOnly()
    told = Told(PaperVenue(inner, settings, **values | fields))
    await told.venue.connect()
    if quoted:
        told.venue.on_quote(quote())
        told.venue.on_quote(quote(symbol=PERP.symbol))
    return told


def market(number: int = 1, side: Side = BUY, **fields: Any) -> Order:
    return make_order(f"t-1-{number}", side=side, kind=OrderKind.MARKET, price=None, **fields)


def limit(price: str, number: int = 1, side: Side = BUY, **fields: Any) -> Order:
    return make_order(f"t-1-{number}", side=side, price=D(price), **fields)


@pytest.mark.parametrize(("side", "price"), [(BUY, 60_001), (SELL, 59_999)])
async def test_a_market_order_takes_the_touch(side: Side, price: int) -> None:
    told = await paper()
    placement = await told.venue.place(market(side=side))
    assert placement.outcome is Outcome.ACKNOWLEDGED
    assert placement.report is not None
    [fill] = placement.report.fills
    assert (fill.price, fill.quantity, fill.side) == (D(price), D("0.01"), side)
    assert (told.reports, told.fills) == ([placement.report], [fill])
    assert placement.report.signal is Signal.FILLED


@pytest.mark.parametrize(
    ("side", "price", "at"),
    [
        (BUY, "60005", 60_001),
        (BUY, "60001", 60_001),
        (BUY, "60000.99", None),
        (SELL, "59999", 59_999),
        (SELL, "60000", None),
    ],
)
async def test_a_limit_order_that_reaches_the_touch_is_filled_there(
    side: Side, price: str, at: int | None
) -> None:
    told = await paper()
    placement = await told.venue.place(limit(price, side=side))
    assert placement.report is not None
    assert placement.report.signal is (Signal.OPENED if at is None else Signal.FILLED)
    assert [fill.price for fill in told.fills] == ([] if at is None else [at])
    assert len(await told.venue.open_orders()) == (at is None)


async def test_a_resting_order_is_filled_at_its_price_when_the_touch_reaches_it() -> None:
    told = await paper(fee_bps=10)
    await told.venue.place(limit("59990"))
    told.venue.on_quote(quote("59990", "59990.01"))
    told.venue.on_quote(quote("1", "2", "ETH/USDT"))
    assert told.fills == []
    told.venue.on_quote(quote("59980", "59985"))
    [fill] = told.fills
    assert (fill.price, fill.fee, fill.fee_asset) == (D(59_990), D("0.5999"), "USDT")
    assert told.reports[-1].signal is Signal.FILLED
    assert await told.venue.open_orders() == []
    told.venue.on_quote(quote("59980", "59985"))
    assert len(told.fills) == 1


async def test_balances_move_by_fills_and_fees() -> None:
    told = await paper(fee_bps=10)
    await told.venue.place(market())
    assert await told.venue.balances() == {
        "USDT": D(10_000) - D("600.01") - D("1.20002"),
        "BTC": D("1.01"),
    }


async def test_a_cancel_ends_what_rests_and_tells_the_end_of_what_does_not() -> None:
    told = await paper()
    resting, done = limit("59000"), market(2)
    await told.venue.place(resting)
    await told.venue.place(done)
    found = await told.venue.lookup(resting)
    assert found.report is not None
    assert found.report.signal is Signal.OPENED
    answer = await told.venue.cancel(resting)
    assert (answer.found, answer.report) == (Found.FOUND, told.reports[-1])
    assert told.reports[-1].signal is Signal.CANCELED
    answer = await told.venue.cancel(done)
    assert answer.report is not None
    assert answer.report.signal is Signal.FILLED
    told.venue.on_quote(quote("1", "2"))
    assert len(told.fills) == 1
    assert (await told.venue.cancel(limit("1", 9))).found is Found.ABSENT
    assert (await told.venue.lookup(limit("1", 9))).found is Found.ABSENT


async def test_without_a_quote_nothing_is_taken() -> None:
    told = await paper(quoted=False)
    placement = await told.venue.place(market())
    assert placement.outcome is Outcome.NOT_PLACED
    assert "no quote yet" in str(placement.error)
    assert told.reports == []


async def test_what_the_account_does_not_have_is_refused() -> None:
    told = await paper(balances={"USDT": D(1_000)})
    assert (await told.venue.place(limit("59000"))).outcome is Outcome.ACKNOWLEDGED
    refused = await told.venue.place(limit("59000", 2))
    assert refused.outcome is Outcome.NOT_PLACED
    assert "insufficient balance: 590.00 USDT needed, 410.00 free" in str(refused.error)
    assert (await told.venue.place(market(3, SELL))).outcome is Outcome.NOT_PLACED
    await told.venue.cancel(limit("59000"))
    assert (await told.venue.place(limit("59000", 4))).outcome is Outcome.ACKNOWLEDGED


async def test_trade_ids_rise_also_over_a_restart() -> None:
    first = await paper()
    for number in range(3):
        await first.venue.place(market(number))
    ids = [int(fill.trade_id) for fill in first.fills]
    second = await paper(cursors={"BTC/USDT": str(10**30)})
    third = await paper()
    for told in (third, second):
        await told.venue.place(market(9))
        ids.append(int(told.fills[0].trade_id))
    assert ids == sorted(set(ids))
    assert ids[-1] > 10**30


async def test_trades_are_told_from_a_cursor_on() -> None:
    told = await paper()
    assert await told.venue.trades("BTC/USDT", None) == []
    for number in range(3):
        await told.venue.place(market(number))
    assert await told.venue.trades("BTC/USDT", "-1") == told.fills
    assert await told.venue.trades("BTC/USDT", None) == told.fills[-1:]
    assert await told.venue.trades("BTC/USDT", told.fills[0].trade_id) == told.fills[1:]
    assert await told.venue.trades(PERP.symbol, "-1") == []


async def test_a_derivative_realises_against_its_average_entry() -> None:
    told = await paper(balances={"USDT": D(0)})
    trades = [(BUY, "1", "100"), (BUY, "3", "104"), (SELL, "2", "110"), (SELL, "4", "120"), (BUY, "2", "90")]
    for number, (side, quantity, price) in enumerate(trades):
        told.venue.on_quote(quote(price, price, PERP.symbol))
        await told.venue.place(market(number, side, quantity=D(quantity), symbol=PERP.symbol))
    assert [fill.realized for fill in told.fills] == [0, 0, 2 * 7, 2 * 17, 2 * 30]
    assert await told.venue.positions() == {}
    assert await told.venue.balances() == {"USDT": 14 + 34 + 60}


async def test_a_position_found_at_the_start_realises_from_the_first_trade_on() -> None:
    told = await paper(positions={PERP.symbol: D(2), "BTC/USDT": D(5)}, balances={})
    assert await told.venue.positions() == {PERP.symbol: 2}
    told.venue.on_quote(quote("100", "100", PERP.symbol))
    await told.venue.place(market(1, SELL, quantity=D(1), symbol=PERP.symbol))
    told.venue.on_quote(quote("110", "110", PERP.symbol))
    await told.venue.place(market(2, SELL, quantity=D(1), symbol=PERP.symbol))
    assert [fill.realized for fill in told.fills] == [0, 10]


async def test_nobody_else_trades_on_paper() -> None:
    told = await paper()
    with pytest.raises(VenueError, match="no such order on paper"):
        await told.venue.cancel_stranger(OrderReport("x", "1", "BTC/USDT", Signal.OPENED, D(0)))
    await told.venue.close()


orders = st.tuples(st.sampled_from(Side), st.integers(1, 50), st.integers(-30, 30), st.booleans())


@given(
    st.lists(st.one_of(orders, st.integers(-30, 30)), max_size=30), st.sampled_from(["BTC/USDT", PERP.symbol])
)
async def test_no_money_comes_from_nowhere(moves: list[Any], symbol: str) -> None:
    """Balances are the start plus the fills; each order is filled once, never worse than its limit."""
    told = await paper(fee_bps=5)
    placed: dict[str, Order] = {}
    for number, move in enumerate(moves):
        if isinstance(move, int):
            told.venue.on_quote(quote(str(60_000 + move), str(60_001 + move), symbol))
            continue
        side, lots, away, at_market = move
        quantity = D(lots) / 1_000
        order = (
            market(number, side, quantity=quantity, symbol=symbol)
            if at_market
            else limit(str(60_000 + away), number, side, quantity=quantity, symbol=symbol)
        )
        placement = await told.venue.place(order)
        if placement.report is not None:
            placed[placement.report.venue_order_id] = order
    names = [fill.venue_order_id for fill in told.fills]
    assert len(names) == len(set(names))
    usdt, btc = D(10_000), D(1)
    for fill in told.fills:
        order = placed[fill.venue_order_id]
        assert fill.quantity == order.quantity
        assert order.price is None or fill.side.sign * (order.price - fill.price) >= 0
        usdt -= fill.fee
        if symbol == "BTC/USDT":
            usdt -= fill.side.sign * fill.quantity * fill.price
            btc += fill.side.sign * fill.quantity
        else:
            usdt += fill.realized
    balances = await told.venue.balances()
    assert (balances.get("USDT", 0), balances.get("BTC", 0)) == (usdt, btc)
    assert all(amount >= 0 for asset, amount in balances.items() if symbol == "BTC/USDT"), (
        "spot never borrows"
    )


class Desk:
    """Everything below the service, on a paper venue that was rebuilt from the journal."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal.open(folder / "j.sqlite", "t", "t", 1, "dev")
        snapshot = self.journal.snapshot()
        self.journal.start(lambda seconds, count: None, lambda error: None)
        settings = PaperSettings()
        balances = dict(settings.balances if snapshot.baseline is None else snapshot.baseline)
        for asset, amount in snapshot.changes.items():
            balances[asset] = balances.get(asset, D(0)) + amount
        self.venue = PaperVenue(
            PublicOnly(), settings, balances, snapshot.positions, snapshot.orders, snapshot.cursors
        )
        parts = Parts(self.journal, self.venue, snapshot, host="t")
        parts.quote()
        self.gate, self.manager, self.reconciler = parts.gate, parts.manager, parts.reconciler
        parts.quote(PERP.symbol)
        self.venue.report, self.venue.fill = self.manager.report, self.manager.fill
        self.manager.load(snapshot)

    async def open(self) -> Desk:
        await self.venue.connect()
        self.venue.on_quote(quote())
        self.venue.on_quote(quote(symbol=PERP.symbol))
        return self

    async def place(self, price: str | None, side: Side = BUY, symbol: str = "BTC/USDT") -> Order:
        kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
        at = None if price is None else D(price)
        order = await self.manager.place(Place(symbol, side, kind, D("0.01"), at, 1))
        assert order is not None
        return order

    async def agrees(self) -> bool:
        return (await self.reconciler.run()).differences == ()


async def test_books_and_paper_agree_also_after_a_restart(tmp_path: Path) -> None:
    desk = await Desk(tmp_path).open()
    assert await desk.agrees()
    desk.gate.clear("start")
    resting, taken = await desk.place("59000"), await desk.place(None)
    await desk.place("59990")
    await desk.place(None, BUY, PERP.symbol)
    gone = await desk.place("58000")
    await desk.manager.cancel(gone.client_id)
    desk.venue.on_quote(quote("59980", "59985"))
    assert (resting.state, taken.state, gone.state) == (
        OrderState.OPEN,
        OrderState.FILLED,
        OrderState.CANCELED,
    )
    assert await desk.agrees()
    before, positions = await desk.venue.balances(), dict(desk.manager.book.positions)
    await desk.journal.close()

    again = await Desk(tmp_path).open()
    assert await again.agrees()
    assert await again.venue.balances() == before
    assert again.manager.book.positions == positions == {"BTC/USDT": D("0.02"), PERP.symbol: D("0.01")}
    assert await again.venue.positions() == {PERP.symbol: D("0.01")}
    [order] = again.manager.book.working()
    assert order.client_id == resting.client_id
    again.venue.on_quote(quote("58990", "59000"))
    assert order.state is OrderState.FILLED
    assert await again.agrees()
    await again.journal.close()


async def test_an_order_without_an_answer_is_proven_absent_after_a_restart(tmp_path: Path) -> None:
    desk = await Desk(tmp_path).open()
    assert await desk.agrees()
    lost = make_order("t-1-500", OrderState.SENT)
    await desk.journal.append(records.intent(lost))
    await desk.journal.close()
    again = await Desk(tmp_path).open()
    assert await again.agrees()
    assert again.manager.book.unknown() == []
    found = await again.journal.find(client_id="t-1-500")
    assert found is not None
    assert found.state is OrderState.REJECTED
    await again.journal.close()


async def test_an_order_whose_last_fill_is_known_and_whose_end_is_not_has_ended() -> None:
    order = make_order("t-1-1", OrderState.OPEN, filled=D("0.01"), venue_order_id="7")
    told = await paper(orders=[order])
    assert await told.venue.open_orders() == []
    answer = await told.venue.lookup(order)
    assert answer.report is not None
    assert answer.report.signal is Signal.FILLED
    told.venue.on_quote(quote("1", "2"))
    assert told.fills == []
