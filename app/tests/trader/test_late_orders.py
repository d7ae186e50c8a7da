"""An order that passed the gate and then waited does not leave once trading is halted, wherever it waited."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.trader.order_path import OrderPath
from tests.venue_sim.support import RunningVenue, eventually
from trader.model.orders import Order
from trader.model.transitions import OrderState
from trader.venue.budget import LIMITED, Priority


class SlowNames(aiohttp.ThreadedResolver):
    """DNS that answers when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.free = asyncio.Event()
        self.asked = False

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> Any:
        self.asked = True
        await self.free.wait()
        return await super().resolve(host, port, family)


@asynccontextmanager
async def gated(venue: RunningVenue, folder: Path, transport: str = "rest") -> AsyncIterator[OrderPath]:
    """A path whose wire asks the gate, as in the service."""
    async with OrderPath(venue, folder, transport, state_folder=folder) as path:
        path.gateway.wire.halted = lambda: path.parts.gate.halted
        yield path


def waiting(path: OrderPath) -> int:
    return path.gateway.wire.budget.usage().waiting[Priority.NEW]


async def never_left(path: OrderPath, venue: RunningVenue, placing: asyncio.Task[Order]) -> None:
    order = await placing
    assert order.state is OrderState.REJECTED
    assert "trading was halted" in order.reason
    await path.too_late_to_arrive()
    requests = await asyncio.to_thread(venue.record, 0, "request")
    assert [entry for entry in requests if entry["endpoint"] == "order.place"] == []


@pytest.mark.parametrize("halted", [True, False])
async def test_one_that_waits_for_a_connection(venue: RunningVenue, tmp_path: Path, halted: bool) -> None:
    """It is signed by then: the venue would take it for a receive window."""
    async with gated(venue, tmp_path) as path:
        exchange, names = path.gateway.exchange, SlowNames()
        await exchange.session.close()
        exchange.session = None  # the next request opens one anew
        assert path.gateway.wire.resolver is not None
        path.gateway.wire.resolver._real = names
        placing = asyncio.create_task(path.place())
        await eventually(lambda: names.asked, "it being about to connect")
        if halted:
            path.parts.gate.halt("latch", "pulled")
        names.free.set()
        if halted:
            await never_left(path, venue, placing)
        else:
            assert (await placing).state is OrderState.OPEN


@pytest.mark.parametrize("transport", ["rest", "ws"])
async def test_one_that_waits_for_room_in_the_limits(
    venue: RunningVenue, tmp_path: Path, transport: str
) -> None:
    async with gated(venue, tmp_path, transport) as path:
        budget = path.gateway.wire.budget
        budget._core._until_ns[LIMITED] = budget._clock_ns() + 300_000_000
        placing = asyncio.create_task(path.place())
        await eventually(lambda: waiting(path), "it waiting")
        path.parts.gate.halt("latch", "pulled")
        await never_left(path, venue, placing)
