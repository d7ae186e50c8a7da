"""The venue's own SDK for USDM futures against the emulator, as test_sdk.py does for spot."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_common.errors import BadRequestError
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
    DerivativesTradingUsdsFutures,
)
from binance_sdk_derivatives_trading_usds_futures.rest_api.models import (
    NewAlgoOrderAlgoTypeEnum,
    NewAlgoOrderSideEnum,
    NewAlgoOrderTypeEnum,
    NewOrderNewOrderRespTypeEnum,
)
from binance_sdk_derivatives_trading_usds_futures.rest_api.models import NewOrderSideEnum as Side
from binance_sdk_derivatives_trading_usds_futures.rest_api.models import (
    NewOrderTimeInForceEnum as TimeInForce,
)
from binance_sdk_derivatives_trading_usds_futures.rest_api.models import NewOrderTypeEnum as Type
from binance_sdk_derivatives_trading_usds_futures.websocket_api.models import NewOrderSideEnum as WsSide
from binance_sdk_derivatives_trading_usds_futures.websocket_api.models import (
    NewOrderTimeInForceEnum as WsTimeInForce,
)
from binance_sdk_derivatives_trading_usds_futures.websocket_api.models import NewOrderTypeEnum as WsType

from tests.venue_sim.support import USDM, RunningVenue, eventually

LIMIT: dict[str, Any] = {"symbol": "BTCUSDT", "type": Type["LIMIT"], "time_in_force": TimeInForce["GTC"]}
RESULT = NewOrderNewOrderRespTypeEnum["RESULT"]


@pytest.fixture(autouse=True)
def shapes_fit(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The SDK only warns about an answer that its models refuse: here that fails the test."""
    caplog.set_level(logging.WARNING)
    yield
    heard = [record.getMessage() for record in caplog.get_records("call")]
    assert not [text for text in heard if "did not match" in text or "Failed to parse" in text]


@pytest.fixture
def futures(make_venue: Callable[..., RunningVenue]) -> RunningVenue:
    return make_venue(usdm=USDM, background={"events_per_second": 0})


def rest(venue: RunningVenue, account: str = "trader-01") -> Any:
    credentials = venue.accounts[account]
    return DerivativesTradingUsdsFutures(
        config_rest_api=ConfigurationRestAPI(
            api_key=credentials.api_key,
            api_secret=credentials.api_secret,
            base_path=f"https://fapi.{venue.hostname}",
            https_agent=venue.ssl_context(),
            timeout=5000,
            retries=0,
        )
    ).rest_api


def test_market_data(make_venue: Callable[..., RunningVenue]) -> None:
    api = rest(make_venue(usdm=USDM))
    api.test_connectivity().data()
    assert api.check_server_time().data().server_time > 1_600_000_000_000
    info = api.exchange_information().data()
    assert [(s.symbol, s.contract_type) for s in info.symbols] == [
        ("BTCUSDT", "PERPETUAL"),
        ("ETHUSDT", "PERPETUAL"),
    ]
    book = api.order_book("BTCUSDT", limit=5).data()
    assert len(book.bids) == len(book.asks) == 5
    api.recent_trades_list("BTCUSDT").data()
    api.compressed_aggregate_trades_list("BTCUSDT").data()
    api.ticker24hr_price_change_statistics(symbol="BTCUSDT").data()
    api.symbol_price_ticker(symbol="BTCUSDT").data()
    api.symbol_price_ticker_v2(symbol="BTCUSDT").data()
    api.symbol_order_book_ticker(symbol="BTCUSDT").data()
    api.mark_price(symbol="BTCUSDT").data()


def test_an_order_from_placing_to_cancelling(futures: RunningVenue) -> None:
    api = rest(futures)
    placed = api.new_order(**LIMIT, side=Side["BUY"], quantity=0.01, price=50_000, new_client_order_id="t-1")
    assert (placed.data().client_order_id, placed.data().status) == ("t-1", "NEW")
    queried = api.query_order("BTCUSDT", orig_client_order_id="t-1").data()
    assert queried.order_id == placed.data().order_id
    assert api.query_current_open_order("BTCUSDT", order_id=queried.order_id).data().status == "NEW"
    assert len(api.current_all_open_orders(symbol="BTCUSDT").data()) == 1
    assert api.cancel_order("BTCUSDT", order_id=queried.order_id).data().status == "CANCELED"
    api.new_order(**LIMIT, side=Side["BUY"], quantity=0.01, price=50_000)
    assert api.auto_cancel_all_open_orders("BTCUSDT", 60_000).data().countdown_time == "60000"
    assert api.cancel_all_open_orders("BTCUSDT").data().code == 200
    assert len(api.all_orders("BTCUSDT").data()) == 2
    with pytest.raises(BadRequestError) as refused:
        api.new_order(**LIMIT, side=Side["BUY"], quantity=0.01, price=50_000, new_client_order_id="t-1")
    assert refused.value.status_code == -4116


def test_conditional_orders(futures: RunningVenue) -> None:
    api = rest(futures)
    placed = api.new_algo_order(
        NewAlgoOrderAlgoTypeEnum["CONDITIONAL"], "BTCUSDT", NewAlgoOrderSideEnum["SELL"],
        NewAlgoOrderTypeEnum["STOP_MARKET"], quantity=0.01, trigger_price=55_000, client_algo_id="a-1",
    ).data()  # fmt: skip
    assert (placed.client_algo_id, placed.algo_status) == ("a-1", "NEW")
    assert api.query_algo_order(client_algo_id="a-1").data().algo_id == placed.algo_id
    assert len(api.current_all_algo_open_orders().data()) == 1
    assert len(api.query_all_algo_orders("BTCUSDT").data()) == 1
    api.cancel_algo_order(algo_id=placed.algo_id).data()
    api.cancel_all_algo_open_orders("BTCUSDT").data()
    assert api.query_algo_order(client_algo_id="a-1").data().algo_status == "CANCELED"


def test_fills_and_the_account(futures: RunningVenue) -> None:
    maker, taker = rest(futures), rest(futures, "trader-02")
    maker.new_order(**LIMIT, side=Side["SELL"], quantity=0.01, price=60_000)
    bought = taker.new_order(
        "BTCUSDT", Side["BUY"], Type["MARKET"], quantity=0.004, new_order_resp_type=RESULT
    ).data()
    assert (bought.status, bought.executed_qty) == ("FILLED", "0.00400000")
    (fill,) = taker.account_trade_list("BTCUSDT").data()
    assert (fill.maker, fill.buyer, fill.realized_pnl) == (False, True, "0.00000000")
    assert taker.account_information_v2().data().total_wallet_balance == "10000.00000000"
    assert taker.account_information_v3().data().positions[0].position_amt == "0.00400000"
    assert taker.futures_account_balance_v2().data()[0].asset == "USDT"
    assert taker.futures_account_balance_v3().data()[0].asset == "USDT"
    assert len(taker.position_information_v2().data()) == 2
    (position,) = taker.position_information_v3().data()
    assert (position.position_amt, position.entry_price) == ("0.00400000", "60000.00000000")
    assert taker.get_current_position_mode().data().dual_side_position is False
    assert taker.change_initial_leverage("BTCUSDT", 10).data().leverage == 10
    taker.notional_and_leverage_brackets().data()
    taker.get_income_history().data()


@pytest.mark.filterwarnings("ignore:parameter 'timeout'")  # the SDK's own
async def test_websocket_api_and_user_stream(futures: RunningVenue) -> None:
    credentials = futures.accounts["trader-01"]
    sdk = DerivativesTradingUsdsFutures(
        config_ws_api=ConfigurationWebSocketAPI(
            api_key=credentials.api_key,
            api_secret=credentials.api_secret,
            stream_url=f"wss://ws-fapi.{futures.hostname}/ws-fapi/v1",
            https_agent=futures.ssl_context(),
        ),
        config_ws_streams=ConfigurationWebSocketStreams(
            stream_url=f"wss://fstream.{futures.hostname}", https_agent=futures.ssl_context()
        ),
    )
    api, streams = sdk.websocket_api, sdk.websocket_streams
    await api.create_connection()
    await streams.create_connection()
    try:
        key = (await api.start_user_data_stream()).data().result.listen_key
        await api.keepalive_user_data_stream()
        events: list[Any] = []
        (await streams.user_data(key)).on("message", events.append)
        await eventually(
            lambda: futures.call(lambda server: server.usdm and server.usdm.streams.has(key)), "the stream"
        )
        placed = await api.new_order(
            "BTCUSDT", WsSide["SELL"], WsType["LIMIT"], time_in_force=WsTimeInForce["GTC"], quantity=0.01,
            price=60_000, new_client_order_id="t-1",
        )  # fmt: skip
        order_id = placed.data().result.order_id
        taker = rest(futures, "trader-02")
        await asyncio.to_thread(taker.new_order, "BTCUSDT", Side["BUY"], Type["MARKET"], quantity=0.004)
        status = await api.query_order("BTCUSDT", orig_client_order_id="t-1")
        assert status.data().result.executed_qty == "0.00400000"
        assert (await api.position_information_v2()).data().result[0].position_amt == "-0.00400000"
        assert (await api.futures_account_balance_v2()).data().result[0].asset == "USDT"
        assert (await api.account_information_v2()).data().result.total_wallet_balance == "10000.00000000"
        assert (await api.cancel_order("BTCUSDT", order_id=order_id)).data().result.status == "CANCELED"

        def kinds() -> list[str]:
            return [type(event.actual_instance).__name__ for event in events]

        await eventually(lambda: len(events) >= 4, "four events")
        assert kinds() == ["OrderTradeUpdate", "OrderTradeUpdate", "AccountUpdate", "OrderTradeUpdate"]
    finally:
        await streams.close_connection(close_session=True)
        await api.close_connection(close_session=True)


async def test_market_streams(make_venue: Callable[..., RunningVenue]) -> None:
    venue = make_venue(usdm=USDM)
    client = DerivativesTradingUsdsFutures(
        config_ws_streams=ConfigurationWebSocketStreams(
            stream_url=f"wss://fstream.{venue.hostname}", https_agent=venue.ssl_context()
        )
    ).websocket_streams
    await client.create_connection()
    try:
        heard: dict[str, list[Any]] = {}
        for name, opened in {
            "depth": client.diff_book_depth_streams("btcusdt"),
            "book_ticker": client.individual_symbol_book_ticker_streams("btcusdt"),
            "mini_ticker": client.individual_symbol_mini_ticker_stream("btcusdt"),
            "ticker": client.individual_symbol_ticker_streams("btcusdt"),
            "aggregate": client.aggregate_trade_streams("btcusdt"),
            "mark_price": client.mark_price_stream("btcusdt"),
            "partial": client.partial_book_depth_streams("btcusdt", levels=5),
        }.items():
            (await opened).on("message", heard.setdefault(name, []).append)
        await eventually(lambda: all(heard.values()), f"an event of each stream, so far {heard}")
        depth = heard["depth"]
        await eventually(lambda: len(depth) > 1, "a second depth event")
        assert depth[0].u == depth[1].pu
    finally:
        await client.close_connection(close_session=True)
