"""What a kill has done so far, for status, the command and the event. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from trader.model.orders import Order
from trader.model.transitions import WORKING, OrderState
from trader.venue.account_orders import Listed, OpenOrder

NAMED = 20


@dataclass(slots=True)
class KillProgress:
    """From a trip to the venue's second zero.

    Args:
        began: monotonic seconds.
        ours: the orders that this process held for open or in flight when it began.

    Attributes:
        listed: every order that the venue has listed.
        left: those of its last list, and of the one before where the last was not whole; None = it has listed
            nothing yet.
        gone: listed ones that it no longer knew when they were to be cancelled.
        zeros: lists in a row that were empty, with nothing of ours in flight.
        seconds: how long it has taken, or took.
        problem: what failed last; "" = nothing.
        flattened: what became of the positions; "" = they are left alone.
    """

    began: float
    ours: tuple[Order, ...] = ()
    listed: set[OpenOrder] = field(default_factory=set)
    left: list[OpenOrder] | None = None
    gone: set[OpenOrder] = field(default_factory=set)
    zeros: int = 0
    seconds: float = 0.0
    problem: str = ""
    flattened: str = ""

    @property
    def verified(self) -> bool:
        return self.zeros >= 2

    def saw(self, listed: Listed) -> None:
        """One list of the venue's."""
        self.listed |= set(listed.orders)
        if listed.whole:
            self.left = listed.orders
            return
        self.problem = listed.missing
        left = list(dict.fromkeys([*(self.left or ()), *listed.orders]))
        self.left = left or self.left  # a list that is cut off proves no zero

    def took_in(self, order: Order) -> None:
        """An order of ours that was in flight when it began."""
        if order not in self.ours:
            self.ours = (*self.ours, order)

    def fields(self) -> dict[str, Any]:
        """JSON-ready; `open_orders` is null when the venue has not told yet.

        Somebody else's order that was cancelled before a list showed it is in no count.
        """
        left = self.left
        ids = {order.order_id for order in self.listed}
        unlisted = [order for order in self.ours if order.venue_order_id not in ids]
        ended_here = _count(unlisted, OrderState.CANCELED)
        if left == []:  # ended too; the stream has not told how, most likely by us
            ended_here += _count(unlisted, *WORKING)
        gone = len(self.gone) + _count(unlisted, OrderState.FILLED, OrderState.EXPIRED)
        waiting = 0 if left is None else len(left)
        return {
            "open_orders": None if left is None else len(left),
            "cancelled": max(0, len(self.listed) - len(self.gone) - waiting) + ended_here,
            "already_gone": gone,
            "failed": [str(order) for order in (left or [])[:NAMED]],
            "seconds": round(self.seconds, 3),
            "verified_twice": self.verified,
        }


def _count(orders: Iterable[Order], *states: OrderState) -> int:
    return sum(order.state in states for order in orders)
