"""A strategy's wishes become requests only while the gate is open; its failure ends trading, nothing else."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from tests.trader.support import BTC, make_order
from trader.model.intents import Cancel, Intent, Place
from trader.model.transitions import OrderState
from trader.model.values import OrderKind, Quote, Side
from trader.orders.book import OrderBook
from trader.orders.gate import Gate
from trader.service.trading import Trading
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics

PLACE = Place("BTC/USDT", Side.BUY, OrderKind.MARKET, Decimal(1), None, 1)
QUOTE = Quote("BTC/USDT", Decimal(1), Decimal(2), 1)


class Recorder:
    """Stands in for the order manager."""

    def __init__(self) -> None:
        self.book = OrderBook()
        self.instruments = {"BTC/USDT": BTC}
        self.placed: list[Place] = []
        self.cancelled: list[str] = []
        self.error: Exception | None = None

    async def place(self, intent: Place) -> None:
        if self.error is not None:
            raise self.error
        self.placed.append(intent)

    async def cancel(self, client_id: str) -> None:
        self.cancelled.append(client_id)


class Scripted:
    """A strategy that answers quotes with what it was given."""

    interval_seconds = 0.001

    def __init__(self, *intents: Intent) -> None:
        self.intents = list(intents)

    def on_timer(self, view: Any, now_ns: int) -> list[Intent]:
        return []

    def on_fill(self, view: Any, fill: Any) -> list[Intent]:
        return []

    def on_book(self, view: Any, quote: Quote) -> list[Intent]:
        if not self.intents:
            raise ZeroDivisionError("strategies fail")
        return self.intents


def make(strategy: Scripted) -> tuple[Trading, Recorder, Gate]:
    recorder = Recorder()
    manager: Any = recorder
    gate = Gate(lambda state, reasons: None, "start")
    gate.clear("start")
    return Trading(strategy, manager, {}, gate, Metrics(), Events()), recorder, gate


async def settled(trading: Trading) -> None:
    async with asyncio.timeout(5):
        while trading.busy:  # noqa: ASYNC110 - there is no event for "nothing is on its way"
            await asyncio.sleep(0)


async def test_wishes_become_requests() -> None:
    trading, recorder, _ = make(Scripted(PLACE, Cancel("trader-01-1-1")))
    trading.on_quote(QUOTE)
    await settled(trading)
    assert (recorder.placed, recorder.cancelled) == ([PLACE], ["trader-01-1-1"])
    assert trading.quote("BTC/USDT") is None, "quotes come from whoever hears them"


async def test_behind_a_closed_gate_nobody_is_asked() -> None:
    trading, recorder, gate = make(Scripted())
    gate.halt("drain", "stopping")
    trading.on_quote(QUOTE)
    await settled(trading)
    assert recorder.placed == []
    assert gate.reasons == {"drain": "stopping"}


async def test_a_strategy_that_fails_halts_trading() -> None:
    trading, recorder, gate = make(Scripted())
    trading.on_quote(QUOTE)
    assert gate.reasons == {"strategy": "ZeroDivisionError: strategies fail"}
    assert recorder.placed == []


async def test_an_order_path_that_fails_halts_trading() -> None:
    trading, recorder, gate = make(Scripted(PLACE))
    recorder.error = RuntimeError("a bug")
    trading.on_quote(QUOTE)
    await settled(trading)
    assert gate.reasons == {"strategy": "RuntimeError: a bug"}


@pytest.mark.parametrize("traded", [True, False])
async def test_when_trading_halts_its_orders_are_pulled(traded: bool) -> None:
    trading, recorder, gate = make(Scripted(PLACE))
    recorder.book.add(make_order("trader-01-1-1", OrderState.OPEN))
    recorder.book.add(make_order("trader-01-1-2", OrderState.CANCEL_PENDING))
    recorder.book.add(make_order("trader-01-1-3", OrderState.UNKNOWN))
    if not traded:
        gate.halt("start", "not reconciled yet")
    ticking = asyncio.create_task(trading.run())
    await asyncio.sleep(0)
    beat = trading.beat
    gate.halt("journal", "disk full")
    async with asyncio.timeout(5):
        while trading.beat < beat + 0.01 or trading.busy:  # noqa: ASYNC110 - a few beats of the timer
            await asyncio.sleep(0.001)
    ticking.cancel()
    # Orders of an earlier process wait for the first reconciliation.
    assert set(recorder.cancelled) == ({"trader-01-1-1"} if traded else set())


async def test_what_is_on_its_way_can_be_given_up() -> None:
    trading, recorder, _ = make(Scripted(PLACE))
    forever = asyncio.Event()

    async def hang(intent: Place) -> None:
        await forever.wait()

    recorder.place = hang  # type: ignore[method-assign]
    trading.on_quote(QUOTE)
    assert trading.busy
    await trading.stop()
    await settled(trading)
