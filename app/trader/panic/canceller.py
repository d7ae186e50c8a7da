"""The loop: list what is open, cancel it, look again, until the venue has said zero twice."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from trader.panic.line import KeyRefusedError, Line
from trader.panic.ways import Cancel, Listing, Open, Request, Way
from trader.panic.zeros import Zeros
from trader.telemetry.events import Events
from trader.venue.slim_ccxt import errors

BLIND_AFTER_SECONDS = 0.25
"""How long lists may be missing before what needs no list is cancelled. Not at once, because an order that is
gone before it was listed is in no count."""
LOOK_SECONDS = 1.0  # between two looks while nothing is open
FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 0.05, 1.0
ALONE_FROM = 3  # from its third list on an order is cancelled by its own id too


class Canceller:
    """Cancels everything of one account.

    Args:
        exchange: ccxt's instance.
        symbols: those of the settings, in ccxt's form.
        window_seconds: how long a request may be on its way.

    Attributes:
        seen: every order that a list, or the answer to a cancel, showed.
        left: what the last look showed; None = the venue has not listed anything in whole yet.
        answered: orders whose cancel was answered well.
        gone: orders that the venue did not know any more when they were to be cancelled.
        last_error: of the last request that failed; "" = none did.
    """

    def __init__(
        self,
        exchange: Any,
        way: Way,
        line: Line,
        events: Events,
        symbols: Sequence[str],
        window_seconds: float,
    ) -> None:
        self._exchange = exchange
        self._way = way
        self._line = line
        self._events = events
        self._symbols = symbols
        self._lists_with: dict[Open, int] = {}
        self._rests = 0
        self._began = 0.0
        self._listed = False
        self._blind: asyncio.Future[None] | None = None
        self.zeros = Zeros(window_seconds)
        self.seen: set[Open] = set()
        self.left: set[Open] | None = None
        self.answered: set[Open] = set()
        self.gone: set[Open] = set()
        self.last_error = ""

    async def run(self) -> None:
        """Go on until zero twice.

        Raises:
            KeyRefusedError: the venue does not take the key.
        """
        self._began = _now()
        while not self.zeros.proven:
            asked = _now()
            found, whole = await self._sweep()
            self.zeros.saw(len(found), whole, asked)
            if found or not whole:
                await self._rest()
            elif not self.zeros.proven:
                self._rests = 0
                wait = self.zeros.wait_seconds(_now())
                await asyncio.sleep(LOOK_SECONDS if wait is None else min(LOOK_SECONDS, wait))

    async def _sweep(self) -> tuple[set[Open], bool]:
        """List and cancel once; what was open, and whether every list was answered."""
        sweeping = asyncio.gather(*(self._sweep_one(listing) for listing in self._way.listings))
        if self._blind is None:
            self._blind = asyncio.ensure_future(self._cancel_blind(sweeping))
        lists = await sweeping
        found = {order for orders in lists if orders is not None for order in orders}
        whole = None not in lists
        if whole:
            self.left = found
        else:
            left = (self.left or set()) | found
            self.left = left or self.left
            missed = self._way.all_of(sorted(left - found, key=str))
            if _now() - self._began >= BLIND_AFTER_SECONDS:
                missed += self._way.blind(self._symbols)
            await asyncio.gather(*(self._send_cancel(cancel) for cancel in missed))
        return found, whole

    async def _sweep_one(self, listing: Listing) -> list[Open] | None:
        """Cancel what one list shows, without waiting for the others; None = it could not be had."""
        try:
            orders = await listing.all(lambda request: self._send("list", request))
        except KeyRefusedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the next look tries again
            self._failed(listing.request.method, error)
            return None
        self._listed = True
        self._take_in(orders)
        stubborn = [order for order in orders if self._lists_with[order] >= ALONE_FROM]
        cancels = [*self._way.all_of(orders), *(self._way.one(order) for order in stubborn)]
        await asyncio.gather(*(self._send_cancel(cancel) for cancel in cancels))
        return orders

    def _take_in(self, orders: list[Open]) -> None:
        new = [order for order in orders if order not in self.seen]
        self.seen |= set(new)
        for order in orders:
            self._lists_with[order] = self._lists_with.get(order, 0) + 1
        if new:
            symbols = sorted({order.symbol for order in new})
            self._events.emit("orders_found", "warning", count=len(new), symbols=symbols)

    async def _cancel_blind(self, sweeping: "asyncio.Future[Any]") -> None:
        """If the venue takes long to list for the first time: cancel what needs no list meanwhile."""
        await asyncio.wait([sweeping], timeout=BLIND_AFTER_SECONDS)
        if not self._listed and not sweeping.done():
            with suppress(KeyRefusedError):  # whoever lists hears the same
                await asyncio.gather(*(self._send_cancel(c) for c in self._way.blind(self._symbols)))

    async def _send_cancel(self, cancel: Cancel) -> None:
        what = cancel.request.method
        try:
            answer = await self._send("cancel", cancel.request)
            cancelled = cancel.cancelled(answer)
        except errors.OrderNotFound:
            self.gone |= set(cancel.orders)
        except KeyRefusedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the next look shows what is left
            self._failed(what, error)
        else:
            self.answered |= cancelled
            self.seen |= cancelled
            self._events.emit("cancel_sent", request=what, orders=len(cancelled))

    async def _send(self, kind: str, request: Request) -> Any:
        return await self._line.send(kind, lambda: request.send(self._exchange))

    def _failed(self, what: str, error: Exception) -> None:
        self.last_error = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        self._events.error("request_failed", error, request=what)

    async def _rest(self) -> None:
        """Look again at once the first time; then ever more slowly, for the venue's own sake."""
        if self._rests:
            await asyncio.sleep(min(FIRST_REST_SECONDS * 2 ** min(self._rests - 1, 10), LONGEST_REST_SECONDS))
        self._rests += 1


def _now() -> float:
    return asyncio.get_running_loop().time()
