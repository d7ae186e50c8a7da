"""Lists and cancels everything of an account, before every other request: what the kill switch needs.

A cancel of all is one that may be sent again: it is not an order, and the second one finds nothing.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from trader.venue.account_orders import ACCOUNT_ORDERS, PAGES, Cancel, Listing, OpenOrder, Request
from trader.venue.budget import Priority
from trader.venue.endpoints import Endpoint
from trader.venue.interface import VenueError, describe
from trader.venue.outcomes import is_absent
from trader.venue.request_errors import REQUEST_ERRORS
from trader.venue.wire import asking


class Account(Protocol):
    """Whose orders a kill cancels: the account at the venue, or the one on paper."""

    async def open_orders(self, patience_seconds: float) -> list[OpenOrder]:
        """Every open order: normal and conditional, on every symbol, whoever placed it.

        Raises:
            VenueError: a list is missing, or it took longer than `patience_seconds`; nothing is known then.
        """

    def cancels(self, orders: Sequence[OpenOrder]) -> list[Cancel]:
        """The fewest requests that cancel these."""

    def one(self, order: OpenOrder) -> Cancel:
        """Cancel a single one by its id."""

    def blind(self, symbols: Sequence[str]) -> list[Cancel]:
        """What can be cancelled on these symbols (in ccxt's form) without a list."""

    async def send(self, cancel: Cancel, patience_seconds: float) -> bool:
        """Ask once.

        Returns:
            Whether the venue has taken it; no: it knows no such order (any more).

        Raises:
            VenueError: it did not say so in time; the cancel may have been done all the same.
        """


class WholeAccount:
    """The account of a ccxt instance's key; see `Account`."""

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange
        self._way = ACCOUNT_ORDERS[exchange.id]
        self._free = asyncio.Semaphore(self._way.together)

    async def open_orders(self, patience_seconds: float) -> list[OpenOrder]:
        try:
            async with asyncio.timeout(patience_seconds):
                lists = await asyncio.gather(*(self._list(listing) for listing in self._way.listings))
        except REQUEST_ERRORS as error:
            raise VenueError(f"open orders: {describe(error)}") from error
        return [order for orders in lists for order in orders]

    def cancels(self, orders: Sequence[OpenOrder]) -> list[Cancel]:
        return list(self._way.cancels(orders))

    def one(self, order: OpenOrder) -> Cancel:
        return self._way.one(order)

    def blind(self, symbols: Sequence[str]) -> list[Cancel]:
        markets = [symbol.partition(":")[0].replace("/", "") for symbol in symbols]
        return [Cancel(request) for request in self._way.blind(markets)]

    async def send(self, cancel: Cancel, patience_seconds: float) -> bool:
        try:
            async with asyncio.timeout(patience_seconds):
                with asking(Endpoint.CANCEL_ALL, Priority.KILL):
                    await self._ask(cancel.request)
        except REQUEST_ERRORS as error:
            if is_absent(error, self._exchange.id):
                return False
            raise VenueError(f"{cancel.request.method}: {describe(error)}") from error
        return True

    async def _list(self, listing: Listing) -> list[OpenOrder]:
        found: dict[OpenOrder, None] = {}
        request = listing.request
        for _ in range(PAGES):
            with asking(Endpoint.OPEN_ORDERS_ALL, Priority.KILL):
                answer = await self._ask(request)
            page = listing.page(answer)
            new = [order for order in page if order not in found]
            found |= dict.fromkeys(new)
            more = listing.more(answer, page) if new else None
            if more is None:
                return list(found)
            request = Request(request.method, {**listing.request.params, **more})
        raise ValueError(f"{request.method}: more than {PAGES} pages")

    async def _ask(self, request: Request) -> Any:
        async with self._free:
            return await getattr(self._exchange, request.method)(request.params)
