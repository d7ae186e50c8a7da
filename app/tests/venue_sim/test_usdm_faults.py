"""Every fault reaches USDM too: answers, user and market streams, the clock and the keys."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import ccxt
import pytest

from tests.venue_sim.clients import RawClient, ccxt_client, raw_client, usdm_client
from tests.venue_sim.support import USDM, RunningVenue, eventually
from tests.venue_sim.test_broken_answers import CASES, MINE, NO_ANSWER, TABLE
from tests.venue_sim.test_broken_answers import place as place_of
from tests.venue_sim.test_market_socket import Socket, connect
from tests.venue_sim.test_stream_faults import told
from venue_sim.fault import CONNECTION_KINDS, EVENT_KINDS, IGNORE_CANCEL, REQUEST_KINDS

SYMBOL = "BTC/USDT:USDT"
ORDER = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=60000&newClientOrderId="
OWN_CLASSES: dict[tuple[int | None, str], type[Exception]] = {(-4116, "rest"): ccxt.InvalidOrder}
"""Where ccxt takes a refusal for something else than spot's, by code and transport."""
HOUR_MS = 3_600_000


@pytest.fixture
def futures(make_venue: Callable[..., RunningVenue]) -> RunningVenue:
    return make_venue(usdm=USDM, background={"events_per_second": 0})


async def place(venue: RunningVenue, *names: str, account: str = "trader-01") -> None:
    async with raw_client(venue, account) as client:
        for name in names:
            status, body, _ = await client.signed("POST", "/fapi/v1/order", ORDER + name)
            assert status == 200, body


async def sell(venue: RunningVenue) -> None:
    """Let another account fill an order that was placed here."""
    async with raw_client(venue, "trader-02") as client:
        status, body, _ = await client.signed(
            "POST", "/fapi/v1/order", ORDER.replace("BUY", "SELL") + "theirs&newOrderRespType=RESULT"
        )
        assert (status, body.get("status")) == (200, "FILLED"), body


async def listen_key(client: RawClient) -> str:
    status, body, _ = await client.send("POST", "/fapi/v1/listenKey")
    assert status == 200, body
    return str(body["listenKey"])


PRIVATE = "/private/ws?listenKey="


@asynccontextmanager
async def user_stream(
    venue: RunningVenue, account: str = "trader-01", path: str = PRIVATE
) -> AsyncIterator[Socket]:
    """A connection with an account's user data stream, subscribed."""
    async with raw_client(venue, account) as client:
        key = await listen_key(client)
    async with connect(venue, path + key) as socket:
        assert (await socket.ask(method="LIST_SUBSCRIPTIONS", id=1))["result"] == [key]
        yield socket


async def names(stream: Socket, count: int) -> list[str]:
    """Client order ids of the next events of orders."""
    found: list[str] = []
    while len(found) < count:
        event = await stream.receive()
        if event["e"] == "ORDER_TRADE_UPDATE":
            found.append(event["o"]["c"])
    return found


class TestAnswers:
    """The table of spot's faults of requests, over futures."""

    @pytest.mark.parametrize(("fault", "expected"), CASES)
    async def test_what_ccxt_makes_of_it_and_what_is_true(
        self, futures: RunningVenue, fault: dict[str, Any], expected: Any
    ) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        async with usdm_client(futures, timeout=10_000) as client:
            await client.load_markets()
            number = futures.fault(**fault, endpoint="usdm.order.place", count=1)
            if expected == NO_ANSWER or fault["kind"] == "hang":
                client.timeout = 500
            assert await place_of(client, fault["transport"], SYMBOL, "0.01") == OWN_CLASSES.get(
                (fault.get("code"), fault["transport"]), expected
            )
            client.timeout = 10_000
            acted = fault["stage"] == "after" or fault["kind"] == "latency"
            if acted:
                found = await client.fetch_order(None, SYMBOL, {"origClientOrderId": MINE})
                assert (found["clientOrderId"], found["status"]) == (MINE, "open")
            else:
                with pytest.raises(ccxt.OrderNotFound):
                    await client.fetch_order(None, SYMBOL, {"origClientOrderId": MINE})
        (hit,) = [entry for entry in futures.record(kind="request") if entry["fault"] == number]
        caused = [e for e in futures.record(kind="order") if e["request_id"] == hit["request_id"]]
        assert (len(caused), hit["market"]) == (acted, "usdm")
        silent = fault["kind"] in ("latency", "error", "other_id", "no_id")
        assert hit["outcome"] == ("answered" if silent else fault["kind"])

    def test_no_kind_is_left_out(self) -> None:
        # Cancels that are ignored are for those who cancel: test_ignored_cancels.
        assert {fault["kind"] for fault, *_ in TABLE} == set(REQUEST_KINDS) - {IGNORE_CANCEL}

    async def test_ids_of_conditional_orders(self, futures: RunningVenue) -> None:
        order = (
            "algoType=CONDITIONAL&symbol=BTCUSDT&side=SELL&type=STOP_MARKET&quantity=0.01&triggerPrice=50000"
        )
        async with raw_client(futures) as client:
            for number, kind in enumerate(("no_id", "other_id")):
                futures.fault(kind=kind, stage="after", endpoint="usdm.algoOrder.place", count=1)
                _, placed, _ = await client.signed(
                    "POST", "/fapi/v1/algoOrder", f"{order}&clientAlgoId=a-{number}"
                )
                known = {name: placed.get(name) for name in ("algoId", "clientAlgoId")}
                if kind == "no_id":
                    assert known == {"algoId": None, "clientAlgoId": None}
                else:
                    assert (known["algoId"], known["clientAlgoId"] != "a-1") == (2, True)
                _, found, _ = await client.signed("GET", "/fapi/v1/algoOrder", f"clientAlgoId=a-{number}")
                assert found["clientAlgoId"] == f"a-{number}"


EVENT_CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({"kind": "duplicate", "count": 1}, ["a", "a", "b", "c"]),
    ({"kind": "duplicate"}, ["a", "a", "b", "b", "c", "c"]),
    ({"kind": "drop", "count": 1}, ["b", "c"]),
    ({"kind": "late", "latency_ms": 200, "count": 1}, ["b", "c", "a"]),
    ({"kind": "reorder", "count": 1}, ["b", "a", "c"]),
    ({"kind": "drop", "account": "trader-02"}, ["a", "b", "c"]),
    ({"kind": "drop", "peer": "10.1.1.1"}, ["a", "b", "c"]),
    ({"kind": "drop", "event": "TRADE"}, ["a", "b", "c"]),
    ({"kind": "drop", "event": "executionReport"}, ["a", "b", "c"]),
    ({"kind": "drop", "event": "NEW", "count": 2}, ["c"]),
    ({"kind": "drop", "share": 0}, ["a", "b", "c"]),
]
EVENT_HITS = (1, 3, 1, 1, 1, 0, 0, 0, 0, 2, 0)


class TestEvents:
    """Events that come twice, late, in the wrong order or never."""

    @pytest.mark.parametrize("path", [PRIVATE, "/private/ws/"], ids=["query", "path"])
    @pytest.mark.parametrize(
        ("fault", "order", "hit"),
        [(*case, hit) for case, hit in zip(EVENT_CASES, EVENT_HITS, strict=True)],
        ids=["-".join(map(str, fault.values())) for fault, _ in EVENT_CASES],
    )
    async def test_events_of_orders(
        self, futures: RunningVenue, fault: dict[str, Any], order: list[str], hit: int, path: str
    ) -> None:
        number = futures.fault(**{"event": "ORDER_TRADE_UPDATE", **fault})
        async with user_stream(futures, path=path) as stream:
            await place(futures, "a", "b", "c")
            assert await names(stream, len(order)) == order
            futures.admin("DELETE", "/faults")
            await place(futures, "end")
            assert await names(stream, 1) == ["end"], "nothing else had been sent"
        assert [e["client_order_id"] for e in futures.record(kind="order")] == ["a", "b", "c", "end"]
        assert told(futures, number) == [(fault["kind"], name) for name in "abc"[:hit]]

    def test_no_kind_is_left_out(self) -> None:
        assert {fault["kind"] for fault, _ in EVENT_CASES} == set(EVENT_KINDS)

    async def test_a_lost_fill_is_in_the_record(self, futures: RunningVenue) -> None:
        async with user_stream(futures) as stream:
            await place(futures, "mine")
            assert await names(stream, 1) == ["mine"]
            number = futures.fault(kind="drop", event="TRADE", account="trader-01", count=1)
            await sell(futures)
            event = await stream.receive()
            assert event["e"] == "ACCOUNT_UPDATE", "the order's own event was lost"
        (lost,) = [entry for entry in futures.record(kind="stream") if entry["fault"] == number]
        (fill,) = [e for e in futures.record(kind="fill") if e["account"] == "trader-01"]
        assert lost["trade_id"] == fill["trade_id"]
        assert {name: lost[name] for name in ("action", "market", "stream", "account", "event")} == {
            "action": "drop",
            "market": "usdm",
            "stream": "user",
            "account": "trader-01",
            "event": "ORDER_TRADE_UPDATE",
        }
        assert (lost["execution"], lost["client_order_id"]) == ("TRADE", "mine")

    @pytest.mark.parametrize("event", ["ACCOUNT_UPDATE", "ALGO_UPDATE"])
    async def test_other_events_by_name(self, futures: RunningVenue, event: str) -> None:
        algo = (
            "algoType=CONDITIONAL&symbol=BTCUSDT&side=SELL&type=STOP_MARKET&quantity=0.01&triggerPrice=40000"
        )
        async with (
            user_stream(futures) as stream,
            raw_client(futures) as client,
        ):
            number = futures.fault(kind="drop", event=event)
            await client.signed("POST", "/fapi/v1/algoOrder", f"{algo}&clientAlgoId=a-1")
            await place(futures, "mine")
            await sell(futures)
            futures.admin("DELETE", "/faults")
            await place(futures, "end")
            heard: list[dict[str, Any]] = []
            while not heard or heard[-1].get("o", {}).get("c") != "end":
                heard.append(await stream.receive())
            assert {"ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "ALGO_UPDATE"} - {e["e"] for e in heard} == {
                event
            }
        name = "a-1" if event == "ALGO_UPDATE" else None
        assert told(futures, number) == [("drop", name)]


class TestConnections:
    """Connections that fail, each kind; and whose they are."""

    def test_no_kind_is_left_out(self) -> None:
        assert set(CONNECTION_KINDS) == {"disconnect", "silence", "terminate", "server_shutdown"}

    @pytest.mark.parametrize(("fields", "code"), [({}, 1006), ({"close_code": 1008}, 1008)])
    async def test_disconnect(self, futures: RunningVenue, fields: dict[str, Any], code: int) -> None:
        async with (
            user_stream(futures) as mine,
            user_stream(futures, "trader-02") as theirs,
            connect(futures, "/market/ws/btcusdt@trade") as market,
        ):
            number = futures.fault(kind="disconnect", account="trader-01", **fields)
            assert (await mine.socket.receive(10)).type != aiohttp.WSMsgType.TEXT
            assert mine.socket.close_code == code
            futures.admin("DELETE", "/faults")
            for other in (theirs, market):
                assert "result" in await other.ask(method="LIST_SUBSCRIPTIONS", id=2)
        assert told(futures, number) == [("disconnect", None)]
        async with user_stream(futures) as again:
            await place(futures, "a")
            assert await names(again, 1) == ["a"], "the listen key is good for a new connection"

    async def test_silence(self, futures: RunningVenue) -> None:
        async with user_stream(futures) as stream, user_stream(futures, "trader-02") as other:
            number = futures.fault(kind="silence", account="trader-01", count=1)
            await eventually(lambda: told(futures, number), "the silence")
            await place(futures, "a")
            await place(futures, "b", account="trader-02")
            assert await names(other, 1) == ["b"]
            with pytest.raises(TimeoutError):
                await stream.socket.receive(0.5)
            futures.admin("DELETE", "/faults")
            assert (await stream.socket.receive(10)).type != aiohttp.WSMsgType.TEXT

    async def test_terminate_expires_the_listen_key_for_all_its_connections(
        self, futures: RunningVenue
    ) -> None:
        async with (
            user_stream(futures) as one,
            user_stream(futures) as two,
            user_stream(futures, "trader-02") as theirs,
            raw_client(futures) as client,
        ):
            number = futures.fault(kind="terminate", account="trader-01")
            ended = [await stream.receive() for stream in (one, two)]
            assert [event["e"] for event in ended] == ["listenKeyExpired"] * 2
            await eventually(lambda: told(futures, number), "the entry")
            status, refused, _ = await client.send("PUT", "/fapi/v1/listenKey")
            assert (status, refused["code"]) == (400, -1125)
            futures.admin("DELETE", "/faults")
            await place(futures, "a")
            await place(futures, "b", account="trader-02")
            assert await names(theirs, 1) == ["b"]
            # The connections stay open and hear nothing more of the account: the answer comes next.
            for stream in (one, two):
                await stream.socket.send_json({"method": "GET_PROPERTY", "params": ["combined"], "id": 9})
                assert (await stream.receive()) == {"result": False, "id": 9}
            async with user_stream(futures) as again:
                await place(futures, "c")
                assert await names(again, 1) == ["c"]
        assert told(futures, number) == [("terminate", None)], "one key, one end"
        actions = [(e["account"], e["action"]) for e in futures.record(kind="listen_key")]
        assert actions.count(("trader-01", "expired")) == 1

    async def test_server_shutdown_of_each_kind(self, futures: RunningVenue) -> None:
        async with (
            user_stream(futures) as user,
            connect(futures, "/market/ws/btcusdt@trade") as market,
            connect(futures, "/market/stream?streams=btcusdt@trade") as combined,
        ):
            first = futures.fault(kind="server_shutdown", stream="user")
            assert (await user.receive())["e"] == "serverShutdown"
            second = futures.fault(kind="server_shutdown", stream="market")
            assert (await market.receive())["e"] == "serverShutdown"
            assert (await combined.receive())["data"]["e"] == "serverShutdown"
            assert "result" in await user.ask(method="LIST_SUBSCRIPTIONS", id=2)
        assert (len(told(futures, first)), len(told(futures, second))) == (1, 2)
        entries = [(e["fault"], e["stream"], e["market"]) for e in futures.record(kind="stream")]
        assert entries == [(first, "user", "usdm"), *[(second, "market", "usdm")] * 2]

    async def test_a_connection_with_both_kinds_of_streams_is_of_both(self, futures: RunningVenue) -> None:
        async with user_stream(futures) as stream:
            await stream.ask(method="SUBSCRIBE", params=["btcusdt@trade"], id=2)
            for kind in ("user", "market"):
                futures.fault(kind="server_shutdown", stream=kind)
                assert (await stream.receive())["e"] == "serverShutdown"

    async def test_who_leaves_a_user_stream_is_no_longer_hit(self, futures: RunningVenue) -> None:
        async with user_stream(futures) as left, user_stream(futures, "trader-02") as closed:
            (key,) = (await left.ask(method="LIST_SUBSCRIPTIONS", id=2))["result"]
            await left.ask(method="UNSUBSCRIBE", params=[key], id=3)
            async with raw_client(futures, "trader-02") as client:
                assert (await client.send("DELETE", "/fapi/v1/listenKey"))[0] == 200
            number = futures.fault(kind="disconnect")
            async with user_stream_of_another(futures) as third:
                assert (await third.socket.receive(10)).type != aiohttp.WSMsgType.TEXT
            for stream in (left, closed):
                assert "result" in await stream.ask(method="LIST_SUBSCRIPTIONS", id=4)
        assert len(told(futures, number)) == 1

    async def test_market_events_come_late_and_connections_break(
        self, make_venue: Callable[..., RunningVenue]
    ) -> None:
        venue = make_venue(usdm=USDM)
        async with connect(venue, "/public/ws/btcusdt@depth@100ms") as market, user_stream(venue) as user:
            await market.receive()
            late = venue.fault(kind="late", stream="market", latency_ms=700)
            lags: list[float] = []
            while not lags or max(lags) < 0.65:
                event = await market.receive()
                lags.append(time.time() - event["E"] / 1000)
                assert len(lags) < 200, "no event came late"
            venue.admin("DELETE", f"/faults/{late}")
            venue.fault(kind="disconnect", stream="market", close_code=1008)
            while (await market.socket.receive(10)).type == aiohttp.WSMsgType.TEXT:
                pass
            assert market.socket.close_code == 1008
            assert "result" in await user.ask(method="LIST_SUBSCRIPTIONS", id=2)

    @pytest.mark.parametrize("path", ["/ws-fapi/v1", "/market/ws"])
    async def test_a_connection_lives_its_time(
        self, make_venue: Callable[..., RunningVenue], path: str
    ) -> None:
        venue = make_venue(usdm=USDM, background={"events_per_second": 0}, connection_life_seconds=0.3)
        async with connect(venue, path) as socket:
            assert (await socket.socket.receive(10)).type == aiohttp.WSMsgType.CLOSE
            assert socket.socket.close_code == 1001
        (entry,) = venue.record(kind="stream")
        assert (entry["action"], entry["market"]) == ("life_over", "usdm")

    async def test_ccxt_reports_an_aborted_stream(self, futures: RunningVenue) -> None:
        async with usdm_client(futures) as client:
            await client.load_markets()
            watching = asyncio.create_task(client.watch_orders(SYMBOL))
            futures.fault(kind="disconnect", account="trader-01", count=1)
            with pytest.raises(ccxt.NetworkError):
                await asyncio.wait_for(watching, 10)


@asynccontextmanager
async def user_stream_of_another(venue: RunningVenue) -> AsyncIterator[Socket]:
    """A user stream that may end before it was asked anything."""
    async with raw_client(venue, "trader-03") as client:
        key = await listen_key(client)
    async with connect(venue, PRIVATE + key) as socket:
        yield socket


class TestClockAndKeys:
    """What spot and futures share."""

    @pytest.mark.parametrize("offset_ms", [HOUR_MS // 2, -HOUR_MS])
    async def test_the_clock_is_off_in_both_markets(self, futures: RunningVenue, offset_ms: int) -> None:
        futures.fault(kind="clock_skew", offset_ms=offset_ms)

        def is_off(time_ms: int) -> bool:
            return abs(time_ms - time.time() * 1000 - offset_ms) < 60_000

        async with (
            usdm_client(futures) as client,
            user_stream(futures) as stream,
            connect(futures, "/public/ws/btcusdt@bookTicker") as ticker,
        ):
            assert is_off(await client.fetch_time())
            with pytest.raises(ccxt.InvalidNonce):
                await client.fetch_balance()
            await client.load_time_difference()
            order = await client.create_order(SYMBOL, "limit", "buy", 0.01, 50_000)
            assert is_off(order["timestamp"])
            assert is_off((await stream.receive())["E"])
            assert is_off((await ticker.receive())["E"])

    async def test_a_listen_key_ends_by_the_venues_clock(self, futures: RunningVenue) -> None:
        async with user_stream(futures) as stream:
            futures.fault(kind="clock_skew", offset_ms=HOUR_MS + 60_000)
            assert (await stream.receive())["e"] == "listenKeyExpired"

    async def test_a_disabled_key_is_a_fence_for_futures_too(self, futures: RunningVenue) -> None:
        async with (
            raw_client(futures) as mine,
            user_stream(futures) as stream,
        ):
            await place(futures, "mine")
            assert await names(stream, 1) == ["mine"]
            assert futures.admin("PUT", "/accounts/trader-01/key", {"enabled": False})[0] == 200
            assert (await stream.receive())["e"] == "listenKeyExpired"

            async def refused() -> None:
                for method, path, send in (
                    ("GET", "v2/account", mine.signed),
                    ("POST", "v1/order", mine.signed),
                    ("DELETE", "v1/allOpenOrders", mine.signed),
                    ("POST", "v1/listenKey", mine.send),
                    ("PUT", "v1/listenKey", mine.send),
                ):
                    status, body, _ = await send(method, f"/fapi/{path}", "symbol=BTCUSDT")
                    assert (status, body["code"]) == (401, -2015)

            await refused()
            await sell(futures)
            await stream.socket.send_json({"method": "GET_PROPERTY", "params": ["combined"], "id": 9})
            assert "id" in await stream.receive(), "a fill was told to the disabled key"
            # What the venue forgets when it is killed right after the answer must not be the fence.
            text = futures.record_path.read_text()
            kinds = [entry["kind"] for entry in map(json.loads, text.splitlines())]
            assert {"key", "listen_key"} <= set(kinds)
            await asyncio.to_thread(futures.stop)
            await asyncio.to_thread(futures.start)
            await refused()
            futures.admin("PUT", "/accounts/trader-01/key", {"enabled": True})
            status, order, _ = await mine.signed(
                "GET", "/fapi/v1/order", "symbol=BTCUSDT&origClientOrderId=mine"
            )
            assert (status, order["status"]) == (200, "FILLED")

    async def test_the_key_and_the_end_of_its_stream_are_written_before_the_answer(
        self, futures: RunningVenue
    ) -> None:
        async with raw_client(futures) as client:
            await listen_key(client)
            # House-keeping cannot write for it: the answer is given on the venue's own thread.
            flushed: list[list[str]] = []

            def watch(server: Any) -> None:
                flush = server.record.flush

                def flush_and_read() -> None:
                    flush()
                    lines = futures.record_path.read_text().splitlines()
                    flushed.append([json.loads(line)["kind"] for line in lines[-2:]])

                server.record.flush = flush_and_read

            futures.call(watch)
            futures.admin("PUT", "/accounts/trader-01/key", {"enabled": False})
        assert ["key", "listen_key"] in flushed
        first = next(kinds for kinds in flushed if "key" in kinds)
        assert first == ["key", "listen_key"], "the key was written without the end of its stream"

    async def test_what_a_key_may_do(self, futures: RunningVenue, quiet_venue: RunningVenue) -> None:
        async with usdm_client(futures) as client, ccxt_client(quiet_venue) as spot_only:
            allowed = await client.sapiGetAccountApiRestrictions()
            assert allowed["enableFutures"] is allowed["enableReading"] is True
            assert allowed["enableWithdrawals"] is False
            assert (await spot_only.sapiGetAccountApiRestrictions())["enableFutures"] is False
