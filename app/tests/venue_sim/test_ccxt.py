"""An unmodified ccxt.pro, by configuration alone, against the emulator over TLS."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import ccxt
import pytest

from tests.venue_sim.clients import ccxt_client
from tests.venue_sim.support import RunningVenue

SYMBOL = "BTC/USDT"
DEADLINE_SECONDS = 10


async def within(call: Any) -> Any:
    return await asyncio.wait_for(call, DEADLINE_SECONDS)


async def test_market_data(venue: RunningVenue) -> None:
    async with ccxt_client(venue) as client:
        markets = await client.load_markets()
        assert set(markets) == {"BTC/USDT", "ETH/USDT"}
        assert markets[SYMBOL]["precision"]["price"] == 0.01
        assert markets[SYMBOL]["precision"]["amount"] == 0.00001
        assert markets[SYMBOL]["limits"]["cost"]["min"] == 5
        assert abs(await client.fetch_time() - time.time() * 1000) < 5000
        book = await client.fetch_order_book(SYMBOL, 10)
        assert book["bids"][0][0] < book["asks"][0][0]
        assert len(book["bids"]) == 10
        assert 59_000 < (await client.fetch_ticker(SYMBOL))["last"] < 61_000
        assert isinstance(await client.fetch_trades(SYMBOL), list)
        assert (await client.fetch_bids_asks())[SYMBOL]["bid"] > 0


async def test_an_order_from_placing_to_cancelling(quiet_venue: RunningVenue) -> None:
    async with ccxt_client(quiet_venue) as client:
        placed = await client.create_order(SYMBOL, "limit", "buy", 0.01, 50_000, {"clientOrderId": "t-1-1"})
        assert (placed["clientOrderId"], placed["status"], placed["filled"]) == ("t-1-1", "open", 0)
        balance = await client.fetch_balance()
        assert (balance["USDT"]["free"], balance["USDT"]["used"]) == (99_500, 500)
        queried = await client.fetch_order(None, SYMBOL, {"origClientOrderId": "t-1-1"})
        assert queried["id"] == placed["id"]
        assert [order["id"] for order in await client.fetch_open_orders(SYMBOL)] == [placed["id"]]
        cancelled = await client.cancel_order(placed["id"], SYMBOL)
        assert cancelled["status"] == "canceled"
        assert cancelled["info"]["origClientOrderId"] == "t-1-1"
        assert await client.fetch_open_orders(SYMBOL) == []
        assert (await client.fetch_balance())["USDT"]["free"] == 100_000
        for _ in range(2):
            await client.create_order(SYMBOL, "limit", "buy", 0.01, 50_000)
        assert len(await client.cancel_all_orders(SYMBOL)) == 2
        statuses = [order["status"] for order in await client.fetch_orders(SYMBOL)]
        assert statuses == ["canceled"] * 3


async def test_fills_of_both_sides(quiet_venue: RunningVenue) -> None:
    async with ccxt_client(quiet_venue) as maker, ccxt_client(quiet_venue, "trader-02") as taker:
        resting = await maker.create_order(SYMBOL, "limit", "sell", 0.01, 60_000)
        bought = await taker.create_order(SYMBOL, "market", "buy", 0.004)
        assert (bought["status"], bought["average"], bought["cost"]) == ("closed", 60_000, 240)
        assert len(bought["trades"]) == 1
        (mine,) = await maker.fetch_my_trades(SYMBOL)
        (theirs,) = await taker.fetch_my_trades(SYMBOL)
        assert mine["id"] == theirs["id"]
        assert (mine["takerOrMaker"], theirs["takerOrMaker"]) == ("maker", "taker")
        assert (mine["order"], theirs["order"]) == (resting["id"], bought["id"])
        left = await maker.fetch_order(resting["id"], SYMBOL)
        assert (left["status"], left["filled"], left["remaining"]) == ("open", 0.004, 0.006)
        by_cost = await taker.create_market_buy_order_with_cost(SYMBOL, 120)
        assert (by_cost["filled"], by_cost["cost"]) == (0.002, 120)
        rest = await taker.create_order(SYMBOL, "limit", "buy", 0.01, 60_000, {"timeInForce": "IOC"})
        assert (rest["status"], rest["filled"]) == ("expired", 0.004)
        killed = await taker.create_order(SYMBOL, "limit", "buy", 0.01, 60_000, {"timeInForce": "FOK"})
        assert (killed["status"], killed["filled"]) == ("expired", 0)


async def test_orders_over_the_websocket(quiet_venue: RunningVenue) -> None:
    async with ccxt_client(quiet_venue) as client:
        new_id = {"newClientOrderId": "t-1-1"}
        placed = await within(client.create_order_ws(SYMBOL, "limit", "sell", "0.01", "70000", new_id))
        assert (placed["clientOrderId"], placed["status"]) == ("t-1-1", "open")
        queried = await within(client.fetch_order_ws(None, SYMBOL, {"origClientOrderId": "t-1-1"}))
        assert queried["id"] == placed["id"]
        assert len(await within(client.fetch_open_orders_ws(SYMBOL))) == 1
        assert (await within(client.cancel_order_ws(placed["id"], SYMBOL)))["status"] == "canceled"
        await within(client.create_order_ws(SYMBOL, "limit", "sell", 0.01, 70_000))
        assert len(await within(client.cancel_all_orders_ws(SYMBOL))) == 1


async def test_user_stream(quiet_venue: RunningVenue) -> None:
    async with ccxt_client(quiet_venue) as client, ccxt_client(quiet_venue, "trader-02") as other:
        await client.load_markets()
        seen: list[tuple[str, float]] = []

        async def watch() -> None:
            while True:
                seen.extend((order["status"], order["filled"]) for order in await client.watch_orders(SYMBOL))

        watching = asyncio.create_task(watch())
        trades = asyncio.create_task(client.watch_my_trades(SYMBOL))
        balance = asyncio.create_task(client.watch_balance())
        await until_subscribed(quiet_venue)
        order = await client.create_order(SYMBOL, "limit", "sell", 0.01, 60_000, {"clientOrderId": "t-1-1"})
        await other.create_order(SYMBOL, "market", "buy", 0.004)
        await client.cancel_order(order["id"], SYMBOL)
        (trade,) = await within(trades)
        assert (trade["amount"], trade["price"], trade["takerOrMaker"]) == (0.004, 60_000, "maker")
        assert (await within(balance))["BTC"]["total"] in (2, 1.996)
        while seen[-1:] != [("canceled", 0.004)]:
            await within(asyncio.sleep(0.01))
        assert [s for n, s in enumerate(seen) if s not in seen[:n]] == [
            ("open", 0.0),
            ("open", 0.004),
            ("canceled", 0.004),
        ]
        assert client.orders[0]["clientOrderId"] == "t-1-1"
        while client.balance["spot"]["BTC"] != {"free": 1.996, "used": 0.0, "total": 1.996}:
            await within(asyncio.sleep(0.01))
        assert client.balance["spot"]["USDT"]["total"] == 100_240
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def until_subscribed(venue: RunningVenue) -> None:
    """Wait until the venue has seen a user stream subscription."""
    while not any(e["endpoint"].startswith("userDataStream") for e in venue.record(kind="request")):
        await within(asyncio.sleep(0.02))


async def test_market_streams(venue: RunningVenue) -> None:
    async with ccxt_client(venue) as client:
        book = await within(client.watch_order_book(SYMBOL))
        first = book["nonce"]
        while (book := await within(client.watch_order_book(SYMBOL)))["nonce"] < first + 30:
            assert book["bids"][0][0] < book["asks"][0][0]
        assert (await within(client.watch_trades(SYMBOL)))[0]["symbol"] == SYMBOL
        assert 59_000 < (await within(client.watch_ticker(SYMBOL)))["last"] < 61_000
        assert SYMBOL in await within(client.watch_tickers([SYMBOL]))
        assert (await within(client.watch_bids_asks([SYMBOL])))[SYMBOL]["bid"] > 0
        await within(client.un_watch_order_book(SYMBOL))


async def test_watched_book_equals_the_venues(venue: RunningVenue) -> None:
    async with ccxt_client(venue) as client:
        for _ in range(20):
            watched = await within(client.watch_order_book(SYMBOL))
            copy = {side: [list(level) for level in watched[side]] for side in ("bids", "asks")}
            fetched = await client.fetch_order_book(SYMBOL, 1000)
            if fetched["nonce"] == watched["nonce"]:
                assert copy == {side: fetched[side] for side in ("bids", "asks")}
                return
        pytest.fail("the book never stood still between the stream and the snapshot")


LIMIT = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.001",
    "price": "50000",
}
MAKER = {"type": "LIMIT_MAKER", "timeInForce": None, "price": "62000"}
MARKET = {"type": "MARKET", "timeInForce": None}


@pytest.mark.parametrize(
    ("change", "code", "error"),
    [
        ({"price": "50000.001"}, -1013, ccxt.InvalidOrder),
        ({"quantity": "0.000011"}, -1013, ccxt.InvalidOrder),
        ({"quantity": "0.00001"}, -1013, ccxt.BadRequest),
        ({"quantity": "0"}, -1013, ccxt.BadRequest),
        ({"recvWindow": "5000", "timestamp": "1600000000000"}, -1021, ccxt.InvalidNonce),
        ({"timestamp": "1900000000000000"}, -1021, ccxt.InvalidNonce),
        ({"quantity": "1e-3"}, -1100, ccxt.BadRequest),
        ({"newClientOrderId": "with space"}, -1100, ccxt.BadRequest),
        ({"timeInForce": None}, -1102, ccxt.BadRequest),
        ({"color": "red"}, -1104, ccxt.BadRequest),
        ({"price": ""}, -1105, ccxt.BadRequest),
        (MARKET, -1106, ccxt.BadRequest),
        ({"quantity": "0.0010000001"}, -1111, ccxt.BadRequest),
        ({"timeInForce": "GTX"}, -1115, ccxt.BadRequest),
        ({"type": "LIMITED"}, -1116, ccxt.BadRequest),
        ({"side": "HOLD"}, -1117, ccxt.BadRequest),
        ({"symbol": "BTCEUR"}, -1121, ccxt.BadSymbol),
        ({"newOrderRespType": "SOME"}, -1136, ccxt.ExchangeError),
        ({"quantity": "3"}, -2010, ccxt.InsufficientFunds),
        ({"newClientOrderId": "taken"}, -2010, ccxt.InvalidOrder),
        (MAKER, -2010, ccxt.OrderImmediatelyFillable),
        ({"type": "STOP_LOSS_LIMIT"}, -2010, ccxt.InvalidOrder),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
async def test_refused_orders_by_class(
    quiet_venue: RunningVenue, change: dict[str, str | None], code: int, error: type[Exception]
) -> None:
    async with ccxt_client(quiet_venue) as client:
        await client.create_order(SYMBOL, "limit", "buy", 0.001, 50_000, {"clientOrderId": "taken"})
        await client.create_order(SYMBOL, "limit", "sell", 0.001, 61_000)
        request = {name: value for name, value in {**LIMIT, **change}.items() if value is not None}
        with pytest.raises(ccxt.BaseError) as refused:
            await client.private_post_order(request)
        assert type(refused.value) is error
        last = quiet_venue.record(kind="request")[-1]
        assert (last["code"], last["http_status"]) == (code, 400)
        assert len(await client.fetch_open_orders(SYMBOL)) == 2, "a refused order was placed"


async def test_unknown_orders(quiet_venue: RunningVenue) -> None:
    async with ccxt_client(quiet_venue) as client:
        for call, code in (
            (client.fetch_order("999", SYMBOL), -2013),
            (client.fetch_order(None, SYMBOL, {"origClientOrderId": "nobody"}), -2013),
            (client.cancel_order("999", SYMBOL), -2011),
            (client.cancel_all_orders(SYMBOL), -2011),
        ):
            with pytest.raises(ccxt.OrderNotFound):
                await call
            assert quiet_venue.record(kind="request")[-1]["code"] == code


@pytest.mark.parametrize(
    ("credentials", "code"),
    [
        ({"secret": "another secret"}, -1022),
        ({"apiKey": "?"}, -2014),
        ({"apiKey": "an-unknown-api-key"}, -2015),
    ],
)
async def test_refused_credentials(quiet_venue: RunningVenue, credentials: dict[str, str], code: int) -> None:
    async with ccxt_client(quiet_venue, **credentials) as client:
        with pytest.raises(ccxt.AuthenticationError) as refused:
            await client.fetch_balance()
        assert f'"code":{code}' in str(refused.value)


async def test_refusals_over_the_websocket_have_the_same_classes(quiet_venue: RunningVenue) -> None:
    async with ccxt_client(quiet_venue) as client:
        for amount, price, params, error in (
            (3, 50_000, {}, ccxt.InsufficientFunds),
            (0.0001, 1000, {}, ccxt.BadRequest),
            (
                0.001,
                50_000,
                {"clientOrderId": "x"},
                ccxt.BadRequest,
            ),  # -1104: not a name of the WebSocket API
        ):
            with pytest.raises(error):
                await within(client.create_order_ws(SYMBOL, "limit", "buy", amount, price, params))
        with pytest.raises(ccxt.OrderNotFound):
            await within(client.fetch_order_ws("999", SYMBOL))


async def test_rate_limit_and_its_headers(make_venue: Any) -> None:
    venue = make_venue(background={"events_per_second": 0}, limits={"weight_per_minute": 60})
    async with ccxt_client(venue) as client:
        await client.load_markets()
        await client.fetch_balance()
        assert client.last_response_headers["X-MBX-USED-WEIGHT-1M"] == "40"
        await client.create_order(SYMBOL, "limit", "buy", 0.001, 50_000)
        assert client.last_response_headers["X-MBX-ORDER-COUNT-10S"] == "1"
        with pytest.raises(ccxt.DDoSProtection):
            await client.fetch_balance()
        assert 1 <= int(client.last_response_headers["Retry-After"]) <= 60
