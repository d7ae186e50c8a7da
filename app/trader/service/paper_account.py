"""The account on paper, as a kill sees it: what rests there is ours, and has our names."""

from collections.abc import Sequence

from trader.orders.manager import OrderManager
from trader.venue.account_orders import Cancel, Listed, OpenOrder, Request
from trader.venue.interface import Venue


class PaperAccount:
    """See `Account`; nothing is sent to the real venue."""

    def __init__(self, venue: Venue, manager: OrderManager) -> None:
        self._venue = venue
        self._manager = manager

    async def open_orders(self, patience_seconds: float) -> Listed:
        reports = await self._venue.open_orders()
        return Listed([OpenOrder(one.symbol, one.venue_order_id, one.client_id) for one in reports])

    def cancels(self, orders: Sequence[OpenOrder]) -> list[Cancel]:
        return [self.one(order) for order in orders]

    def one(self, order: OpenOrder) -> Cancel:
        return Cancel(Request("paper", order.name), (order,))

    def blind(self, symbols: Sequence[str]) -> list[Cancel]:
        return []

    async def send(self, cancel: Cancel, patience_seconds: float) -> bool:
        for order in cancel.orders:
            await self._manager.cancel(order.name)
        return True

    def forget(self) -> None:
        """Nothing is kept."""
