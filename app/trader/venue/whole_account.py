"""Lists and cancels everything of an account, before every other request: what the kill switch needs.

A cancel of all is one that may be sent again: it is not an order, and the second one finds nothing.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Protocol

from trader.venue.account_orders import ACCOUNT_ORDERS, PAGES, Cancel, Listed, Listing, OpenOrder, Request
from trader.venue.budget import LIMITED, Priority
from trader.venue.endpoints import Endpoint
from trader.venue.interface import VenueError, describe
from trader.venue.outcomes import is_absent
from trader.venue.request_errors import REQUEST_ERRORS
from trader.venue.slim_ccxt import errors
from trader.venue.wire import asking


class Account(Protocol):
    """Whose orders a kill cancels: the account at the venue, or the one on paper."""

    async def open_orders(self, patience_seconds: float) -> Listed:
        """Every open order: normal and conditional, on every symbol, whoever placed it.

        What comes within `patience_seconds` is told, also when a part of it does not: it can be cancelled.
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

    def forget(self) -> None:
        """The kill is over, or trading goes on."""


class WholeAccount:
    """The account of a ccxt instance's key; see `Account`.

    A clock that the venue calls wrong is corrected by the venue's own for as long as a kill lasts: a host
    whose time has jumped must not lose its cancels. Orders never go by it, because the proof that a lost one
    is absent counts by our clock; who checks the clocks keeps trading halted then.
    """

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange
        self._way = ACCOUNT_ORDERS[exchange.id]
        self._free = asyncio.Semaphore(self._way.together)
        self._clock = asyncio.Lock()
        self._clock_set_at = 0.0
        self._own_clock = exchange.options.get("timeDifference", 0)

    async def open_orders(self, patience_seconds: float) -> Listed:
        lists = await asyncio.gather(*(self._list(one, patience_seconds) for one in self._way.listings))
        orders = [order for found, _ in lists for order in found]
        return Listed(orders, "; ".join(missing for _, missing in lists if missing))

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

    def forget(self) -> None:
        if self._clock_set_at:
            self._exchange.options["timeDifference"] = self._own_clock
            self._clock_set_at = 0.0

    async def _list(self, listing: Listing, patience_seconds: float) -> tuple[list[OpenOrder], str]:
        """What of one list came, and why not all of it."""
        found: dict[OpenOrder, None] = {}
        try:
            async with asyncio.timeout(patience_seconds):
                await self._pages(listing, found)
        except REQUEST_ERRORS as error:
            return list(found), f"{listing.request.method}: {describe(error)}"
        return list(found), ""

    async def _pages(self, listing: Listing, found: dict[OpenOrder, None]) -> None:
        request = listing.request
        for _ in range(PAGES):
            with asking(Endpoint.OPEN_ORDERS_ALL, Priority.KILL):
                answer = await self._ask(request)
            page = listing.page(answer)
            new = [order for order in page if order not in found]
            found |= dict.fromkeys(new)
            more = listing.more(answer, page) if new else None
            if more is None:
                return
            request = Request(request.method, {**listing.request.params, **more})
        raise ValueError(f"more than {PAGES} pages")

    async def _ask(self, request: Request) -> Any:
        """Again while the venue says 429: that proves that nothing was done, and the budget paces."""
        while True:
            began = time.monotonic()
            try:
                async with self._free:
                    return await getattr(self._exchange, request.method)(request.params)
            except REQUEST_ERRORS as error:
                if isinstance(error, errors.InvalidNonce):
                    await self._set_clock(began)
                if getattr(error, "http_status", None) != LIMITED:
                    raise

    async def _set_clock(self, began: float) -> None:
        """Take the venue's time for ours; requests that began before that fail once more and no further."""
        if self._way.together == 1:
            return  # there the nonce is a counter: to set it back would make every further request wrong
        async with self._clock:
            if self._clock_set_at <= began:
                with asking(Endpoint.TIME, Priority.KILL):
                    await self._exchange.load_time_difference()
                self._clock_set_at = time.monotonic()
