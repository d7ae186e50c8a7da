"""Positions after a kill, where the policy flattens them: towards zero, through the risk checks, or not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.trader.order_path import BTC_USDT, OrderPath
from tests.trader.support import NO_LIMITS, make_order
from tests.venue_sim.support import RunningVenue, eventually
from trader.model.transitions import OrderState
from trader.model.values import Side
from trader.reconcile import Report
from trader.service.flatten import Flattener
from trader.venue.interface import VenueError


class Flat:
    """A path whose kill switch is down, with 0.004 BTC bought before."""

    def __init__(self, path: OrderPath) -> None:
        self.path = path
        self.tripped = True
        switch: Any = SimpleNamespace(look=lambda: self.tripped)
        self.compared = 0
        self.answer: Any = None
        self.flattener = Flattener(path.manager, path.parts.admission, switch, self.compare)

    async def compare(self) -> Report:
        self.compared += 1
        if self.answer is not None:
            raise self.answer
        return await self.path.parts.reconciler.run()

    @property
    def position(self) -> Decimal:
        return self.path.parts.book.positions.get(BTC_USDT, Decimal(0))

    async def run(self) -> str:
        return await self.flattener.run()


@pytest.fixture
async def held(venue: RunningVenue, tmp_path: Path) -> AsyncIterator[Flat]:
    async with OrderPath(venue, tmp_path) as path:
        await path.parts.reconciler.run()
        bought = await path.place(None, Decimal("0.004"))
        await eventually(lambda: bought.final and not bought.lacks_fills, "its fills")
        path.parts.gate.halt("latch", "tripped")
        yield Flat(path)


async def test_what_is_held_is_sold_though_the_gate_is_shut(held: Flat) -> None:
    assert held.position == Decimal("0.004")
    assert await held.run() == "BTC/USDT flat"
    assert (held.position, held.compared) == (Decimal(0), 1)
    assert await held.run() == "nothing was held"


async def test_no_order_is_larger_than_the_limit(held: Flat, venue: RunningVenue) -> None:
    limits = NO_LIMITS.model_copy(update={"max_order_notional_usd": Decimal(100)})
    held.path.parts.admission.reload(limits)
    assert await held.run() == "BTC/USDT flat"
    requests = await asyncio.to_thread(venue.record, 0, "request")
    sold = [Decimal(e["params"]["quantity"]) for e in requests if e["params"].get("side") == "SELL"]
    assert len(sold) >= 3
    assert max(sold) * 59_000 < 100


async def test_not_more_orders_than_the_limit(held: Flat) -> None:
    limits = {"max_order_notional_usd": Decimal(100), "max_repeated_executions": 1}
    held.path.parts.admission.reload(NO_LIMITS.model_copy(update=limits))
    assert "more orders than risk.max_repeated_executions" in await held.run()
    assert 0 < held.position < Decimal("0.004")


async def test_without_a_fresh_quote_nothing_is_sent(held: Flat) -> None:
    held.path.parts.admission.reload(NO_LIMITS.model_copy(update={"max_quote_age_ms": 1}))
    await asyncio.sleep(0.01)
    assert await held.run() == "BTC/USDT 0.00400000 left: refused by the risk checks"
    held.path.parts.admission.quotes.clear()
    assert await held.run() == "BTC/USDT 0.00400000 left: no instrument or no quote"


async def test_before_journal_and_venue_agree_nothing_is_sent(held: Flat) -> None:
    held.answer = VenueError("balances: busy")
    assert await held.run() == "positions are left alone: not compared with the venue: balances: busy"
    held.answer = None
    # A trade that we have missed: ours would be the second one.
    held.path.parts.book.changes["BTC"] += Decimal("0.001")
    assert await held.run() == "positions are left alone: journal and venue do not agree"
    assert held.position == Decimal("0.004")


async def test_while_an_order_has_no_proven_end_nothing_is_sent(held: Flat) -> None:
    held.path.parts.book.add(make_order(state=OrderState.SENT, created_ns=time.time_ns()))
    flattener = Flattener(held.path.manager, held.path.parts.admission, held.flattener._kill_switch, _agreed)
    assert await flattener.run() == "positions are left alone: an order of ours has no proven end"


async def _agreed() -> Report:
    made: Any = SimpleNamespace(clean=True)
    report: Report = made
    return report


async def test_a_rearm_ends_it(held: Flat) -> None:
    held.tripped = False
    assert await held.run() == "BTC/USDT 0.00400000 left: re-armed meanwhile"
    assert held.position == Decimal("0.004")


async def test_dust_is_left(held: Flat) -> None:
    held.path.parts.gate.clear("latch")
    sold = await held.path.place(None, Decimal("0.00395"), Side.SELL)
    await eventually(lambda: sold.final and not sold.lacks_fills, "its fills")
    assert await held.run() == "BTC/USDT 0.00005000 left: less than the venue's smallest order"
