"""The venue's own SDK against the emulator: its typed models refuse what the venue would not send."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_common.errors import (
    BadRequestError,
    RateLimitBanError,
    ServerError,
    TooManyRequestsError,
    UnauthorizedError,
)
from binance_sdk_spot.rest_api.models import NewOrderSideEnum as Side
from binance_sdk_spot.rest_api.models import NewOrderTimeInForceEnum as TimeInForce
from binance_sdk_spot.rest_api.models import NewOrderTypeEnum as Type
from binance_sdk_spot.spot import Spot
from binance_sdk_spot.websocket_api.models import OrderPlaceSideEnum as WsSide
from binance_sdk_spot.websocket_api.models import OrderPlaceTimeInForceEnum as WsTimeInForce
from binance_sdk_spot.websocket_api.models import OrderPlaceTypeEnum as WsType

from tests.venue_sim.support import RunningVenue, TestAccount, eventually

LIMIT: dict[str, Any] = {"symbol": "BTCUSDT", "type": Type.LIMIT, "time_in_force": TimeInForce.GTC}


@pytest.fixture(autouse=True)
def shapes_fit(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The SDK only warns about an answer that its models refuse: here that fails the test."""
    caplog.set_level(logging.WARNING)
    yield
    refused = [r.getMessage() for r in caplog.get_records("call") if "did not match" in r.getMessage()]
    refused += [r.getMessage() for r in caplog.get_records("call") if "Failed to parse" in r.getMessage()]
    assert not refused


def rest(venue: RunningVenue, account: TestAccount | None = None) -> Any:
    credentials = account or venue.accounts["trader-01"]
    return Spot(
        config_rest_api=ConfigurationRestAPI(
            api_key=credentials.api_key,
            api_secret=credentials.api_secret,
            base_path=venue.rest_url,
            https_agent=venue.ssl_context(),
            timeout=5000,
            retries=0,
        )
    ).rest_api


def test_market_data(venue: RunningVenue) -> None:
    api = rest(venue)
    api.ping().data()
    assert api.time().data().server_time > 1_600_000_000_000
    info = api.exchange_info().data()
    assert {symbol.symbol for symbol in info.symbols} == {"BTCUSDT", "ETHUSDT"}
    assert api.exchange_info(symbol="ETHUSDT").data().symbols[0].base_asset == "ETH"
    book = api.depth("BTCUSDT", limit=5).data()
    assert len(book.bids) == len(book.asks) == 5
    api.get_trades("BTCUSDT").data()
    api.agg_trades("BTCUSDT").data()
    api.ticker24hr(symbol="BTCUSDT").data()
    api.ticker_price(symbol="BTCUSDT").data()
    api.ticker_book_ticker(symbol="BTCUSDT").data()


def test_an_order_from_placing_to_cancelling(quiet_venue: RunningVenue) -> None:
    api = rest(quiet_venue)
    placed = api.new_order(
        **LIMIT, side=Side.BUY, quantity=0.01, price=50_000, new_client_order_id="t-1-1"
    ).data()
    assert (placed.client_order_id, placed.status, placed.fills) == ("t-1-1", "NEW", [])
    queried = api.get_order("BTCUSDT", orig_client_order_id="t-1-1").data()
    assert (queried.order_id, queried.is_working) == (placed.order_id, True)
    assert len(api.get_open_orders(symbol="BTCUSDT").data()) == 1
    cancelled = api.delete_order("BTCUSDT", order_id=placed.order_id).data()
    assert (cancelled.orig_client_order_id, cancelled.status) == ("t-1-1", "CANCELED")
    api.new_order(**LIMIT, side=Side.BUY, quantity=0.01, price=50_000)
    assert len(api.delete_open_orders("BTCUSDT").data()) == 1
    assert len(api.all_orders("BTCUSDT").data()) == 2
    api.order_test(**LIMIT, side=Side.BUY, quantity=0.01, price=50_000).data()
    balances = {b.asset: (b.free, b.locked) for b in api.get_account().data().balances}
    assert balances["USDT"] == ("100000.00000000", "0.00000000")


def test_fills(quiet_venue: RunningVenue) -> None:
    maker, taker = rest(quiet_venue), rest(quiet_venue, quiet_venue.accounts["trader-02"])
    maker.new_order(**LIMIT, side=Side.SELL, quantity=0.01, price=60_000)
    bought = taker.new_order("BTCUSDT", Side.BUY, Type.MARKET, quantity=0.004).data()
    assert (bought.status, bought.fills[0].price) == ("FILLED", "60000.00000000")
    for api, is_maker in ((maker, True), (taker, False)):
        (fill,) = api.my_trades("BTCUSDT").data()
        assert (fill.is_maker, fill.is_buyer, fill.id) == (is_maker, not is_maker, bought.fills[0].trade_id)


def test_refusals(quiet_venue: RunningVenue) -> None:
    api = rest(quiet_venue)
    with pytest.raises(BadRequestError) as refused:
        api.new_order(**LIMIT, side=Side.BUY, quantity=10, price=50_000)
    assert (refused.value.status_code, "insufficient balance" in str(refused.value)) == (-2010, True)
    stranger = TestAccount("stranger", "an-unknown-api-key", "secret")
    with pytest.raises(UnauthorizedError) as unknown:
        rest(quiet_venue, stranger).get_account()
    assert unknown.value.status_code == -2015


@pytest.mark.parametrize(
    ("status", "error"), [(418, RateLimitBanError), (429, TooManyRequestsError), (503, ServerError)]
)
def test_faults_by_status(quiet_venue: RunningVenue, status: int, error: type[Exception]) -> None:
    quiet_venue.fault(kind="error", code=-1003, http_status=status, retry_after_seconds=7, count=1)
    api = rest(quiet_venue)
    with pytest.raises(error):
        api.new_order(**LIMIT, side=Side.BUY, quantity=0.01, price=50_000)
    assert api.get_open_orders(symbol="BTCUSDT").data() == []


@pytest.mark.filterwarnings("ignore:parameter 'timeout'")  # the SDK's own
async def test_a_terminated_stream_is_told_in_the_sdks_own_type(quiet_venue: RunningVenue) -> None:
    async with ws_api(quiet_venue) as client:
        events: list[Any] = []
        subscribed = await client.user_data_stream_subscribe_signature()
        subscribed.stream.on("message", events.append)
        quiet_venue.fault(kind="terminate", count=1)
        await eventually(lambda: events, "the stream's end")
        assert type(events[0].actual_instance).__name__ == "EventStreamTerminated"


@asynccontextmanager
async def ws_api(venue: RunningVenue) -> AsyncIterator[Any]:
    credentials = venue.accounts["trader-01"]
    client = Spot(
        config_ws_api=ConfigurationWebSocketAPI(
            api_key=credentials.api_key,
            api_secret=credentials.api_secret,
            stream_url=f"wss://ws-api.{venue.hostname}/ws-api/v3",
            https_agent=venue.ssl_context(),
        )
    ).websocket_api
    await client.create_connection()
    try:
        yield client
    finally:
        await client.close_connection(close_session=True)


@pytest.mark.filterwarnings("ignore:parameter 'timeout'")  # the SDK's own
async def test_websocket_api_and_user_stream(quiet_venue: RunningVenue) -> None:
    async with ws_api(quiet_venue) as client:
        events: list[Any] = []
        subscribed = await client.user_data_stream_subscribe_signature()
        subscribed.stream.on("message", events.append)
        order = {"symbol": "BTCUSDT", "type": WsType.LIMIT, "time_in_force": WsTimeInForce.GTC}
        placed = await client.order_place(
            **order, side=WsSide.SELL, quantity=0.01, price=60_000, new_client_order_id="t-1-1"
        )
        order_id = placed.data().result.order_id
        taker = rest(quiet_venue, quiet_venue.accounts["trader-02"])
        await asyncio.to_thread(taker.new_order, "BTCUSDT", Side.BUY, Type.MARKET, quantity=0.004)
        status = await client.order_status("BTCUSDT", orig_client_order_id="t-1-1")
        assert status.data().result.executed_qty == "0.00400000"
        cancelled = await client.order_cancel("BTCUSDT", order_id=order_id)
        assert cancelled.data().result.status == "CANCELED"
        await client.order_place(**order, side=WsSide.SELL, quantity=0.01, price=60_000)
        assert len((await client.open_orders_cancel_all("BTCUSDT")).data().result) == 1
        assert (await client.time()).data().result.server_time > 0
        await client.ping()
        assert (await client.account_status()).data().result.can_trade
        assert len((await client.my_trades("BTCUSDT")).data().result) == 1
        assert (await client.depth("BTCUSDT")).data().result.last_update_id > 0

        def reports() -> list[tuple[str, str]]:
            real = [event.actual_instance for event in events]
            return [(e.x, e.X) for e in real if type(e).__name__ == "ExecutionReport"]

        await eventually(lambda: len(reports()) >= 5, "five execution reports")
        assert reports() == [
            ("NEW", "NEW"),
            ("TRADE", "PARTIALLY_FILLED"),
            ("CANCELED", "CANCELED"),
            ("NEW", "NEW"),
            ("CANCELED", "CANCELED"),
        ]
        positions = [e.actual_instance for e in events]
        assert any(type(e).__name__ == "OutboundAccountPosition" for e in positions)


async def test_market_streams(venue: RunningVenue) -> None:
    client = Spot(
        config_ws_streams=ConfigurationWebSocketStreams(
            stream_url=f"wss://stream.{venue.hostname}", https_agent=venue.ssl_context()
        )
    ).websocket_streams
    await client.create_connection()
    try:
        heard: dict[str, list[Any]] = {}
        for name, opened in {
            "diff_book_depth": client.diff_book_depth("btcusdt"),
            "book_ticker": client.book_ticker("btcusdt"),
            "mini_ticker": client.mini_ticker("btcusdt"),
            "ticker": client.ticker("btcusdt"),
            "trade": client.trade("btcusdt"),
            "partial_book_depth": client.partial_book_depth("btcusdt", levels=5),
        }.items():
            (await opened).on("message", heard.setdefault(name, []).append)
        await eventually(lambda: all(heard.values()), f"an event of each stream, so far {heard}")
        assert heard["trade"][0].s == "BTCUSDT"
        depth = heard["diff_book_depth"]
        await eventually(lambda: len(depth) > 1, "a second depth event")
        assert depth[0].u + 1 == depth[1].U
    finally:
        await client.close_connection(close_session=True)
