"""The path of an order and the proof of its outcome, against a venue that loses answers on purpose."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.trader.parts import Parts
from tests.trader.support import BTC, make_fill, make_order, make_report
from trader.journal import Journal, Snapshot
from trader.model.intents import Place
from trader.model.orders import Order
from trader.model.transitions import OrderState, Signal
from trader.model.values import OrderKind, Side
from trader.orders import resolution
from trader.orders.resolution import MARGIN_MS, is_proof
from trader.venue.interface import Found, Lookup, Placement, VenueError
from trader.venue.outcomes import Outcome

ACK = Outcome.ACKNOWLEDGED
NOTHING = Lookup(Found.FAILED, error=VenueError("no answer"))
ABSENT = Lookup(Found.ABSENT, error=VenueError("no such order"))


class ModelVenue:
    """Stands in for the gateway: answers as a test says, and counts what it is asked."""

    recv_window_ms = 5_000

    def __init__(self) -> None:
        self.instruments = {"BTC/USDT": BTC}
        self.placed: list[str] = []
        self.on_place: Callable[[Order], Placement] = lambda order: Placement(
            ACK, make_report(Signal.OPENED, order.client_id)
        )
        self.cancel_answer: Callable[[Order], Lookup] = lambda order: found(Signal.CANCELED, order)
        self.lookups: list[Callable[[Order], Lookup]] = []
        self.clock_ms = time.time_ns() // 1_000_000

    async def place(self, order: Order) -> Placement:
        self.placed.append(order.client_id)
        await asyncio.sleep(0)
        return self.on_place(order)

    async def cancel(self, order: Order) -> Lookup:
        await asyncio.sleep(0)
        return self.cancel_answer(order)

    async def lookup(self, order: Order) -> Lookup:
        return self.lookups.pop(0)(order) if self.lookups else NOTHING

    async def time_ms(self) -> int:
        self.clock_ms += 4_000
        return self.clock_ms


def found(signal: Signal, order: Order, *fills: Any) -> Lookup:
    return Lookup(Found.FOUND, report=make_report(signal, order.client_id, *fills))


class House:
    """A manager with its real journal, gate and resolver."""

    def __init__(self, folder: Path) -> None:
        self.venue = ModelVenue()
        self.journal = Journal.open(folder / "j.sqlite", "trader-01", "one", 1, "dev")
        self.journal.start(lambda seconds, count: None, lambda error: self.gate.halt("journal", str(error)))
        parts = Parts(self.journal, self.venue, Snapshot())
        parts.quote()
        self.gate, self.metrics, self.manager = parts.gate, parts.metrics, parts.manager
        self.resolver = parts.resolver
        self.gate.clear("start")

    async def place(self) -> Order | None:
        intent = Place(
            "BTC/USDT",
            Side.BUY,
            OrderKind.LIMIT,
            Decimal("0.01"),
            Decimal(60_000),
            time.monotonic_ns(),
            "slot",
        )
        return await self.manager.place(intent)

    async def proven(self) -> None:
        async with asyncio.timeout(10):
            await self.resolver.idle()

    def count(self, series: str) -> float:
        lines = self.metrics.expose().decode().splitlines()
        return float(next(line for line in lines if line.startswith(series)).rsplit(" ", 1)[1])


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(resolution, "DELAYS_SECONDS", (0.0, 0.001))
    running = House(tmp_path)
    yield running
    await running.resolver.stop()
    if running.journal.error is None:
        await running.journal.close()


async def test_the_intent_is_durable_before_the_wire(house: House) -> None:
    in_journal: list[bool] = []

    def check(order: Order) -> Placement:
        [(kind, body)] = house.journal._connection.execute(
            "SELECT kind, body FROM events ORDER BY seq DESC LIMIT 1"
        )
        in_journal.append((kind, json.loads(body)["client_id"]) == ("intent", order.client_id))
        return Placement(ACK, make_report(Signal.OPENED, order.client_id))

    house.venue.on_place = check
    order = await house.place()
    assert order is not None
    assert (order.state, order.venue_order_id, order.slot) == (OrderState.OPEN, "77", "slot")
    assert in_journal == [True]
    assert house.count('trader_orders_total{outcome="acknowledged"}') == 1
    assert house.count("trader_order_latency_seconds_count") == 1


async def test_a_halted_gate_lets_nothing_through(house: House) -> None:
    house.gate.halt("drain", "stopping")
    assert await house.place() is None
    assert house.venue.placed == []


async def test_a_halt_during_the_commit_keeps_the_order_from_the_wire(house: House) -> None:
    placing = asyncio.create_task(house.place())
    await asyncio.sleep(0)
    house.gate.halt("drain", "stopping")
    order = await placing
    assert order is not None
    assert order.state is OrderState.REJECTED
    assert house.venue.placed == []


async def test_a_journal_that_fails_keeps_the_order_from_the_wire(house: House) -> None:
    def fill_disk(connection: Any) -> None:
        connection.execute("PRAGMA max_page_count = 1")
        connection.execute("CREATE TABLE big AS SELECT zeroblob(1000000)")

    with pytest.raises(Exception, match="full"):
        await house.journal._writer.submit(fill_disk)  # type: ignore[union-attr]
    assert await house.place() is None
    assert house.venue.placed == []
    assert "journal" in house.gate.reasons
    assert list(house.manager.book.live()) == []


async def test_a_refusal_is_final_and_counted(house: House) -> None:
    house.venue.on_place = lambda order: Placement(Outcome.NOT_PLACED, error=VenueError("no funds"))
    order = await house.place()
    assert order is not None
    assert (order.state, order.reason) == (OrderState.REJECTED, "VenueError: no funds")
    assert house.count('trader_orders_total{outcome="rejected"}') == 1


async def test_a_rate_limit_pauses_trading(house: House) -> None:
    error = VenueError("429")
    error.http_status, error.retry_after_seconds = 429, 60  # type: ignore[attr-defined]
    house.venue.on_place = lambda order: Placement(Outcome.NOT_PLACED, error=error)
    await house.place()
    assert house.gate.reasons == {"rate_limit": "the venue asked for a pause of 60 s"}


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.PLACED_BEFORE])
async def test_a_lost_answer_is_resolved_by_asking_never_by_sending(house: House, outcome: Outcome) -> None:
    house.venue.on_place = lambda order: Placement(outcome, error=VenueError("lost"))
    house.venue.lookups = [
        lambda order: NOTHING,
        lambda order: found(Signal.PARTLY_FILLED, order, make_fill()),
    ]
    order = await house.place()
    await house.proven()
    assert order is not None
    assert (order.state, order.filled) == (OrderState.PARTIALLY_FILLED, Decimal("0.004"))
    assert house.venue.placed == [order.client_id]
    assert house.count('trader_orders_total{outcome="unknown"}') == 1


async def test_absence_is_believed_only_after_the_receive_window(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    states: list[OrderState] = []
    ticks = itertools.count(time.time_ns() // 1_000_000, 1_500)
    monkeypatch.setattr(resolution, "now_ms", lambda: next(ticks))

    def absent(order: Order) -> Lookup:
        states.append(order.state)
        return ABSENT

    house.venue.on_place = lambda order: Placement(Outcome.UNKNOWN, error=VenueError("lost"))
    house.venue.lookups = [absent] * 20
    order = await house.place()
    await house.proven()
    assert order is not None
    assert order.state is OrderState.REJECTED
    # Our clock says soon that window and margin (6 s) are over; the venue's, 4 s a question, says it later.
    assert states == [OrderState.UNKNOWN] * len(states)
    assert len(states) >= 3


def test_proof_is_a_matter_of_the_venues_clock() -> None:
    order = make_order(sent_ms=100_000)
    assert not is_proof(order, 100_000 + 5_000 + MARGIN_MS, 5_000)
    assert is_proof(order, 100_001 + 5_000 + MARGIN_MS, 5_000)


async def test_the_stream_may_be_faster_than_the_answer(house: House) -> None:
    def stream_first(order: Order) -> Placement:
        house.manager.report(make_report(Signal.FILLED, order.client_id, make_fill(quantity="0.01")))
        return Placement(Outcome.UNKNOWN, error=VenueError("lost"))

    house.venue.on_place = stream_first
    order = await house.place()
    assert order is not None
    assert order.state is OrderState.FILLED
    await house.proven()
    assert house.manager.book.positions == {"BTC/USDT": Decimal("0.01")}


async def test_a_trade_may_be_faster_than_its_order(house: House) -> None:
    strangers: list[str] = []
    house.manager.stranger = strangers.append

    def trade_first(order: Order) -> Placement:
        assert house.manager.fill(make_fill()) is False
        return Placement(ACK, make_report(Signal.OPENED, order.client_id))

    house.venue.on_place = trade_first
    order = await house.place()
    assert order is not None
    assert (order.state, order.filled) == (OrderState.PARTIALLY_FILLED, Decimal("0.004"))
    assert house.manager.fill(make_fill()) is True
    assert house.manager.book.positions == {"BTC/USDT": Decimal("0.004")}
    assert len(strangers) == 1


async def test_a_cancel_ends_by_the_venues_word(house: House) -> None:
    order = await house.place()
    assert order is not None
    await house.manager.cancel(order.client_id)
    assert order.state is OrderState.CANCELED
    assert house.count('trader_cancels_total{outcome="done"}') == 1
    await house.manager.cancel(order.client_id)
    assert house.count('trader_cancels_total{outcome="done"}') == 1


@pytest.mark.parametrize(
    ("answer", "truth", "end"),
    [
        (ABSENT, Signal.FILLED, OrderState.FILLED),  # -2011: maybe filled, never "cancelled"
        (NOTHING, Signal.CANCELED, OrderState.CANCELED),
        (NOTHING, Signal.OPENED, OrderState.OPEN),
        (NOTHING, Signal.PARTLY_FILLED, OrderState.PARTIALLY_FILLED),
    ],
)
async def test_a_cancel_without_a_clear_answer_is_asked_for(
    house: House, answer: Lookup, truth: Signal, end: OrderState
) -> None:
    order = await house.place()
    assert order is not None
    fills = (make_fill(),) if truth is Signal.PARTLY_FILLED else ()
    house.venue.cancel_answer = lambda order: answer
    house.venue.lookups = [lambda order: found(truth, order, *fills)]
    await house.manager.cancel(order.client_id)
    await house.proven()
    assert order.state is end
    assert house.count('trader_cancels_total{outcome="unresolved"}') == 1


async def test_a_rejected_order_that_shows_up_halts_trading(house: House) -> None:
    house.venue.on_place = lambda order: Placement(Outcome.NOT_PLACED, error=VenueError("no"))
    order = await house.place()
    assert order is not None
    house.manager.report(make_report(Signal.OPENED, order.client_id))
    assert order.state is OrderState.REJECTED
    assert "contradiction" in house.gate.reasons


async def test_after_a_crash_what_may_have_left_is_unknown(house: House) -> None:
    pending, sent = make_order("trader-01-1-8"), make_order("trader-01-1-9", OrderState.SENT)
    resting = make_order("trader-01-1-7", OrderState.OPEN, venue_order_id="5")
    house.manager.load(Snapshot(orders=[pending, sent, resting], positions={"BTC/USDT": Decimal(1)}))
    assert {order.state for order in (pending, sent)} == {OrderState.UNKNOWN}
    assert all(order.sent_ms > 0 for order in (pending, sent))
    assert resting.state is OrderState.OPEN
    assert house.manager.book.by_venue_id("5") is resting
    assert house.manager.book.positions == {"BTC/USDT": Decimal(1)}


async def test_strangers_are_told(house: House) -> None:
    strangers: list[str] = []
    house.manager.stranger = strangers.append
    house.manager.report(make_report(Signal.OPENED, "web_1"))
    assert strangers == ["order web_1 (77)"]
