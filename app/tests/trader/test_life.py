"""The order path against a venue, a network and a process that fail in every order that can be thought of.

Judged by the model venue: nothing is sent twice (I1), no order is there without a durable intent (I2), what
has ended stays ended (I3), every lost answer is resolved (I4), position and balances are the venue's (I5).
"""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.trader.parts import Parts
from tests.trader.simulation import (
    CALM,
    EPOCH,
    HOST,
    ModelJournal,
    ModelVenue,
    VirtualLoop,
    Weather,
    virtual_clock,
)
from tests.trader.support import BTC
from trader.journal.records import Kind
from trader.model.intents import Place
from trader.model.orders import ZERO
from trader.model.transitions import FINAL, OrderState, Signal
from trader.model.values import OrderKind, Side
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics
from trader.venue.interface import VenueError

STEPS, RUNS = 50, 400
QUANTITY = Decimal("0.01")
SHARES = st.sampled_from([0.0, 0.1, 0.4])
SAME = {
    Signal.OPENED: {OrderState.OPEN},
    Signal.PARTLY_FILLED: {OrderState.PARTIALLY_FILLED},
    Signal.FILLED: {OrderState.FILLED},
    Signal.CANCELED: {OrderState.CANCELED},
    Signal.EXPIRED: {OrderState.EXPIRED},
}
METRICS = Metrics()


class Silent(Events):
    """Twenty thousand steps need no lines."""

    def emit(self, event: str, level: str = "info", **fields: Any) -> None:
        """Nothing."""


class Process:
    """One life of the service's order path, on what the one before left."""

    def __init__(self, venue: ModelVenue, journal: ModelJournal) -> None:
        self.journal = journal
        snapshot = journal.snapshot()
        parts = Parts(journal, venue, snapshot, host=HOST, metrics=METRICS, events=Silent())
        self.gate, self.manager, self.resolver = parts.gate, parts.manager, parts.resolver
        self.reconciler = parts.reconciler
        parts.quote()
        self.manager.load(snapshot)
        self.tasks: set[asyncio.Task[Any]] = set()
        self.errors: list[BaseException] = []
        self.ended: dict[str, OrderState] = {}

    def spawn(self, work: Any) -> None:
        task = asyncio.get_event_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.errors.append(error)

    async def reconcile(self) -> bool:
        try:
            report = await self.reconciler.run()
        except VenueError:
            return False
        if report.clean:
            self.gate.clear("start")
        return report.clean

    async def die(self) -> None:
        """SIGKILL: nothing of it runs on."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.resolver.stop()


class Life(RuleBasedStateMachine):
    """What can happen, in any order."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.loop = VirtualLoop()
        asyncio.set_event_loop(self.loop)
        self.clock = virtual_clock(self.loop)
        self.clock.__enter__()
        self.venue = ModelVenue(self.loop, seed)
        self.process = Process(self.venue, ModelJournal(self.loop, [], 0))
        self.listen()
        assert self.do(self.process.reconcile())

    def listen(self) -> None:
        self.venue.on_order = self.process.manager.report
        self.venue.on_fill = self.process.manager.fill
        self.venue.before_wire = self.intent_is_durable

    def intent_is_durable(self, client_id: str) -> None:
        durable = self.process.journal.durable
        assert any(r.kind is Kind.INTENT and r.body["client_id"] == client_id for r in durable), "I2"

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    @rule(
        loss=SHARES,
        delay=st.sampled_from([0.0, 0.5, 3.0, 8.0]),
        duplication=SHARES,
        refusal=SHARES,
        garbling=SHARES,
    )
    def weather(self, loss: float, delay: float, duplication: float, refusal: float, garbling: float) -> None:
        self.venue.weather = Weather(loss, delay, duplication, refusal, garbling)

    @rule(count=st.integers(1, 4), side=st.sampled_from(Side), kind=st.sampled_from(OrderKind))
    def place(self, count: int, side: Side, kind: OrderKind) -> None:
        away = 10 * side.sign  # our own two sides never meet
        price = None if kind is OrderKind.MARKET else Decimal(60_000 - away)
        intent = Place(BTC.symbol, side, kind, QUANTITY, price, time.monotonic_ns())
        for _ in range(count):
            self.process.spawn(self.process.manager.place(intent))

    @precondition(lambda self: self.process.manager.book.working())
    @rule(data=st.data())
    def cancel(self, data: Any) -> None:
        order = data.draw(st.sampled_from(self.process.manager.book.working()))
        self.process.spawn(self.process.manager.cancel(order.client_id))

    @precondition(lambda self: any(order.open for order in self.venue.orders.values()))
    @rule(data=st.data(), what=st.sampled_from(["part", "all", "cancel", "expire"]))
    def the_venue_moves(self, data: Any, what: str) -> None:
        order = data.draw(st.sampled_from([o for o in self.venue.orders.values() if o.open]))
        match what:
            case "part":
                self.venue.trade(order, order.quantity / 4)
            case "all":
                self.venue.trade(order, order.quantity)
            case "cancel":
                self.venue.end(order, Signal.CANCELED)
            case "expire":
                self.venue.end(order, Signal.EXPIRED)

    @rule(seconds=st.sampled_from([0.001, 0.05, 1.0, 7.0]))
    def time_passes(self, seconds: float) -> None:
        self.do(asyncio.sleep(seconds))

    @rule()
    def reconcile(self) -> None:
        self.process.spawn(self.process.reconcile())

    # A process that has done nothing leaves nothing: crashes are for those that were at work.
    @precondition(lambda self: any(True for _ in self.process.manager.book.live()))
    @rule(clears_up=st.booleans())
    def crash(self, clears_up: bool) -> None:
        before = self.process
        self.do(before.die())
        self.venue.generation += 1
        left = before.journal.crash()
        self.process = Process(self.venue, ModelJournal(self.loop, left, before.journal.used))
        self.listen()
        if clears_up:
            self.venue.weather = CALM
            self.do(self.process.reconcile())
        else:
            self.process.spawn(self.process.reconcile())

    @invariant()
    def nothing_forbidden_has_happened(self) -> None:
        if not hasattr(self, "process"):
            return
        for error in self.process.errors:
            raise error
        assert max(self.venue.requests.values(), default=0) <= 1, "I1: an id was sent twice"
        assert "contradiction" not in self.process.gate.reasons
        for order in [self.process.manager.book.get(name) for name in self.venue.requests]:
            if order is None:
                continue
            known = self.process.ended.get(order.client_id)
            if known is not None and order.state is not known:
                late = known in (OrderState.CANCELED, OrderState.EXPIRED) and order.state is OrderState.FILLED
                assert late, f"I3: {order.client_id} was {known} and is {order.state}"
            if order.state in FINAL:
                self.process.ended[order.client_id] = order.state

    def teardown(self) -> None:
        if not hasattr(self, "process"):
            return
        try:
            self.do(self.agree())
        finally:
            self.do(self.process.die())
            self.clock.__exit__(None, None, None)
            self.loop.close()

    async def agree(self) -> None:
        """The weather clears, and within a minute both know the same."""
        self.venue.weather = CALM
        await asyncio.sleep(20)
        await asyncio.gather(*self.process.tasks)
        assert await self.process.reconcile(), "journal and venue do not agree"
        book = self.process.manager.book
        assert book.unproven() == [], "I4: a lost answer is not resolved"
        fills = [fill for order in self.venue.orders.values() for fill in order.fills]
        position = sum((fill.side.sign * fill.quantity for fill in fills), ZERO)
        assert book.positions.get(BTC.symbol, ZERO) == position, "I5"
        for held in self.venue.orders.values():
            order = await self.process.journal.find(client_id=held.client_id)
            assert order is not None, "I2: an order at the venue without an intent"
            assert order.state in SAME[held.signal], (
                f"{order.client_id}: {order.state} here, {held.signal} there"
            )
            assert order.filled == held.filled
            assert order.client_id.startswith(f"{HOST}-{EPOCH}-")


def test_no_weather_makes_journal_and_venue_differ() -> None:
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
