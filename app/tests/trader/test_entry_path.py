"""Orders over the WebSocket API against orders over REST: read the same, and one stands in for the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.trader.order_path import FAR_BELOW, OrderPath
from tests.trader.support import make_order
from tests.venue_sim.support import USDM, RunningVenue, eventually
from trader.model.orders import Order
from trader.model.transitions import OrderState, Signal
from trader.model.values import OrderKind, OrderReport, Side
from trader.venue.exchange import VenueAccess
from trader.venue.gateway import Gateway
from trader.venue.interface import Placement
from trader.venue.order_entry import WsAnswer
from trader.venue.outcomes import Outcome, venue_code

FEES = {"maker": "0.0002", "taker": "0.0005"}
SYMBOLS = {"binance": "BTC/USDT", "binanceusdm": "BTC/USDT:USDT"}
ASKS = (("0.004", "60000"), ("0.003", "60001"), ("0.005", "60002"))


@dataclass(frozen=True)
class Wanted:
    """One order, the same on both ways, and how it must end."""

    name: str
    quantity: str
    price: str | None
    signal: Signal
    fills: int = 0
    side: Side = Side.BUY


ORDERS = [
    Wanted("resting", "0.01", "58000", Signal.OPENED),
    Wanted("marketable", "0.012", "60002", Signal.FILLED, fills=3),
    Wanted("marketable-in-part", "0.02", "60001", Signal.PARTLY_FILLED, fills=2),
    Wanted("market", "0.006", None, Signal.FILLED, fills=2),
]
VENUES = pytest.mark.parametrize("venue_id", list(SYMBOLS))


@pytest.fixture
def market(make_venue: Callable[..., RunningVenue]) -> RunningVenue:
    """Spot and futures with fees, in which nobody trades but the test's accounts."""
    return make_venue(fees=FEES, usdm={**USDM, "fees": FEES}, background={"events_per_second": 0})


@asynccontextmanager
async def connected(venue: RunningVenue, venue_id: str, way: str, account: str) -> AsyncIterator[Gateway]:
    keys = venue.accounts[account]
    access = VenueAccess(
        venue_id,
        venue.hostname,
        venue.ca_file,
        5_000,
        5_000,
        keys.api_key,
        keys.api_secret,
        order_entry=way == "ws",
    )
    gateway = Gateway(access, [SYMBOLS[venue_id]])
    await gateway.connect()
    if (entry := gateway.entry) is not None:
        await eventually(lambda: entry.ready, "the order entry connection")
    yield gateway
    await gateway.close()


def order_of(venue_id: str, number: int, wanted: Wanted, account: str = "trader-01") -> Order:
    return make_order(
        f"{account}-1-{number}",
        symbol=SYMBOLS[venue_id],
        side=wanted.side,
        kind=OrderKind.MARKET if wanted.price is None else OrderKind.LIMIT,
        quantity=Decimal(wanted.quantity),
        price=None if wanted.price is None else Decimal(wanted.price),
    )


class Book:
    """The other side of the market, by the account trader-02."""

    def __init__(self, gateway: Gateway, venue_id: str) -> None:
        self._gateway, self._venue_id, self._number = gateway, venue_id, 0

    async def offer(self) -> None:
        """Put the asks there; what an earlier order has left of them is taken away first."""
        for report in await self._gateway.open_orders():
            await self._gateway.cancel_stranger(report)
        for quantity, price in ASKS:
            self._number += 1
            ask = Wanted("ask", quantity, price, Signal.OPENED, side=Side.SELL)
            placed = await self._gateway.place(order_of(self._venue_id, self._number, ask, "trader-02"))
            assert placed.outcome is Outcome.ACKNOWLEDGED, placed.error


@asynccontextmanager
async def sides(venue: RunningVenue, venue_id: str) -> AsyncIterator[tuple[Gateway, Gateway, Book]]:
    """Our REST and WebSocket ways, and the other side of the market."""
    async with (
        connected(venue, venue_id, "rest", "trader-01") as rest,
        connected(venue, venue_id, "ws", "trader-01") as ws,
        connected(venue, venue_id, "rest", "trader-02") as other,
    ):
        yield rest, ws, Book(other, venue_id)


def raw_answers(ws: Gateway) -> list[dict[str, Any]]:
    """What the WebSocket API answers from now on, as it comes."""
    assert ws.entry is not None
    entry, seen = ws.entry._entry, []
    for name in ("place", "cancel"):

        def kept(plain: Any) -> Any:
            async def ask(params: Any) -> WsAnswer:
                answer: WsAnswer = await plain(params)
                seen.append(answer.result)
                return answer

            return ask

        setattr(entry, name, kept(getattr(entry, name)))
    return seen


def without_names(report: OrderReport | None) -> OrderReport:
    """What two equal orders have in common: all but the ids and times that the venue gives each."""
    assert report is not None
    fills = tuple(replace(fill, trade_id="", venue_order_id="", at_ms=0) for fill in report.fills)
    return replace(report, client_id="", venue_order_id="", fills=fills)


@VENUES
@pytest.mark.parametrize("wanted", ORDERS, ids=lambda wanted: wanted.name)
async def test_new_orders_are_read_the_same(market: RunningVenue, venue_id: str, wanted: Wanted) -> None:
    async with sides(market, venue_id) as (rest, ws, book):
        answers = raw_answers(ws)
        await book.offer()
        by_rest = await rest.place(order_of(venue_id, 1, wanted))
        await rest.cancel(order_of(venue_id, 1, wanted))  # what is left of it would meet the next asks
        await book.offer()
        order = order_of(venue_id, 2, wanted)
        by_ws = await ws.place(order)
        assert by_ws.outcome is by_rest.outcome is Outcome.ACKNOWLEDGED
        assert without_names(by_ws.report) == without_names(by_rest.report)
        [answer] = answers
        parsed = rest.exchange.parse_order(answer, rest.exchange.market(order.symbol))
        assert rest.edge.acknowledged(order, parsed) == by_ws.report, "one answer, read in two ways"

        assert by_ws.report is not None
        assert by_ws.report.signal is wanted.signal
        if venue_id == "binance":  # USDM tells fills by stream and query alone
            assert len(by_ws.report.fills) == wanted.fills
            assert all(fill.fee > 0 and fill.fee_asset == "BTC" for fill in by_ws.report.fills)
            assert list(by_ws.report.fills) == await _fills_of(rest, by_ws.report)


async def _fills_of(gateway: Gateway, report: OrderReport) -> list[Any]:
    """The same fills, as the query tells them."""
    told = await gateway.trades(report.symbol, "-1")
    return [fill for fill in told if fill.venue_order_id == report.venue_order_id]


@VENUES
@pytest.mark.parametrize("filled", [False, True], ids=["without-fills", "with-fills"])
async def test_cancels_are_read_the_same(market: RunningVenue, venue_id: str, filled: bool) -> None:
    wanted = ORDERS[2] if filled else ORDERS[0]
    async with sides(market, venue_id) as (rest, ws, book):
        answers = raw_answers(ws)
        looked = []
        for number, gateway in enumerate((rest, ws), start=1):
            await book.offer()
            order = order_of(venue_id, number, wanted)
            await gateway.place(order)
            looked.append(await gateway.cancel(order))
        by_rest, by_ws = looked
        assert by_ws.found is by_rest.found
        assert without_names(by_ws.report) == without_names(by_rest.report)
        parsed = rest.exchange.parse_order(answers[-1], rest.exchange.market(order.symbol))
        assert rest.edge.read_order(parsed) == by_ws.report, "one answer, read in two ways"
        assert by_ws.report is not None
        assert by_ws.report.signal is Signal.CANCELED
        assert by_ws.report.filled == (Decimal("0.007") if filled else 0)


REFUSED = [
    Wanted("funds", "50", "58000", Signal.REFUSED),
    Wanted("notional", "0.001", "0.1", Signal.REFUSED),
]


@VENUES
@pytest.mark.parametrize("wanted", REFUSED, ids=lambda wanted: wanted.name)
async def test_refusals_are_read_the_same(market: RunningVenue, venue_id: str, wanted: Wanted) -> None:
    async with sides(market, venue_id) as (rest, ws, _):
        by_rest = await rest.place(order_of(venue_id, 1, wanted))
        by_ws = await ws.place(order_of(venue_id, 2, wanted))
        await _same_refusal(by_rest, by_ws, venue_id)
        lost = [await gateway.cancel(order_of(venue_id, 9, wanted)) for gateway in (rest, ws)]
        assert lost[0].found is lost[1].found
        assert type(lost[0].error) is type(lost[1].error)


async def _same_refusal(by_rest: Placement, by_ws: Placement, venue_id: str) -> None:
    assert by_ws.outcome is by_rest.outcome is Outcome.NOT_PLACED
    assert by_ws.error is not None
    assert by_rest.error is not None
    assert type(by_ws.error) is type(by_rest.error)
    assert venue_code(by_ws.error, venue_id) == venue_code(by_rest.error, venue_id) is not None
    assert getattr(by_ws.error, "http_status", None) == getattr(by_rest.error, "http_status", None)


# -- REST stands in


def ways(venue: RunningVenue, *orders: Order) -> list[str]:
    """How the requests to place these orders came to the venue."""
    requests = [entry for entry in venue.record(kind="request") if entry["endpoint"] == "order.place"]
    way = {entry["params"]["newClientOrderId"]: entry["transport"] for entry in requests}
    return [way[order.client_id] for order in orders]


async def test_rest_stands_in_while_the_connection_is_down(quiet_venue: RunningVenue, tmp_path: Path) -> None:
    async with OrderPath(quiet_venue, tmp_path, "ws") as path:
        assert path.gateway.entry is not None
        entry = path.gateway.entry._entry
        before = await path.place()
        good, entry._url = entry._url, "wss://ws-api.venue.test:1/ws-api/v3"
        quiet_venue.fault(kind="reset", endpoint="order.place", transport="ws", count=1)
        lost = await path.place()
        await eventually(lambda: not entry.ready, "the end of the connection")
        meanwhile = [await path.place(FAR_BELOW + n) for n in range(2)]
        await path.manager.cancel(before.client_id)
        assert before.state is OrderState.CANCELED
        entry._url = good
        await path.entry_ready()
        after = await path.place()
        await path.proven()
        assert ways(quiet_venue, before, lost, *meanwhile, after) == ["ws", "ws", "rest", "rest", "ws"]
        assert [p.outcome for p in path.gateway.placements] == [
            Outcome.ACKNOWLEDGED,
            Outcome.UNKNOWN,
            *[Outcome.ACKNOWLEDGED] * 3,
        ]
        for order in (before, lost, *meanwhile, after):
            await path.agreed(order)
        assert lost.state is OrderState.OPEN


async def test_all_that_are_in_flight_when_it_dies_are_looked_for(
    quiet_venue: RunningVenue, tmp_path: Path
) -> None:
    """Some of them the venue has taken, some not; none of them has been answered."""
    async with OrderPath(quiet_venue, tmp_path, "ws", timeout_ms=10_000) as path:
        assert path.gateway.entry is not None
        entry = path.gateway.entry._entry
        where = {"endpoint": "order.place", "transport": "ws"}
        waiting: list[asyncio.Task[Order]] = []
        for stage in ("after", "before"):
            quiet_venue.fault(kind="hang", stage=stage, count=2, **where)
            waiting += [asyncio.create_task(path.place(FAR_BELOW + len(waiting) + n)) for n in range(2)]
            await eventually(lambda: entry.pending == len(waiting), "requests in flight")  # noqa: B023
            await eventually(lambda: not _in_force(quiet_venue), "the venue to have them")
        quiet_venue.fault(kind="reset", count=1, **where)
        orders = [await path.place(FAR_BELOW + 9), *await asyncio.gather(*waiting)]
        assert {placed.outcome for placed in path.gateway.placements} == {Outcome.UNKNOWN}
        await path.proven()
        for order in orders:
            await path.agreed(order)
        states = [order.state for order in orders]
        assert states == [OrderState.OPEN] * 3 + [OrderState.REJECTED] * 2


def _in_force(venue: RunningVenue) -> bool:
    return bool(venue.admin("GET", "/faults")[1])
