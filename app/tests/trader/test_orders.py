"""An order and its fills: each trade counts once, and closed orders stay closed."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.trader.support import BTC, make_fill, make_order, make_report
from trader.model.orders import asset_changes, total_changes
from trader.model.transitions import OrderState, Signal, Verdict
from trader.model.values import Side

QUANTITIES = {"1": "0.004", "2": "0.005", "3": "0.001"}


@given(st.lists(st.sampled_from(sorted(QUANTITIES))))
def test_fills_are_idempotent_in_any_order_and_number(trade_ids: list[str]) -> None:
    order = make_order(state=OrderState.OPEN)
    for trade_id in trade_ids:
        known = trade_id in order.trade_ids
        assert order.book(make_fill(trade_id, QUANTITIES[trade_id])) is not known
    assert order.filled == sum((Decimal(QUANTITIES[trade_id]) for trade_id in set(trade_ids)), Decimal(0))
    complete = set(trade_ids) == set(QUANTITIES)
    assert (order.state is OrderState.FILLED) == complete


@given(st.permutations(["fill", "cancel", "ack"]))
def test_a_late_acknowledgement_never_resurrects(order_of_events: list[str]) -> None:
    order = make_order(state=OrderState.SENT)
    for event in order_of_events:
        if event == "fill":
            order.book(make_fill())
        else:
            order.report(make_report(Signal.CANCELED if event == "cancel" else Signal.OPENED))
    assert order.state is OrderState.CANCELED
    assert order.filled == Decimal("0.004")


def test_a_cancel_that_lost_its_race_ends_as_filled() -> None:
    order = make_order(state=OrderState.CANCELED)
    order.book(make_fill(quantity="0.01"))
    assert order.state is OrderState.FILLED


def test_a_refused_cancel_returns_to_what_the_fills_say() -> None:
    order = make_order(state=OrderState.OPEN)
    order.book(make_fill())
    states = []
    for signal in (Signal.CANCEL_SENT, Signal.CANCEL_REFUSED):
        order.signal(signal)
        states.append(order.state)
    assert states == [OrderState.CANCEL_PENDING, OrderState.PARTIALLY_FILLED]


def test_a_fill_of_a_rejected_order_is_kept_though_it_contradicts() -> None:
    order = make_order(state=OrderState.REJECTED)
    assert order.book(make_fill())
    assert (order.state, order.filled) == (OrderState.REJECTED, Decimal("0.004"))
    assert order.report(make_report(Signal.OPENED)) is Verdict.CONTRADICTION


def test_the_first_report_names_the_venue_order() -> None:
    order = make_order(state=OrderState.UNKNOWN)
    assert order.report(make_report(Signal.OPENED)) is Verdict.MOVED
    assert (order.state, order.venue_order_id) == (OrderState.OPEN, "77")


def test_changes_of_a_buy_and_a_sell_with_fees() -> None:
    buy = make_fill(quantity="0.004")
    assert asset_changes(buy, BTC) == {"BTC": Decimal("0.00399"), "USDT": Decimal("-240.000")}
    sell = make_fill(side=Side.SELL, fee=Decimal("0.24"), fee_asset="BNB")
    changes = asset_changes(sell, BTC)
    assert changes == {"BTC": Decimal("-0.004"), "USDT": Decimal("240.000"), "BNB": Decimal("-0.24")}
    assert total_changes([changes, asset_changes(buy, BTC)])["USDT"] == 0
