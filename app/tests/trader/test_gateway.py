"""Requests and streams against the real emulator, over TLS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.trader.support import BTC, make_order
from tests.venue_sim.support import RunningVenue
from trader.model.transitions import Signal
from trader.model.values import Fill, OrderKind, OrderReport, Quote, Side
from trader.venue.exchange import VenueAccess
from trader.venue.gateway import Gateway
from trader.venue.interface import Found, VenueError, describe
from trader.venue.outcomes import Outcome
from trader.venue.streams import Handlers, Stream, Streams


def access(venue: RunningVenue, account: str = "trader-01") -> VenueAccess:
    keys = venue.accounts[account]
    return VenueAccess("binance", venue.hostname, venue.ca_file, 5_000, 1_000, keys.api_key, keys.api_secret)


@pytest.fixture
async def gateway(quiet_venue: RunningVenue) -> AsyncIterator[Gateway]:
    connected = Gateway(access(quiet_venue), ["BTC/USDT"])
    await connected.connect()
    yield connected
    await connected.close()


def limit(number: int, price: str = "50000", **fields: Any) -> Any:
    return make_order(f"trader-01-1-{number}", price=Decimal(price), **fields)


async def test_rules_balances_and_time_are_exact(gateway: Gateway) -> None:
    rules = gateway.instruments["BTC/USDT"]
    assert rules == replace(BTC, min_quantity=Decimal("0.00001"))
    assert await gateway.balances() == {"USDT": Decimal(100_000), "BTC": Decimal(2), "ETH": Decimal(10)}
    assert await gateway.time_ms() > 1_600_000_000_000
    assert await gateway.trades("BTC/USDT", None) == []


async def test_an_order_is_placed_found_and_cancelled_by_our_id(gateway: Gateway) -> None:
    order = limit(1)
    placed = await gateway.place(order)
    assert placed.outcome is Outcome.ACKNOWLEDGED
    assert placed.report is not None
    assert (placed.report.client_id, placed.report.signal) == (order.client_id, Signal.OPENED)
    assert [report.client_id for report in await gateway.open_orders()] == [order.client_id]
    looked = await gateway.lookup(order)
    assert looked.report is not None
    assert looked.report.venue_order_id == placed.report.venue_order_id
    cancelled = await gateway.cancel(order)
    assert cancelled.report is not None
    assert (cancelled.report.client_id, cancelled.report.signal) == (order.client_id, Signal.CANCELED)
    assert (await gateway.cancel(order)).found is Found.ABSENT
    assert await gateway.open_orders() == []


async def test_an_order_that_is_not_there_is_absent(gateway: Gateway) -> None:
    assert (await gateway.lookup(limit(99))).found is Found.ABSENT


async def test_fills_come_with_the_answer_and_by_query(quiet_venue: RunningVenue, gateway: Gateway) -> None:
    other = Gateway(access(quiet_venue, "trader-02"), ["BTC/USDT"])
    await other.connect()
    for number, price in enumerate(("59000", "59001"), start=1):
        await other.place(
            make_order(f"trader-02-1-{number}", price=Decimal(price), quantity=Decimal("0.005"))
        )
    await other.close()
    order = make_order("trader-01-1-3", kind=OrderKind.MARKET, price=None, side=Side.SELL)
    placed = await gateway.place(order)
    assert placed.report is not None
    assert placed.report.signal is Signal.FILLED
    queried = await gateway.trades("BTC/USDT", "-1")
    assert sum(fill.quantity for fill in placed.report.fills) == order.quantity
    assert [fill.trade_id for fill in placed.report.fills] == [fill.trade_id for fill in queried]
    assert {(fill.venue_order_id, fill.side) for fill in (*placed.report.fills, *queried)} == {
        (placed.report.venue_order_id, Side.SELL)
    }
    for told, asked in zip(placed.report.fills, queried, strict=True):
        assert (told.price, told.fee, told.fee_asset) == (asked.price, asked.fee, asked.fee_asset)
    assert await gateway.trades("BTC/USDT", queried[-1].trade_id) == []
    assert await gateway.trades("BTC/USDT", None) == queried[-1:]


@pytest.mark.parametrize(
    "fields",
    [
        {"price": "50000.001"},  # off the tick grid: ccxt would round it
        {"quantity": Decimal("0.010001")},  # off the lot grid: ccxt would cut it
        {"quantity": Decimal("0.00001")},  # below the least notional
        {"quantity": Decimal(50)},  # more than there is
        {"reduce_only": True},  # a spot venue cannot promise that
    ],
    ids=["tick", "lot", "notional", "funds", "reduce_only"],
)
async def test_refusals(gateway: Gateway, fields: dict[str, Any]) -> None:
    assert (await gateway.place(limit(5, **fields))).outcome is Outcome.NOT_PLACED
    assert await gateway.open_orders() == []


async def test_the_same_id_twice_is_placed_before(gateway: Gateway) -> None:
    await gateway.place(limit(6))
    assert (await gateway.place(limit(6))).outcome is Outcome.PLACED_BEFORE


@pytest.mark.parametrize(
    ("fault", "there"),
    [
        ({"kind": "hang", "stage": "after"}, True),
        ({"kind": "hang", "stage": "before"}, False),
        ({"kind": "error", "stage": "after", "code": -1007, "http_status": 504}, True),
        ({"kind": "error", "stage": "after", "code": -1006, "http_status": 500}, True),
        ({"kind": "error", "stage": "before", "code": -1000, "http_status": 503}, False),
    ],
    ids=lambda value: str(value),
)
async def test_lost_answers_are_unknown(
    quiet_venue: RunningVenue, gateway: Gateway, fault: dict[str, Any], there: bool
) -> None:
    quiet_venue.fault(**fault, endpoint="order.place")
    order = limit(7)
    assert (await gateway.place(order)).outcome is Outcome.UNKNOWN
    assert (await gateway.lookup(order)).found is (Found.FOUND if there else Found.ABSENT)


async def test_a_venue_that_is_gone_is_not_placed(quiet_venue: RunningVenue) -> None:
    gateway = Gateway(access(quiet_venue), ["BTC/USDT"])
    await gateway.connect()
    await gateway.close()
    quiet_venue.stop()
    gateway.exchange.closed_by_user = False
    assert (await gateway.place(limit(8))).outcome is Outcome.NOT_PLACED
    with pytest.raises(VenueError, match="open orders: ExchangeNotAvailable"):
        await gateway.open_orders()
    await gateway.close()


async def test_a_symbol_that_is_not_traded_is_named(quiet_venue: RunningVenue) -> None:
    gateway = Gateway(access(quiet_venue), ["DOGE/USDT"])
    with pytest.raises(VenueError, match="symbols: DOGE/USDT is not traded"):
        await gateway.connect()
    await gateway.close()


def test_an_error_is_one_short_line_without_a_query() -> None:
    error = TimeoutError("binance GET https://x/api/v3/account?timestamp=1&signature=abc 504\n<html>")
    assert describe(error) == "TimeoutError: binance GET https://x/api/v3/account?... 504"
    assert len(describe(ValueError("x" * 1_000))) < 250


class Heard:
    """What the streams told."""

    def __init__(self) -> None:
        self.quotes: asyncio.Queue[Quote] = asyncio.Queue()
        self.orders: asyncio.Queue[OrderReport] = asyncio.Queue()
        self.fills: asyncio.Queue[Fill] = asyncio.Queue()
        self.lost: asyncio.Queue[Stream] = asyncio.Queue()
        self.back: asyncio.Queue[Stream] = asyncio.Queue()
        self.handlers = Handlers(
            self.quotes.put_nowait,
            self.orders.put_nowait,
            self.fills.put_nowait,
            lambda stream, error: self.lost.put_nowait(stream),
            self.back.put_nowait,
        )


async def test_streams_tell_quotes_orders_and_fills(venue: RunningVenue) -> None:
    gateway, heard = Gateway(access(venue), ["BTC/USDT"]), Heard()
    await gateway.connect()
    streams = Streams(gateway, ["BTC/USDT"], heard.handlers, 5.0)
    streams.start()
    async with asyncio.timeout(20):
        await streams.ready()
        quote = await heard.quotes.get()
        assert quote.bid < quote.ask
        assert isinstance(quote.bid, Decimal)
        order = make_order("trader-01-1-1", kind=OrderKind.MARKET, price=None, quantity=Decimal("0.0001"))
        placed = await gateway.place(order)
        report = await heard.orders.get()
        while report.signal is not Signal.FILLED:
            report = await heard.orders.get()
        fill = await heard.fills.get()
        assert report.client_id == order.client_id
        assert placed.report is not None
        assert fill == placed.report.fills[0]
    assert streams.age_seconds(Stream.FILLS) < 20
    await streams.stop()
    await gateway.close()


async def test_a_broken_stream_is_told_and_comes_back(venue: RunningVenue) -> None:
    gateway, heard = Gateway(access(venue), ["BTC/USDT"]), Heard()
    await gateway.connect()
    streams = Streams(gateway, ["BTC/USDT"], heard.handlers, 5.0)
    streams.start()
    async with asyncio.timeout(20):
        await streams.ready()
        assert {await heard.back.get() for _ in Stream} == set(Stream)
        await streams.reset_user()
        assert {await heard.lost.get() for _ in range(2)} == {Stream.ORDERS, Stream.FILLS}
        assert {await heard.back.get() for _ in range(2)} == {Stream.ORDERS, Stream.FILLS}
        await gateway.place(make_order("trader-01-1-2", price=Decimal(50_000)))
        assert (await heard.orders.get()).client_id == "trader-01-1-2"
    await streams.stop()
    await gateway.close()


async def test_a_silent_market_is_found(quiet_venue: RunningVenue) -> None:
    gateway, heard = Gateway(access(quiet_venue), ["BTC/USDT"]), Heard()
    await gateway.connect()
    streams = Streams(gateway, ["BTC/USDT"], heard.handlers, 0.3)
    streams.start()
    async with asyncio.timeout(20):
        assert await heard.lost.get() is Stream.QUOTES
    await streams.stop()
    await gateway.close()
