"""The requests of one kill: lists of the whole account, and the cancels that they call for."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any

from trader.service.kill_progress import KillProgress
from trader.venue.account_orders import Cancel, Listed, OpenOrder
from trader.venue.interface import VenueError
from trader.venue.whole_account import Account

FIRST_PATIENCE_SECONDS, LONGEST_PATIENCE_SECONDS = 1.5, 10.0
BLIND_AFTER_SECONDS = 0.05  # an order that is gone before it was listed is in no count
TURN_SECONDS = 0.5  # so long a turn waits for its cancels; one that hangs must not hold up the next list
ALONE_FROM = 3  # from its third list on an order is cancelled by its own id too


class KillRun:
    """Turn by turn. A cancel is not sent twice at a time, and again for as long as what it is for is listed.

    Attributes:
        progressed: whether the last list was shorter than the one before, or the first.
    """

    def __init__(self, account: Account, progress: KillProgress) -> None:
        self._account = account
        self._progress = progress
        self._patience = FIRST_PATIENCE_SECONDS
        self._lists_with: dict[OpenOrder, int] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._fresh: set[str] = set()  # answered since the present list was asked for: it may not show that
        self._cancelled: set[OpenOrder] = set()
        self._failed = False
        self.progressed = False

    async def turn(self, blind: Iterable[Cancel]) -> Listed:
        """List what is open, and cancel it.

        Args:
            blind: cancels that need no list; sent when it is late, or not whole.

        Returns:
            What the venue listed, before the cancels that follow from it.
        """
        self._fresh.clear()
        listing = asyncio.ensure_future(self._account.open_orders(self._patience))
        await asyncio.wait({listing}, timeout=BLIND_AFTER_SECONDS)
        if not listing.done() or not listing.result().whole:
            self._start(blind)
        listed = await listing
        before = self._progress.left
        self.progressed = listed.whole and (before is None or len(listed.orders) < len(before))
        self._progress.saw(listed)
        for order in listed.orders:
            self._lists_with[order] = self._lists_with.get(order, 0) + 1
        stubborn = [order for order in listed.orders if self._lists_with[order] >= ALONE_FROM]
        self._start([*self._account.cancels(listed.orders), *map(self._account.one, stubborn)])
        await self._answers()
        if self._failed or not listed.whole:
            self._failed = False
            self._patience = min(2 * self._patience, LONGEST_PATIENCE_SECONDS)
        return listed

    def beside(self, name: str, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do something beside the cancels, unless what goes by that name is under way."""
        if name not in self._under_way:
            self._under_way[name] = asyncio.create_task(act(), name=f"cancel {name}")

    async def stop(self) -> None:
        """Wait for no answer any more."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, cancels: Iterable[Cancel]) -> None:
        for cancel in cancels:
            name = str(cancel.request)
            if name not in self._fresh:
                self.beside(name, partial(self._send, cancel, name))

    async def _answers(self) -> None:
        """Wait for those under way, but not for long.

        Raises:
            Exception: one has failed by a mistake of ours, not of the venue's or of the network's.
        """
        if self._under_way:
            await asyncio.wait(self._under_way.values(), timeout=TURN_SECONDS)
        for name, task in list(self._under_way.items()):
            if task.done():
                del self._under_way[name]
                task.result()

    async def _send(self, cancel: Cancel, name: str) -> None:
        try:
            taken = await self._account.send(cancel, self._patience)
        except VenueError as error:
            self._progress.problem = str(error)
            self._failed = True
            return
        self._fresh.add(name)
        if taken:
            self._cancelled |= set(cancel.orders)
        else:  # what an earlier cancel of ours has ended is not known any more either
            self._progress.gone |= set(cancel.orders) - self._cancelled
