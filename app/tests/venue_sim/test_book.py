"""The order book against a naive model."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from venue_sim.matching.book import OrderBook
from venue_sim.model import BUY, SELL, ZERO, Account, Order, Rules

RULES = Rules("BTCUSDT", "BTC", "USDT", Decimal(100), Decimal(1), Decimal(1), Decimal(0))
HOUSE = Account("house", 0, is_house=True)

prices = st.integers(95, 105).map(Decimal)
quantities = st.integers(1, 9).map(Decimal)


def order(number: int, side: str, price: Decimal, quantity: Decimal) -> Order:
    return Order(number, HOUSE, RULES, f"c{number}", side, "LIMIT", "GTC", price, quantity, 0, 0)


def take_all(
    book: OrderBook, side: str, limit: Decimal | None, quantity: Decimal
) -> list[tuple[int, Decimal]]:
    """Trade through the book as the exchange does; the (maker id, quantity) in order."""
    done: list[tuple[int, Decimal]] = []
    while quantity and (maker := book.next_maker(side, limit)) is not None:
        here = min(quantity, maker.remaining)
        maker.executed += here
        book.take(maker, here)
        done.append((maker.order_id, here))
        quantity -= here
    return done


@given(
    resting=st.lists(st.tuples(prices, quantities), max_size=20),
    side=st.sampled_from([BUY, SELL]),
    limit=st.none() | prices,
    quantity=st.integers(1, 60).map(Decimal),
)
def test_best_price_first_then_oldest(
    resting: list[tuple[Decimal, Decimal]], side: str, limit: Decimal | None, quantity: Decimal
) -> None:
    book = OrderBook()
    maker_side = SELL if side == BUY else BUY
    orders = [order(n, maker_side, price, amount) for n, (price, amount) in enumerate(resting)]
    for maker in orders:
        book.add(maker)
    sign = 1 if side == BUY else -1
    allowed = [o for o in orders if limit is None or (o.price - limit) * sign <= 0]
    expected, left = [], quantity
    for maker in sorted(allowed, key=lambda o: (o.price * sign, o.order_id)):
        if not left:
            break
        here = min(left, maker.quantity)
        expected.append((maker.order_id, here))
        left -= here
    cost = book.cost(side, limit, quantity)
    assert cost == (quantity - left, sum((orders[n].price * q for n, q in expected), ZERO))
    assert take_all(book, side, limit, quantity) == expected


@given(
    steps=st.lists(st.tuples(st.sampled_from(["add", "remove", "take"]), prices, quantities), max_size=40),
)
def test_levels_are_the_sum_of_their_orders(steps: list[tuple[str, Decimal, Decimal]]) -> None:
    book = OrderBook()
    live: dict[int, Order] = {}
    for number, (what, price, quantity) in enumerate(steps):
        side = BUY if number % 2 else SELL
        if what == "add":
            live[number] = order(number, side, price, quantity)
            book.add(live[number])
        elif what == "remove" and live:
            book.remove(live.pop(next(iter(live))))
        elif what == "take":
            for maker_id, _ in take_all(book, side, None, quantity):
                if not live[maker_id].remaining:
                    del live[maker_id]
        for mine, held in ((BUY, book.bids), (SELL, book.asks)):
            expected: dict[Decimal, Decimal] = {}
            for resting in live.values():
                if resting.side == mine:
                    expected[resting.price] = expected.get(resting.price, ZERO) + resting.remaining
            found = dict(book.depth(100)[0 if mine == BUY else 1])
            assert found == expected
            assert list(found) == sorted(expected, reverse=mine == BUY)
            assert held.best == next(iter(found), None)
            assert len(held) == len(found)


@given(steps=st.lists(st.tuples(prices, quantities), min_size=1, max_size=20), cut=st.integers(0, 20))
def test_changes_rebuild_the_book_from_an_older_snapshot(
    steps: list[tuple[Decimal, Decimal]], cut: int
) -> None:
    book = OrderBook()
    copy: dict[Decimal, Decimal] = {}
    for number, (price, quantity) in enumerate(steps):
        if number == cut:
            book.drain_changes()
            copy = dict(book.depth(100)[0])
        if number % 3 == 2:
            take_all(book, SELL, None, quantity)
        else:
            book.add(order(number, BUY, price, quantity))
    changed = [(price, quantity) for price, quantity in book.drain_changes()[0]]
    for price, quantity in changed:
        if quantity:
            copy[price] = quantity
        else:
            copy.pop(price, None)
    assert copy == dict(book.depth(100)[0])
    assert book.drain_changes() == ([], [])


def test_quantity_for_a_quote_amount_is_whole_steps_and_affordable() -> None:
    book = OrderBook()
    book.add(order(1, SELL, Decimal(100), Decimal(2)))
    book.add(order(2, SELL, Decimal(103), Decimal(5)))
    assert book.quantity_for(BUY, Decimal(99), Decimal(1)) == 0
    assert book.quantity_for(BUY, Decimal(200), Decimal(1)) == 2
    assert book.quantity_for(BUY, Decimal(303), Decimal(1)) == 3
    assert book.quantity_for(BUY, Decimal(305), Decimal(1)) == 3
    assert book.quantity_for(BUY, Decimal(10_000), Decimal(1)) == 7


def test_update_id_rises_with_every_change() -> None:
    book = OrderBook()
    ids = [book.update_id]
    resting = order(1, BUY, Decimal(99), Decimal(3))
    book.add(resting)
    ids.append(book.update_id)
    take_all(book, SELL, None, Decimal(1))
    ids.append(book.update_id)
    book.remove(resting)
    ids.append(book.update_id)
    assert ids == list(range(1, 5))
