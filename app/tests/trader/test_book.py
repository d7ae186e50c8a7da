from decimal import Decimal

import pytest

from tests.trader.support import BTC, make_fill, make_order
from trader.model.transitions import OrderState, Signal
from trader.orders import book as module
from trader.orders.book import OrderBook


def test_orders_are_filed_by_what_is_known_of_them() -> None:
    book, order = OrderBook(), make_order()
    book.add(order)
    assert book.in_flight() == [order]
    order.state, order.venue_order_id = OrderState.OPEN, "77"
    book.index(order)
    assert book.working() == [order]
    assert book.by_venue_id("77") is order
    order.signal(Signal.CANCELED)
    book.index(order)
    assert list(book.live()) == []
    assert book.get(order.client_id) is order


def test_a_fill_counts_once() -> None:
    book, order = OrderBook(), make_order(state=OrderState.OPEN)
    book.add(order)
    assert book.book(order, make_fill(), BTC, 5) == {"BTC": Decimal("0.00399"), "USDT": Decimal("-240.000")}
    assert book.book(order, make_fill(), BTC, 6) is None
    assert book.positions == {"BTC/USDT": Decimal("0.004")}
    assert [booked.booked_ns for booked in book.recent] == [5]


def test_old_final_orders_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 2)
    book = OrderBook()
    for number in range(3):
        order = make_order(f"trader-01-1-{number}", OrderState.CANCELED, venue_order_id=str(number))
        book.add(order)
        book.index(order)
    assert book.get("trader-01-1-0") is None
    assert book.by_venue_id("0") is None
    assert book.get("trader-01-1-2") is not None
