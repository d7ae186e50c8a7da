"""A kill without a venue: the real latch, switch and killer on a model account that can answer badly."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from tests.venue_sim.support import eventually
from trader.kill_switch import Latch, ProvenFlat
from trader.kill_switch.latch import FILE_NAME
from trader.orders.book import OrderBook
from trader.orders.gate import Gate
from trader.service.kill import KillSwitch
from trader.service.killer import Killer
from trader.service.pulse import Pulse
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics
from trader.venue.account_orders import Cancel, Listed, OpenOrder, Request
from trader.venue.interface import VenueError


class ModelAccount:
    """Implements `Account` on a set of open orders; cancels go by market.

    Attributes:
        lists, sent: what it was asked, in order.
        missing: which list fails, by its market's name; "*" = all.
        refuse: what a cancel meets before it is done; raises, waits, or returns whether it is ignored.
        between: called after each list, with its number from 1 on.
        answer: a list waits for it.
    """

    def __init__(self, *orders: OpenOrder) -> None:
        self.open = list(orders)
        self.lists: list[list[OpenOrder]] = []
        self.sent: list[str] = []
        self.missing = ""
        self.refuse: Callable[[str], Any] = lambda what: None
        self.between: Callable[[int], None] = lambda number: None
        self.answer = asyncio.Event()
        self.answer.set()
        self.forgotten = 0

    async def open_orders(self, patience_seconds: float) -> Listed:
        await self.answer.wait()
        await asyncio.sleep(0)
        shown = [order for order in self.open if self.missing not in ("*", order.market)]
        self.lists.append(shown)
        self.between(len(self.lists))
        return Listed(shown, f"no list of {self.missing}" if self.missing else "")

    def cancels(self, orders: Sequence[OpenOrder]) -> list[Cancel]:
        markets = dict.fromkeys(order.market for order in orders)
        return [
            Cancel(Request("all", market), tuple(o for o in orders if o.market == market))
            for market in markets
        ]

    def one(self, order: OpenOrder) -> Cancel:
        return Cancel(Request("one", order.order_id), (order,))

    def blind(self, symbols: Sequence[str]) -> list[Cancel]:
        return [Cancel(Request("all", symbol.replace("/", ""))) for symbol in symbols]

    async def send(self, cancel: Cancel, patience_seconds: float) -> bool:
        request = cancel.request
        what = f"{request.method} {request.params}"
        self.sent.append(what)
        await asyncio.sleep(0)
        answer = self.refuse(what)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return True  # and nothing is done
        hit = [order for order in self.open if request.params in (order.market, order.order_id)]
        self.open = [order for order in self.open if order not in hit]
        return bool(hit)

    def forget(self) -> None:
        self.forgotten += 1


def busy(what: str) -> None:
    raise VenueError(f"{what}: busy")


class KillHouse:
    """The switch and the killer, running; `cancelled_by_name` is what went the way of orders."""

    def __init__(self, folder: Path, account: ModelAccount, flatten: Any = None) -> None:
        self.account, self.book, self.out = account, OrderBook(), io.StringIO()
        self.metrics, events = Metrics(), Events(self.out)
        self.latch = Latch.load(folder / FILE_NAME, has_traded=False)
        self.gate = Gate(lambda state, reasons: None, "start", lambda: self.switch.why())
        journal: Any = _NoJournal()
        self.switch = KillSwitch(self.latch, journal, self.gate, self.metrics, events, Pulse(), 30.0)
        self.gate.clear("start")
        self.settled = 0
        self.cancelled_by_name: list[str] = []
        self.killer = Killer(
            self.switch, account, ["BTC/USDT"], self.book, self._cancel_own, self.metrics, events,
            settle=self._settle, flatten=flatten,
        )  # fmt: skip

    def _settle(self) -> None:
        self.settled += 1

    async def _cancel_own(self, client_id: str) -> None:
        self.cancelled_by_name.append(client_id)

    def pull(self) -> None:
        self.switch.trip("ann", "looks wrong", "manual")

    async def rearm(self) -> None:
        await self.switch.rearm("ann", "fine", ProvenFlat(0, time.monotonic()))

    def told(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.out.getvalue().splitlines()]
        return [line for line in lines if line["event"] == event]

    @property
    def fields(self) -> dict[str, Any]:
        progress = self.killer.progress
        assert progress is not None
        return progress.fields()

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        await eventually(condition, what)

    async def verified(self) -> dict[str, Any]:
        """Wait until the venue has said zero twice, by the report."""
        reports = ("kill_finished", "kill_cleared_again")
        count = sum(len(self.told(name)) for name in reports)
        await self.until(lambda: sum(len(self.told(n)) for n in reports) > count, "the second zero")
        return self.fields


class _NoJournal:
    error = None

    def append(self, record: Any) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


@contextlib.asynccontextmanager
async def running(folder: Path, account: ModelAccount, flatten: Any = None) -> AsyncIterator[KillHouse]:
    """A house whose killer runs; what it raises fails the test."""
    house = KillHouse(folder, account, flatten)
    work = asyncio.create_task(house.killer.run())
    await asyncio.sleep(0)
    try:
        yield house
        assert not work.done() or work.exception() is None
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
