"""New orders that never leave, or not as they are meant: NOT_PLACED, and nothing reaches the venue."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from aiohttp.resolver import ThreadedResolver

from tests.trader.order_path import OrderPath
from tests.trader.support import make_order
from tests.venue_sim.support import RunningVenue, eventually
from trader.model.orders import Order
from trader.model.transitions import OrderState
from trader.venue.budget import BudgetCore
from trader.venue.endpoints import Cost, Counted, Endpoint, Limit, Tariff
from trader.venue.outcomes import Outcome, venue_code
from trader.venue.wire_errors import BreakerOpenError, BudgetError

WAYS = ("rest", "ws")


async def never_sent(path: OrderPath) -> tuple[Order, BaseException]:
    """One order, which must be known at once not to be placed, and not to be there.

    Returns:
        The order, and why.
    """
    order = await path.place()
    placed = path.gateway.placements[-1]
    assert placed.outcome is Outcome.NOT_PLACED, placed.error
    assert order.state is OrderState.REJECTED
    assert placed.error is not None
    return order, placed.error


async def nothing_came(path: OrderPath, order: Order) -> None:
    await path.too_late_to_arrive()
    assert (await path.agreed(order)).requests == 0


async def without_connections(path: OrderPath) -> None:
    """Let the next request open a connection of its own."""
    exchange = path.gateway.exchange
    await exchange.close()
    exchange.open()


@pytest.mark.parametrize("way", WAYS)
async def test_connection_refused(quiet_venue: RunningVenue, tmp_path: Path, way: str) -> None:
    async with OrderPath(quiet_venue, tmp_path, way) as path:
        quiet_venue.stop()
        if (entry := path.gateway.entry) is not None:
            await eventually(lambda: not entry.ready, "the end of the order entry connection")
        order, error = await never_sent(path)
        assert isinstance(error.__cause__, OSError)
        quiet_venue.start()
        await nothing_came(path, order)


async def test_a_name_that_does_not_resolve(
    quiet_venue: RunningVenue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with OrderPath(quiet_venue, tmp_path) as path:
        monkeypatch.setattr(ThreadedResolver, "resolve", fails)
        await without_connections(path)
        order, _ = await never_sent(path)
        await nothing_came(path, order)


async def test_a_certificate_that_is_not_trusted(quiet_venue: RunningVenue, tmp_path: Path) -> None:
    async with OrderPath(quiet_venue, tmp_path) as path:
        path.gateway.exchange.ssl_context = ssl.create_default_context()
        await without_connections(path)
        order, error = await never_sent(path)
        assert isinstance(error.__cause__, ssl.CertificateError)
        await nothing_came(path, order)


@pytest.mark.parametrize("way", WAYS)
async def test_an_open_breaker(quiet_venue: RunningVenue, tmp_path: Path, way: str) -> None:
    async with OrderPath(quiet_venue, tmp_path, way) as path:
        fault = {"kind": "error", "code": -1000, "http_status": 500, "endpoint": "order.place"}
        quiet_venue.fault(**fault, transport=way)
        for _ in range(5):
            await path.place()
            assert path.gateway.placements[-1].outcome is Outcome.UNKNOWN
        order, error = await never_sent(path)
        assert isinstance(error, BreakerOpenError)
        await nothing_came(path, order)


@pytest.mark.parametrize("way", WAYS)
async def test_cancels_pass_an_open_breaker(quiet_venue: RunningVenue, tmp_path: Path, way: str) -> None:
    async with OrderPath(quiet_venue, tmp_path, way) as path:
        resting = await path.place()
        fault = {"kind": "error", "code": -1000, "http_status": 500, "endpoint": "order.cancel"}
        number = quiet_venue.fault(**fault, transport=way)
        for count in range(1, 7):
            await path.manager.cancel(resting.client_id)
            await path.proven()
            assert (await path.there(resting)).cancels == count, "a cancel was held back"
        quiet_venue.admin("DELETE", f"/faults/{number}")
        await path.manager.cancel(resting.client_id)
        assert resting.state is OrderState.CANCELED


@pytest.mark.parametrize("way", WAYS)
async def test_a_used_up_budget(quiet_venue: RunningVenue, tmp_path: Path, way: str) -> None:
    async with OrderPath(quiet_venue, tmp_path, way) as path:
        limit = Limit(Counted.ORDERS, 60, 10)
        path.gateway.wire.budget._core = BudgetCore(
            Tariff((limit,), {Endpoint.PLACE: Cost(1, orders=1)}), reserve_share=0.5
        )
        for _ in range(5):
            order = await path.place()
            assert order.state is OrderState.OPEN
        late, error = await never_sent(path)
        assert isinstance(error, BudgetError)
        await path.manager.cancel(order.client_id)
        assert order.state is OrderState.CANCELED, "cancels have their reserve"
        await nothing_came(path, late)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", [429, 418])
async def test_while_the_venue_wants_nothing(
    quiet_venue: RunningVenue, tmp_path: Path, way: str, status: int
) -> None:
    async with OrderPath(quiet_venue, tmp_path, way) as path:
        fault = {"kind": "error", "code": -1003, "http_status": status, "retry_after_seconds": 600}
        quiet_venue.fault(**fault, endpoint="order.place", transport=way, count=1)
        await never_sent(path)
        assert "rate_limit" in path.parts.gate.reasons, "trading goes on during the ban"
        path.parts.gate.clear("rate_limit")  # what a mistake above would do must not reach the wire
        order, error = await never_sent(path)
        assert isinstance(error, BudgetError)
        await nothing_came(path, order)


@pytest.mark.parametrize("way", WAYS)
async def test_a_disabled_key(quiet_venue: RunningVenue, tmp_path: Path, way: str) -> None:
    async with OrderPath(quiet_venue, tmp_path, way) as path:
        quiet_venue.admin("PUT", "/accounts/trader-01/key", {"enabled": False})
        order, error = await never_sent(path)
        assert venue_code(error, "binance") == "-2015"
        quiet_venue.admin("PUT", "/accounts/trader-01/key", {"enabled": True})
        await path.too_late_to_arrive()
        assert (await path.agreed(order)).accepted == 0


@pytest.mark.parametrize("way", WAYS)
async def test_an_id_that_is_there_already(quiet_venue: RunningVenue, tmp_path: Path, way: str) -> None:
    """The id of an open order, sent again behind the manager's back: it is adopted and not placed again."""
    async with OrderPath(quiet_venue, tmp_path, way) as path:
        order = await path.place()
        again = make_order(order.client_id, price=order.price, quantity=order.quantity)
        placed = await path.gateway.place(again)
        assert placed.outcome is Outcome.PLACED_BEFORE
        found = await path.gateway.lookup(again)
        assert found.report is not None
        assert found.report.venue_order_id == order.venue_order_id
        assert (await path.there(order)).accepted == 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("late", [False, True], ids=["before-the-write", "after-the-write"])
async def test_a_call_that_is_cancelled(
    quiet_venue: RunningVenue, tmp_path: Path, way: str, late: bool
) -> None:
    """A drain gives up requests that are on their way: the journal says SENT, and the next start asks."""
    async with OrderPath(quiet_venue, tmp_path, way) as path:
        quiet_venue.fault(kind="hang", endpoint="order.place", transport=way)
        work = asyncio.create_task(path.place())
        [order] = await eventually(path.parts.book.in_flight, "the order")
        if late:
            await eventually(lambda: _hit(quiet_venue), "the request")
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        assert order.state in (OrderState.PENDING, OrderState.SENT)
        stored = await path.journal.find(client_id=order.client_id)
        assert stored is not None
        assert stored.in_flight, "the next start would not ask for it"


def _hit(venue: RunningVenue) -> bool:
    _, answer = venue.admin("GET", "/faults")
    return any(fault["hits"] for fault in answer)
