"""A price-time order book. Pure: it holds orders and says who is next, the exchange moves the money."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from decimal import Decimal

from venue_sim.model import BUY, SELL, ZERO, Order


class Level:
    """The orders of one price, oldest first, and their total remaining quantity."""

    __slots__ = ("orders", "total")

    def __init__(self) -> None:
        self.orders: dict[int, Order] = {}
        self.total = ZERO


class BookSide:
    """All bids or all asks."""

    __slots__ = ("_is_bids", "_levels", "_prices")

    def __init__(self, is_bids: bool) -> None:
        self._is_bids = is_bids
        self._levels: dict[Decimal, Level] = {}
        self._prices: list[Decimal] = []  # ascending

    def __len__(self) -> int:
        return len(self._prices)

    @property
    def best(self) -> Decimal | None:
        """The highest bid or the lowest ask."""
        if not self._prices:
            return None
        return self._prices[-1] if self._is_bids else self._prices[0]

    def prices(self) -> Iterator[Decimal]:
        """Prices from the best to the worst."""
        return reversed(self._prices) if self._is_bids else iter(self._prices)

    def level(self, price: Decimal) -> Level | None:
        """The level of a price, if any order is there."""
        return self._levels.get(price)

    def add(self, order: Order) -> None:
        """Put an order last in its level's queue."""
        level = self._levels.get(order.price)
        if level is None:
            level = self._levels[order.price] = Level()
            insort(self._prices, order.price)
        level.orders[order.order_id] = order
        level.total += order.remaining

    def take(self, order: Order, quantity: Decimal) -> None:
        """Lower a level by a quantity of one of its orders; an order with nothing left leaves the queue."""
        level = self._levels[order.price]
        level.total -= quantity
        if not order.remaining:
            self._drop(level, order)

    def remove(self, order: Order) -> None:
        """Take an order out with all that remains of it."""
        level = self._levels[order.price]
        level.total -= order.remaining
        self._drop(level, order)

    def _drop(self, level: Level, order: Order) -> None:
        del level.orders[order.order_id]
        if not level.orders:
            del self._levels[order.price]
            del self._prices[bisect_left(self._prices, order.price)]


class OrderBook:
    """Bids and asks of one symbol.

    `update_id` rises by one with every change of a level; `drain_changes` tells which levels were touched,
    from which the depth stream is made.
    """

    def __init__(self) -> None:
        self.bids = BookSide(is_bids=True)
        self.asks = BookSide(is_bids=False)
        self.update_id = 1
        self._changed_bids: set[Decimal] = set()
        self._changed_asks: set[Decimal] = set()

    def side(self, side: str) -> BookSide:
        """The side on which orders of `side` rest."""
        return self.bids if side == BUY else self.asks

    def opposite(self, side: str) -> BookSide:
        """The side that orders of `side` trade against."""
        return self.asks if side == BUY else self.bids

    def add(self, order: Order) -> None:
        """Rest an order."""
        self.side(order.side).add(order)
        order.on_book = True
        self._touch(order.side, order.price)

    def remove(self, order: Order) -> None:
        """Take a resting order out."""
        self.side(order.side).remove(order)
        order.on_book = False
        self._touch(order.side, order.price)

    def take(self, order: Order, quantity: Decimal) -> None:
        """Tell the book that `quantity` of a resting order was executed (already booked on the order)."""
        self.side(order.side).take(order, quantity)
        if not order.remaining:
            order.on_book = False
        self._touch(order.side, order.price)

    def next_maker(self, side: str, limit: Decimal | None) -> Order | None:
        """Who an order of `side` would trade with first: the best price, and in it the oldest order.

        Args:
            side: of the incoming order.
            limit: worst price that it accepts; None for a market order.
        """
        makers = self.opposite(side)
        price = makers.best
        if price is None or not crosses(side, limit, price):
            return None
        level = makers.level(price)
        return next(iter(level.orders.values())) if level else None

    def cost(self, side: str, limit: Decimal | None, quantity: Decimal) -> tuple[Decimal, Decimal]:
        """What an order could execute now.

        Returns:
            Quantity available up to `quantity` within `limit`, and what it costs in the quote asset.
        """
        filled = spent = ZERO
        makers = self.opposite(side)
        for price in makers.prices():
            if filled == quantity or not crosses(side, limit, price):
                break
            level = makers.level(price)
            here = min(level.total if level else ZERO, quantity - filled)
            filled += here
            spent += here * price
        return filled, spent

    def quantity_for(self, side: str, quote: Decimal, step: Decimal) -> Decimal:
        """Quantity in whole steps that `quote` of the quote asset buys (or that is sold to receive it)."""
        quantity = ZERO
        makers = self.opposite(side)
        for price in makers.prices():
            level = makers.level(price)
            total = level.total if level else ZERO
            here = total if total * price <= quote else quote // (price * step) * step
            quantity += here
            quote -= here * price
            if here < total:
                break
        return quantity

    def depth(self, limit: int) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        """Bids and asks as (price, quantity), best first, at most `limit` levels each."""
        return _levels(self.bids, limit), _levels(self.asks, limit)

    def drain_changes(self) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        """Levels touched since the last call with their quantity now (0: gone), bids and asks."""
        bids = [(price, _total(self.bids, price)) for price in sorted(self._changed_bids, reverse=True)]
        asks = [(price, _total(self.asks, price)) for price in sorted(self._changed_asks)]
        self._changed_bids.clear()
        self._changed_asks.clear()
        return bids, asks

    def _touch(self, side: str, price: Decimal) -> None:
        self.update_id += 1
        (self._changed_bids if side == BUY else self._changed_asks).add(price)


def crosses(side: str, limit: Decimal | None, price: Decimal) -> bool:
    """Whether an order of `side` with this limit (None: any price) trades at `price`."""
    return limit is None or (price <= limit if side == BUY else price >= limit)


def other(side: str) -> str:
    """The opposite side."""
    return SELL if side == BUY else BUY


def _total(side: BookSide, price: Decimal) -> Decimal:
    level = side.level(price)
    return level.total if level else ZERO


def _levels(side: BookSide, limit: int) -> list[tuple[Decimal, Decimal]]:
    found: list[tuple[Decimal, Decimal]] = []
    for price in side.prices():
        if len(found) == limit:
            break
        found.append((price, _total(side, price)))
    return found
