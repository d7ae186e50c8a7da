"""A model of venue, network and disk in virtual time, to drive the real order path through bad weather.

The network loses, delays, duplicates and reorders; the process can die at any moment, and then keeps what was
durable and nothing else. The model venue is the truth that the tests judge by.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import selectors
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.trader.support import BTC
from trader.journal import Journal, Snapshot, storage, tables
from trader.journal.journal import _orders as orders_where
from trader.journal.records import Record
from trader.model.identifiers import client_id
from trader.model.orders import ZERO, Order, asset_changes
from trader.model.transitions import Signal
from trader.model.values import Fill, Instrument, OrderKind, OrderReport, Side
from trader.orders import manager as manager_module
from trader.orders import resolution
from trader.venue.interface import Found, Lookup, Placement, VenueError
from trader.venue.outcomes import Outcome

HOST, EPOCH = "trader-01", 1
BASE_MS = 1_800_000_000_000
WINDOW_MS = 5_000
TIMEOUT_SECONDS = 2.0
MARKET_PRICE = Decimal(60_000)


class _Idle(selectors.DefaultSelector):
    """Never waits: when nothing is ready, the clock jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everybody waits for something that never comes"
            self.now += max(timeout, 0.0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only by waiting."""

    def __init__(self) -> None:
        self._idle = _Idle()
        super().__init__(self._idle)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._idle.now


@contextmanager
def virtual_clock(loop: VirtualLoop) -> Iterator[None]:
    """Let the order path stamp its requests with the loop's time."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (manager_module, resolution):
            patch.setattr(module, "now_ms", lambda: clock_ms(loop))
        yield


def clock_ms(loop: asyncio.AbstractEventLoop) -> int:
    return BASE_MS + int(loop.time() * 1_000)


@dataclass(frozen=True)
class Weather:
    """What the network does: shares of 0..1 and the longest delay of a message."""

    loss: float = 0.0
    delay_seconds: float = 0.0
    duplication: float = 0.0
    refusal: float = 0.0
    garbling: float = 0.0


CALM = Weather()


@dataclass
class VenueOrder:
    """An order as the venue holds it."""

    order_id: str
    client_id: str
    side: Side
    quantity: Decimal
    signal: Signal
    fills: list[Fill] = field(default_factory=list)

    @property
    def filled(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills), ZERO)

    @property
    def open(self) -> bool:
        return self.signal in (Signal.OPENED, Signal.PARTLY_FILLED)

    def report(self, *fills: Fill) -> OrderReport:
        return OrderReport(self.client_id, self.order_id, BTC.symbol, self.signal, self.filled, fills)


class ModelVenue:
    """Implements `Venue`. `listener` gets the stream; it is replaced when the process dies."""

    recv_window_ms = WINDOW_MS

    def __init__(self, loop: VirtualLoop, seed: int) -> None:
        self._loop = loop
        self._random = random.Random(seed)
        self._ids = itertools.count(1)
        self.weather = CALM
        self.instruments: dict[str, Instrument] = {BTC.symbol: BTC}
        self.requests: Counter[str] = Counter()
        self.orders: dict[str, VenueOrder] = {}
        self.held = {"USDT": Decimal(1_000_000), "BTC": Decimal(100)}
        self.before_wire: Callable[[str], None] = lambda client_id: None
        self.on_order: Callable[[OrderReport], object] = lambda report: None
        self.on_fill: Callable[[Fill], object] = lambda fill: None
        self.generation = 0

    # -- what happens at the venue

    def accept(self, order: Order) -> None:
        """Take an order; a market order fills at once, a limit order sometimes in part."""
        placed = VenueOrder(str(next(self._ids)), order.client_id, order.side, order.quantity, Signal.OPENED)
        self.orders[order.client_id] = placed
        self._tell(placed)
        if order.kind is OrderKind.MARKET:
            self.trade(placed, placed.quantity)
        elif self._random.random() < 0.3:
            self.trade(placed, placed.quantity / 2)

    def trade(self, order: VenueOrder, quantity: Decimal) -> None:
        """Fill some of an open order."""
        quantity = min(quantity, order.quantity - order.filled)
        fill = Fill(
            BTC.symbol, str(next(self._ids)), order.order_id, order.side, quantity, MARKET_PRICE,
            quantity / 1_000, "BTC", clock_ms(self._loop),
        )  # fmt: skip
        order.fills.append(fill)
        order.signal = Signal.FILLED if order.filled == order.quantity else Signal.PARTLY_FILLED
        for asset, amount in asset_changes(fill, BTC).items():
            self.held[asset] += amount
        self._tell(order, fill)

    def end(self, order: VenueOrder, signal: Signal) -> None:
        """Cancel or expire an open order."""
        order.signal = signal
        self._tell(order)

    def _tell(self, order: VenueOrder, fill: Fill | None = None) -> None:
        report, generation = order.report(), self.generation

        def deliver() -> None:
            if generation == self.generation:
                self.on_order(report)

        def deliver_fill() -> None:
            if generation == self.generation and fill is not None:
                self.on_fill(fill)

        for message in (deliver, deliver_fill):
            if self._random.random() < self.weather.loss:
                continue
            copies = 2 if self._random.random() < self.weather.duplication else 1
            for _ in range(copies):
                self._loop.call_later(self._delay(), message)

    def _delay(self) -> float:
        return self._random.random() * self.weather.delay_seconds

    def _lost(self) -> bool:
        return self._random.random() < self.weather.loss

    # -- what the service asks

    async def connect(self) -> None:
        """Always there."""

    async def place(self, order: Order) -> Placement:
        """The request may arrive late or never, and so may its answer."""
        self.before_wire(order.client_id)
        self.requests[order.client_id] += 1
        sent_ms = clock_ms(self._loop)
        answer: asyncio.Future[Placement] = self._loop.create_future()

        def reach(reply: Placement) -> None:
            if not answer.done():
                answer.set_result(reply)

        def arrive() -> None:
            reply = self._answer_place(order, sent_ms)
            if not self._lost():
                self._loop.call_later(self._delay(), reach, reply)

        if not self._lost():
            self._loop.call_later(self._delay(), arrive)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await answer
        except TimeoutError as error:
            return Placement(Outcome.UNKNOWN, error=error)

    def _answer_place(self, order: Order, sent_ms: int) -> Placement:
        late = clock_ms(self._loop) - sent_ms > WINDOW_MS
        if late or self._random.random() < self.weather.refusal:
            return Placement(Outcome.NOT_PLACED, error=VenueError("refused"))
        self.accept(order)
        placed = self.orders[order.client_id]
        if self._random.random() < self.weather.garbling:
            outcome = self._random.choice([Outcome.UNKNOWN, Outcome.PLACED_BEFORE])
            return Placement(outcome, error=VenueError("garbled"))
        return Placement(Outcome.ACKNOWLEDGED, report=placed.report(*placed.fills))

    async def cancel(self, order: Order) -> Lookup:
        """The same for a cancel."""
        return await self._ask(lambda: self._answer_cancel(order))

    def _answer_cancel(self, order: Order) -> Lookup:
        held = self.orders.get(order.client_id)
        if held is None or not held.open:
            return Lookup(Found.ABSENT, error=VenueError("unknown order"))
        self.end(held, Signal.CANCELED)
        return Lookup(Found.FOUND, report=held.report())

    async def lookup(self, order: Order) -> Lookup:
        """The answer is as old as its way back is long."""

        def answer() -> Lookup:
            held = self.orders.get(order.client_id)
            if held is None:
                return Lookup(Found.ABSENT, error=VenueError("no such order"))
            return Lookup(Found.FOUND, report=held.report())

        return await self._ask(answer)

    async def _ask(self, answer: Callable[[], Lookup]) -> Lookup:
        await asyncio.sleep(self._delay())
        if self._lost():
            return Lookup(Found.FAILED, error=VenueError("lost"))
        result = answer()
        await asyncio.sleep(self._delay())
        return Lookup(Found.FAILED, error=VenueError("lost")) if self._lost() else result

    async def _query(self, answer: Callable[[], Any]) -> Any:
        await asyncio.sleep(self._delay())
        if self._lost():
            raise VenueError("lost")
        return answer()

    async def open_orders(self) -> list[OrderReport]:
        found: list[OrderReport] = await self._query(
            lambda: [order.report() for order in self.orders.values() if order.open]
        )
        return found

    async def trades(self, symbol: str, after: str | None) -> list[Fill]:
        def answer() -> list[Fill]:
            fills = [fill for order in self.orders.values() for fill in order.fills]
            fills.sort(key=lambda fill: int(fill.trade_id))
            return fills[-1:] if after is None else [f for f in fills if int(f.trade_id) > int(after)]

        found: list[Fill] = await self._query(answer)
        return found

    async def balances(self) -> dict[str, Decimal]:
        held: dict[str, Decimal] = await self._query(lambda: dict(self.held))
        return held

    async def positions(self) -> dict[str, Decimal]:
        return {}

    async def time_ms(self) -> int:
        now_ms: int = await self._query(lambda: clock_ms(self._loop))
        return now_ms

    async def cancel_stranger(self, report: OrderReport) -> None:
        raise VenueError("there are no strangers here")

    async def close(self) -> None:
        """Nothing to close."""


class ModelJournal:
    """The journal's promises without its thread: `append` is durable when it returns, `later` after a while.

    A crash keeps the durable records; the snapshot after it is made by the real fold into real tables.
    """

    LAG_SECONDS = 0.02

    def __init__(self, loop: VirtualLoop, durable: list[Record], used: int) -> None:
        self._loop = loop
        self._durable = durable
        self._queued: list[Record] = []
        self._sequence = used

    @property
    def durable(self) -> list[Record]:
        return self._durable

    @property
    def used(self) -> int:
        return self._sequence

    def next_client_id(self) -> str:
        self._sequence += 1
        return client_id(HOST, EPOCH, self._sequence)

    def append(self, record: Record) -> asyncio.Future[None]:
        future: asyncio.Future[None] = self._loop.create_future()
        self._queued.append(record)

        def commit() -> None:
            self._flush()
            if not future.done():
                future.set_result(None)

        self._loop.call_later(0.001, commit)
        return future

    def later(self, record: Record) -> None:
        self._queued.append(record)
        self._loop.call_later(self.LAG_SECONDS, self._flush)

    def _flush(self) -> None:
        self._durable += self._queued
        self._queued = []

    async def find(self, *, client_id: str | None = None, venue_order_id: str | None = None) -> Order | None:
        """From the real tables, as they would be with what is queued: the writer works in order."""
        self._flush()
        column, value = ("client_id", client_id) if client_id else ("venue_order_id", venue_order_id)
        found = orders_where(self._tables(), f"{column} = ?", (value,))
        return found[0] if found else None

    def snapshot(self) -> Snapshot:
        return Journal(Path("model"), self._tables(), -1, HOST, EPOCH).snapshot()

    def _tables(self) -> apsw.Connection:
        connection = apsw.Connection(":memory:")
        tables.create(connection)
        storage.fold(connection, self._durable, len(self._durable))
        return connection

    def crash(self) -> list[Record]:
        """What a dead process leaves."""
        self._queued = []
        return self._durable
