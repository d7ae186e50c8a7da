"""An unmodified ccxt.pro binanceusdm against the emulator, by configuration only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import ccxt.pro
import pytest

from tests.venue_sim.clients import usdm_client
from tests.venue_sim.support import USDM, RunningVenue, eventually

SYMBOL = "BTC/USDT:USDT"
DEADLINE_SECONDS = 10

T = TypeVar("T")


async def within(waiting: Awaitable[T]) -> T:
    return await asyncio.wait_for(waiting, DEADLINE_SECONDS)


@pytest.fixture
def futures(make_venue: Callable[..., RunningVenue]) -> RunningVenue:
    """Nobody trades but the test's own accounts; fees as the real venue's."""
    usdm = {**USDM, "fees": {"maker": "0.0002", "taker": "0.0005"}}
    return make_venue(usdm=usdm, background={"events_per_second": 0})


@pytest.fixture
def lively(make_venue: Callable[..., RunningVenue]) -> RunningVenue:
    return make_venue(usdm=USDM)


async def test_market_data(lively: RunningVenue) -> None:
    async with usdm_client(lively) as client:
        markets = await client.load_markets()
        assert set(markets) == {SYMBOL, "ETH/USDT:USDT"}
        market = markets[SYMBOL]
        assert (market["swap"], market["linear"], market["settle"]) == (True, True, "USDT")
        assert (market["precision"]["price"], market["precision"]["amount"]) == (0.1, 0.001)
        assert market["limits"]["cost"]["min"] == 100
        assert await client.fetch_time() > 1_600_000_000_000
        book = await client.fetch_order_book(SYMBOL, 5)
        assert book["bids"][0][0] < book["asks"][0][0]
        assert 59_000 < (await client.fetch_ticker(SYMBOL))["last"] < 61_000
        assert (await client.fetch_bids_asks([SYMBOL]))[SYMBOL]["bid"] > 0
        assert (await client.fetch_last_prices([SYMBOL]))[SYMBOL]["price"] > 0
        assert 59_000 < (await client.fetch_mark_price(SYMBOL))["markPrice"] < 61_000
        assert isinstance(await client.fetch_trades(SYMBOL), list)


async def test_an_order_from_placing_to_cancelling(futures: RunningVenue) -> None:
    async with usdm_client(futures) as client:
        placed = await client.create_order(SYMBOL, "limit", "buy", 0.01, 50_000, {"newClientOrderId": "t-1"})
        assert (placed["clientOrderId"], placed["status"], placed["filled"]) == ("t-1", "open", 0)
        queried = await client.fetch_order(None, SYMBOL, {"origClientOrderId": "t-1"})
        assert queried["id"] == placed["id"]
        assert (await client.fetch_open_order(placed["id"], SYMBOL))["id"] == placed["id"]
        assert len(await client.fetch_open_orders(SYMBOL)) == 1
        balance = await client.fetch_balance()
        assert (balance["USDT"]["total"], balance["USDT"]["used"]) == (10_000, 25)
        cancelled = await client.cancel_order(None, SYMBOL, {"origClientOrderId": "t-1"})
        assert cancelled["status"] == "canceled"
        assert (await client.fetch_balance())["USDT"]["free"] == 10_000
        for _ in range(2):
            await client.create_order(SYMBOL, "limit", "buy", 0.01, 50_000)
        await client.cancel_all_orders(SYMBOL)
        await client.cancel_all_orders(SYMBOL)  # none is open: no error here, unlike spot
        assert [o["status"] for o in await client.fetch_orders(SYMBOL)] == ["canceled"] * 3


async def test_fills_make_positions(futures: RunningVenue) -> None:
    async with usdm_client(futures) as maker, usdm_client(futures, "trader-02") as taker:
        await maker.create_order(SYMBOL, "limit", "sell", 0.01, 60_000)
        bought = await taker.create_order(SYMBOL, "market", "buy", 0.004)
        assert (bought["status"], bought["average"], bought["filled"]) == ("closed", 60_000, 0.004)
        (long,) = await taker.fetch_positions()
        (short,) = await maker.fetch_positions([SYMBOL])
        assert (long["side"], long["contracts"], long["entryPrice"]) == ("long", 0.004, 60_000)
        assert (short["side"], short["contracts"]) == ("short", 0.004)
        assert long["initialMargin"] == 12
        await maker.cancel_all_orders(SYMBOL)
        await maker.create_order(SYMBOL, "limit", "buy", 0.01, 60_500)
        await taker.create_order(SYMBOL, "market", "sell", 0.004, None, {"reduceOnly": True})
        assert await taker.fetch_positions() == []
        opened, closed = await taker.fetch_my_trades(SYMBOL)
        assert (opened["info"]["realizedPnl"], closed["info"]["realizedPnl"]) == ("0.00000000", "2.00000000")
        assert (opened["fee"]["cost"], closed["fee"]["cost"]) == (0.12, 0.121)
        assert (await taker.fetch_balance())["USDT"]["total"] == 10_000 + 2 - 0.241
        income = await taker.fapiPrivateGetIncome({"symbol": "BTCUSDT"})
        assert [(row["incomeType"], float(row["income"])) for row in income] == [
            ("COMMISSION", -0.12),
            ("COMMISSION", -0.121),
            ("REALIZED_PNL", 2.0),
        ]
    _, positions = futures.admin("GET", "/accounts/trader-02/positions")
    assert positions == [
        {"symbol": "BTCUSDT", "amount": "0.00000000", "entry_price": "0.00000000", "realised": "2.00000000"}
    ]
    assert len(futures.admin("GET", "/accounts/trader-02/fills?market=usdm")[1]) == 2
    assert futures.admin("GET", "/accounts/trader-02/fills")[1] == []
    assert (
        futures.admin("GET", "/accounts/trader-02/balances?market=usdm")[1]["USDT"]["wallet"]
        == "10001.75900000"
    )


async def test_account_reads_of_both_versions(futures: RunningVenue) -> None:
    async with usdm_client(futures) as maker, usdm_client(futures, "trader-02") as client:
        await maker.create_order(SYMBOL, "limit", "sell", 0.01, 60_000)
        await client.create_order(SYMBOL, "market", "buy", 0.01)
        assert len((await client.fapiPrivateV2GetAccount())["positions"]) == 2
        assert len((await client.fapiPrivateV3GetAccount())["positions"]) == 1
        assert len(await client.fapiPrivateV2GetPositionRisk()) == 2
        assert len(await client.fapiPrivateV3GetPositionRisk()) == 1
        for balances in (await client.fapiPrivateV2GetBalance(), await client.fapiPrivateV3GetBalance()):
            assert [(row["asset"], row["balance"]) for row in balances] == [("USDT", "9999.70000000")]
        assert (await client.fetch_position_mode())["hedged"] is False
        tiers = await client.fetch_leverage_tiers([SYMBOL])
        assert tiers[SYMBOL][0]["maxLeverage"] == 125
        assert (await client.set_leverage(10, SYMBOL))["leverage"] == 10
        (position,) = await client.fetch_positions()
        assert position["initialMargin"] == 60


async def test_orders_over_the_websocket(futures: RunningVenue) -> None:
    async with usdm_client(futures) as client:
        new_id = {"newClientOrderId": "t-1"}
        placed = await within(client.create_order_ws(SYMBOL, "limit", "buy", "0.01", "50000", new_id))
        assert (placed["clientOrderId"], placed["status"]) == ("t-1", "open")
        queried = await within(client.fetch_order_ws(None, SYMBOL, {"origClientOrderId": "t-1"}))
        assert queried["id"] == placed["id"]
        assert (await within(client.cancel_order_ws(placed["id"], SYMBOL)))["status"] == "canceled"
        assert (await within(client.fetch_balance_ws({"method": "account.balance"})))["USDT"][
            "total"
        ] == 10_000
        assert await within(client.fetch_positions_ws([SYMBOL])) == []
        trigger = {"triggerPrice": 70_000}
        algo = await within(client.create_order_ws(SYMBOL, "market", "buy", 0.01, None, trigger))
        assert algo["status"] == "open"
        await within(client.cancel_order_ws(algo["id"], SYMBOL, {"trigger": True}))
        assert await client.fetch_open_orders(SYMBOL, None, None, {"trigger": True}) == []
    assert {e["market"] for e in futures.record(kind="request")} == {"usdm"}


async def test_user_streams(futures: RunningVenue) -> None:
    async with usdm_client(futures) as client, usdm_client(futures, "trader-02") as other:
        await client.load_markets()
        seen: list[tuple[str, float]] = []

        async def watch() -> None:
            while True:
                seen.extend((o["status"], o["filled"]) for o in await client.watch_orders(SYMBOL))

        watching = asyncio.create_task(watch())
        trades = asyncio.create_task(client.watch_my_trades(SYMBOL))
        assert await within(client.watch_positions([SYMBOL])) == []  # a snapshot comes first
        positions = asyncio.create_task(client.watch_positions([SYMBOL]))
        balance = asyncio.create_task(client.watch_balance())
        await until_connected(futures, client)
        order = await client.create_order(SYMBOL, "limit", "sell", 0.01, 60_000, {"newClientOrderId": "t-1"})
        await other.create_order(SYMBOL, "market", "buy", 0.004)
        await client.cancel_order(order["id"], SYMBOL)
        (trade,) = await within(trades)
        assert (trade["amount"], trade["price"], trade["takerOrMaker"]) == (0.004, 60_000, "maker")
        (position,) = await within(positions)
        assert (position["side"], position["contracts"], position["entryPrice"]) == ("short", 0.004, 60_000)
        assert (await within(balance))["USDT"]["total"] == 10_000 - 0.048
        await eventually(lambda: seen[-1:] == [("canceled", 0.004)], "the cancelled order")
        assert [s for n, s in enumerate(seen) if s not in seen[:n]] == [
            ("open", 0.0),
            ("open", 0.004),
            ("canceled", 0.004),
        ]
        assert client.orders[0]["clientOrderId"] == "t-1"
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def until_connected(venue: RunningVenue, client: Any) -> None:
    """Wait until a client's user data stream is subscribed."""

    def connected() -> bool:
        key = client.options.get("linear", {}).get("listenKey")
        return bool(key) and bool(venue.call(lambda server: server.usdm and server.usdm.streams.has(key)))

    await eventually(connected, "the user data stream")


async def test_an_expired_listen_key_tells_and_then_is_silent(futures: RunningVenue) -> None:
    async with usdm_client(futures) as client:
        await client.load_markets()
        watching = asyncio.create_task(client.watch_orders(SYMBOL))
        await until_connected(futures, client)
        key = client.options["linear"]["listenKey"]
        heard: list[Any] = []
        (stream,) = (c for url, c in client.clients.items() if "listenKey" in url)
        handle = stream.on_message_callback

        def listen(peer: Any, message: Any) -> None:
            heard.append(message)
            handle(peer, message)

        stream.on_message_callback = listen
        assert futures.admin("DELETE", "/accounts/trader-01/listen-key") == (200, {"expired": 1})
        assert futures.admin("DELETE", "/accounts/trader-01/listen-key")[0] == 404
        await eventually(lambda: heard, "listenKeyExpired")
        assert (heard[0]["e"], heard[0]["listenKey"]) == ("listenKeyExpired", key)
        with pytest.raises(ccxt.ExchangeError, match="-1125"):
            await client.fapiPrivatePutListenKey()
        await client.create_order(SYMBOL, "limit", "buy", 0.01, 50_000)
        fresh = (await client.fapiPrivatePostListenKey())["listenKey"]
        assert fresh != key
        assert not watching.done()
        assert len(heard) == 1
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_market_streams(lively: RunningVenue) -> None:
    async with usdm_client(lively) as client:
        book = await within(client.watch_order_book(SYMBOL))
        first = book["nonce"]
        while (book := await within(client.watch_order_book(SYMBOL)))["nonce"] < first + 30:
            assert book["bids"][0][0] < book["asks"][0][0]
        assert (await within(client.watch_bids_asks([SYMBOL])))[SYMBOL]["bid"] > 0
        assert 59_000 < (await within(client.watch_ticker(SYMBOL)))["last"] < 61_000
        assert (await within(client.watch_trades(SYMBOL)))[0]["symbol"] == SYMBOL
        agg = await within(client.watch_trades(SYMBOL, None, None, {"name": "aggTrade"}))
        assert agg[0]["symbol"] == SYMBOL
        assert (await within(client.watch_mark_price(SYMBOL)))["markPrice"] > 0


async def test_watched_book_equals_the_venues(lively: RunningVenue) -> None:
    async with usdm_client(lively) as client:
        for _ in range(20):
            watched = await within(client.watch_order_book(SYMBOL))
            copy = {side: [list(level) for level in watched[side]] for side in ("bids", "asks")}
            fetched = await client.fetch_order_book(SYMBOL, 1000)
            if fetched["nonce"] == watched["nonce"]:
                assert copy == {side: fetched[side] for side in ("bids", "asks")}
                return
        pytest.fail("the book never stood still between the stream and the snapshot")


async def test_conditional_orders_live_apart(futures: RunningVenue) -> None:
    async with usdm_client(futures) as client, usdm_client(futures, "trader-02") as other:
        plain = await client.create_order(SYMBOL, "limit", "buy", 0.01, 50_000)
        stop = await client.create_order(
            SYMBOL, "market", "sell", 0.01, None, {"triggerPrice": 55_000, "clientAlgoId": "a-1"}
        )
        take = await client.create_order(SYMBOL, "market", "sell", 0.01, None, {"takeProfitPrice": 65_000})
        assert [o["id"] for o in await client.fetch_open_orders(SYMBOL)] == [plain["id"]]
        trigger = {"trigger": True}
        listed = await client.fetch_open_orders(SYMBOL, None, None, trigger)
        assert [o["id"] for o in listed] == [stop["id"], take["id"]]
        found = await client.fetch_order(None, SYMBOL, {**trigger, "clientAlgoId": "a-1"})
        assert (found["status"], found["triggerPrice"]) == ("open", 55_000)
        await client.cancel_all_orders(SYMBOL)
        assert len(await client.fetch_open_orders(SYMBOL, None, None, trigger)) == 2
        await client.cancel_order(take["id"], SYMBOL, trigger)
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order(take["id"], SYMBOL, trigger)
        again = await client.create_order(SYMBOL, "market", "sell", 0.01, None, {"takeProfitPrice": 65_000})
        await client.cancel_all_orders(SYMBOL, trigger)
        assert await client.fetch_open_orders(SYMBOL, None, None, trigger) == []
        assert (await client.fetch_order(again["id"], SYMBOL, trigger))["status"] == "canceled"
        # one that triggers: the last price falls to 54 000
        await client.create_order(SYMBOL, "market", "sell", 0.01, None, {"triggerPrice": 58_000})
        await other.create_order(SYMBOL, "limit", "buy", 0.03, 57_500)
        await client.create_order(SYMBOL, "limit", "sell", 0.01, 57_500)
        (short,) = await client.fetch_positions()
        assert short["contracts"] == 0.02
        done = (await client.fetch_orders(SYMBOL, None, None, trigger))[-1]
        assert (done["status"], done["info"]["algoStatus"]) == ("closed", "FINISHED")
        assert (await client.fetch_order(done["info"]["actualOrderId"], SYMBOL))["filled"] == 0.01
    statuses = [e["status"] for e in futures.record(kind="algo") if e["algo_id"] == int(done["id"])]
    assert statuses == ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]


async def test_batch(futures: RunningVenue) -> None:
    async with usdm_client(futures) as client:
        wanted = [
            {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": amount, "price": 50_000}
            for amount in (0.01, 1000)
        ]
        answers = {order["status"]: order for order in await client.create_orders(wanted)}
        assert answers.keys() == {"open", "rejected"}
        assert answers["rejected"]["info"]["code"] == -2019
        assert len(await client.fetch_open_orders(SYMBOL)) == 1


async def test_countdown_fires_unless_it_is_armed_again(futures: RunningVenue) -> None:
    async with usdm_client(futures) as client, usdm_client(futures, "trader-02") as other:
        await client.load_markets()

        async def arm(milliseconds: int) -> Any:
            return await client.fapiPrivatePostCountdownCancelAll(
                {"symbol": "BTCUSDT", "countdownTime": milliseconds}
            )

        kept = await other.create_order(SYMBOL, "limit", "buy", 0.01, 50_000)
        await client.create_order("ETH/USDT:USDT", "limit", "buy", 0.1, 2_900)
        mine = await client.create_order(SYMBOL, "limit", "buy", 0.01, 50_000)
        assert await arm(60_000) == {"symbol": "BTCUSDT", "countdownTime": "60000"}
        await arm(0)
        await arm(300)
        await arm(600_000)
        await arm(250)
        await eventually(lambda: noted(futures)[-1:] == ["fired"], "the countdown")
        assert noted(futures) == ["armed", "disarmed", "armed", "armed", "armed", "fired"]
        assert await client.fetch_open_orders(SYMBOL) == []
        assert len(await client.fetch_open_orders("ETH/USDT:USDT")) == 1
        assert (await client.fetch_order(mine["id"], SYMBOL))["status"] == "canceled"
        assert [o["id"] for o in await other.fetch_open_orders(SYMBOL)] == [kept["id"]]
    (fired,) = (e for e in futures.record(kind="countdown") if e["action"] == "fired")
    cancelled = [e for e in futures.record(kind="order") if e.get("cause") == "countdown"]
    assert [(e["order_id"], e["event"], e["request_id"]) for e in cancelled] == [
        (int(mine["id"]), "CANCELED", None)
    ]
    assert cancelled[0]["time_ms"] >= fired["due_ms"]


def noted(venue: RunningVenue) -> list[str]:
    return [e["action"] for e in venue.record(kind="countdown")]


LIMIT = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.010",
    "price": "50000",
}
MARKET = {"type": "MARKET", "timeInForce": None, "price": None}


@pytest.mark.parametrize(
    ("change", "code", "error"),
    [
        ({"price": "50000.05"}, -1111, ccxt.BadRequest),
        ({"quantity": "0.0101"}, -1111, ccxt.BadRequest),
        ({"timestamp": "1600000000000"}, -1021, ccxt.InvalidNonce),
        ({"quantity": "1e-3"}, -1100, ccxt.BadRequest),
        ({"newClientOrderId": "with space"}, -1100, ccxt.BadRequest),
        ({"quantity": None}, -1102, ccxt.BadRequest),
        ({"timeInForce": None}, -1102, ccxt.BadRequest),
        ({"color": "red"}, -1104, ccxt.BadRequest),
        ({"price": ""}, -1105, ccxt.BadRequest),
        ({"type": "MARKET"}, -1106, ccxt.BadRequest),
        ({"timeInForce": "GTD"}, -1115, ccxt.BadRequest),
        ({"type": "LIMITED"}, -1116, ccxt.BadRequest),
        ({"side": "HOLD"}, -1117, ccxt.BadRequest),
        ({"symbol": "BTCEUR"}, -1121, ccxt.BadSymbol),
        ({"reduceOnly": "maybe"}, -1130, ccxt.BadRequest),
        ({"quantity": "10"}, -2019, ccxt.InsufficientFunds),
        ({**MARKET, "quantity": "10"}, -2019, ccxt.InsufficientFunds),
        ({"reduceOnly": "true"}, -2022, ccxt.InvalidOrder),
        ({"price": "0"}, -4001, ccxt.BadRequest),
        ({"price": "9000000"}, -4002, ccxt.BadRequest),
        ({"quantity": "0"}, -4003, ccxt.BadRequest),
        ({"quantity": "99999999"}, -4005, ccxt.BadRequest),
        ({"price": "63001"}, -4016, ccxt.BadRequest),
        ({"side": "SELL", "price": "56999"}, -4024, ccxt.BadRequest),
        ({"positionSide": "LONG"}, -4061, ccxt.OperationRejected),
        ({"newClientOrderId": "open"}, -4116, ccxt.InvalidOrder),
        ({"newClientOrderId": "closed"}, -4116, ccxt.InvalidOrder),
        ({"type": "STOP_MARKET", "timeInForce": None, "stopPrice": "1"}, -4120, ccxt.InvalidOrder),
        ({"quantity": "0.001"}, -4164, ccxt.InvalidOrder),
        ({"timeInForce": "FOK", "price": "61000", "quantity": "1.5"}, -5021, ccxt.OrderNotFillable),
        ({"timeInForce": "GTX", "price": "61000"}, -5022, ccxt.OrderNotFillable),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
async def test_refused_orders_by_class(
    futures: RunningVenue, change: dict[str, str | None], code: int, error: type[Exception]
) -> None:
    async with usdm_client(futures) as client, usdm_client(futures, "trader-02") as other:
        await other.create_order(SYMBOL, "limit", "sell", 1, 60_900)
        await client.create_order(SYMBOL, "limit", "buy", 0.01, 50_000, {"newClientOrderId": "open"})
        await client.create_order(SYMBOL, "limit", "buy", 0.01, 50_000, {"newClientOrderId": "closed"})
        await client.cancel_order(None, SYMBOL, {"origClientOrderId": "closed"})
        request = {name: value for name, value in {**LIMIT, **change}.items() if value is not None}
        with pytest.raises(ccxt.BaseError) as refused:
            await client.fapiPrivatePostOrder(request)
        last = futures.record(kind="request")[-1]
        assert (last["code"], last["http_status"]) == (code, 400)
        assert type(refused.value) is error
        assert len(await client.fetch_open_orders(SYMBOL)) == 1, "a refused order was placed"


async def test_refused_algo_orders(futures: RunningVenue) -> None:
    algo = {
        "algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET",
        "quantity": "0.01", "triggerPrice": "55000", "clientAlgoId": "a-1",
    }  # fmt: skip
    async with usdm_client(futures) as client:
        await client.load_markets()
        await client.fapiPrivatePostAlgoOrder(algo)
        for change, code in (
            ({}, -4116),
            ({"clientAlgoId": "a-2", "triggerPrice": "60000"}, -2021),
            ({"clientAlgoId": "a-2", "type": "TRAILING_STOP_MARKET"}, -1116),
            ({"clientAlgoId": "a-2", "closePosition": "true"}, -4137),
            ({"clientAlgoId": "a-2", "triggerPrice": "55000.01"}, -1111),
        ):
            with pytest.raises(ccxt.BaseError):
                await client.fapiPrivatePostAlgoOrder({**algo, **change})
            assert futures.record(kind="request")[-1]["code"] == code
        with pytest.raises(ccxt.OrderNotFound):
            await client.fetch_order("99", SYMBOL, {"trigger": True})
        assert len(await client.fetch_open_orders(SYMBOL, None, None, {"trigger": True})) == 1


async def test_unknown_orders(futures: RunningVenue) -> None:
    async with usdm_client(futures) as client:
        for call, code in (
            (client.fetch_order("999", SYMBOL), -2013),
            (client.fetch_order(None, SYMBOL, {"origClientOrderId": "nobody"}), -2013),
            (client.cancel_order("999", SYMBOL), -2011),
        ):
            with pytest.raises(ccxt.OrderNotFound):
                await call
            assert futures.record(kind="request")[-1]["code"] == code


async def test_faults_hit_futures_by_their_own_names(futures: RunningVenue) -> None:
    async with usdm_client(futures) as client:
        futures.fault(kind="error", endpoint="usdm.order.place", code=-1007, http_status=408, stage="after")
        with pytest.raises(ccxt.RequestTimeout):
            await client.create_order(SYMBOL, "limit", "buy", 0.01, 50_000, {"newClientOrderId": "t-1"})
        assert (await client.fetch_order(None, SYMBOL, {"origClientOrderId": "t-1"}))["status"] == "open"


async def test_without_the_setting_there_is_no_futures_market(quiet_venue: RunningVenue) -> None:
    async with usdm_client(quiet_venue) as client:
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await client.load_markets()
    assert quiet_venue.admin("GET", "/accounts/trader-01/positions")[0] == 404
    status, answer = quiet_venue.admin(
        "POST", "/faults", {"kind": "error", "endpoint": "usdm.order.place", "duration_seconds": 1}
    )
    assert (status, "endpoint" in answer["error"]) == (400, True)
