"""Faults of streams and the life of connections, as clients see them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import ccxt
import pytest

from tests.venue_sim.clients import Frames, ccxt_client, frames, raw_client
from tests.venue_sim.support import DEADLINE_SECONDS, RunningVenue, eventually
from tests.venue_sim.test_market_socket import Socket, connect

ORDER = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=50000&newClientOrderId="
SUBSCRIBE = "userDataStream.subscribe.signature"
SYMBOL = "BTC/USDT"


async def place(venue: RunningVenue, *names: str, account: str = "trader-01") -> None:
    """Place orders over REST, so that nothing but events comes over the stream."""
    async with raw_client(venue, account) as client:
        for name in names:
            status, body, _ = await client.signed("POST", "/api/v3/order", ORDER + name)
            assert status == 200, body


async def reports(stream: Frames, count: int) -> list[str]:
    """Client order ids of the next execution reports."""
    found: list[str] = []
    while len(found) < count:
        event = (await stream.event())["event"]
        if event["e"] == "executionReport":
            found.append(event["C"] or event["c"])
    return found


def told(venue: RunningVenue, number: int) -> list[tuple[str, str | None]]:
    """What the record says that a stream fault did, and to which order."""
    entries = [entry for entry in venue.record(kind="stream") if entry["fault"] == number]
    return [(entry["action"], entry.get("client_order_id")) for entry in entries]


@pytest.mark.parametrize(
    ("fault", "order"),
    [
        ({"kind": "duplicate", "count": 1}, ["a", "a", "b", "c"]),
        ({"kind": "duplicate"}, ["a", "a", "b", "b", "c", "c"]),
        ({"kind": "drop", "count": 1}, ["b", "c"]),
        ({"kind": "late", "latency_ms": 200, "count": 1}, ["b", "c", "a"]),
        ({"kind": "drop", "account": "trader-02"}, ["a", "b", "c"]),
        ({"kind": "drop", "peer": "10.1.1.1"}, ["a", "b", "c"]),
        ({"kind": "drop", "event": "TRADE"}, ["a", "b", "c"]),
        ({"kind": "drop", "share": 0}, ["a", "b", "c"]),
    ],
    ids=lambda value: "-".join(str(v) for v in value.values()) if isinstance(value, dict) else None,
)
async def test_events_of_orders(quiet_venue: RunningVenue, fault: dict[str, Any], order: list[str]) -> None:
    number = quiet_venue.fault(**{"event": "executionReport", **fault})
    async with frames(quiet_venue) as stream:
        await stream.signed(SUBSCRIBE)
        await place(quiet_venue, "a", "b", "c")
        assert await reports(stream, len(order)) == order
        quiet_venue.admin("DELETE", "/faults")
        await place(quiet_venue, "end")
        assert await reports(stream, 1) == ["end"], "nothing else had been sent"
    # Nothing is untrue of the orders themselves.
    assert [e["client_order_id"] for e in quiet_venue.record(kind="order")] == ["a", "b", "c", "end"]
    hit = {"duplicate": len(order) - 3, "drop": 3 - len(order), "late": 1}[fault["kind"]]
    assert told(quiet_venue, number) == [(fault["kind"], name) for name in "abc"[:hit]]


async def test_a_lost_fill(quiet_venue: RunningVenue) -> None:
    async with frames(quiet_venue) as stream, raw_client(quiet_venue) as client:
        await stream.signed(SUBSCRIBE)
        await place(quiet_venue, "mine")
        assert await reports(stream, 1) == ["mine"]
        number = quiet_venue.fault(kind="drop", event="TRADE", account="trader-01", count=1)
        await client.send("GET", "/api/v3/time", key=None)
        async with raw_client(quiet_venue, "trader-02") as other:
            await other.signed("POST", "/api/v3/order", ORDER.replace("BUY", "SELL") + "theirs")
        await place(quiet_venue, "end")
        assert await reports(stream, 1) == ["end"], "the fill was told"
        _, order, _ = await client.signed("GET", "/api/v3/order", "symbol=BTCUSDT&origClientOrderId=mine")
        assert order["status"] == "FILLED"
        _, (trade,), _ = await client.signed("GET", "/api/v3/myTrades", "symbol=BTCUSDT")
        (lost,) = [entry for entry in quiet_venue.record(kind="stream") if entry["fault"] == number]
        assert (lost["action"], lost["account"], lost["trade_id"]) == ("drop", "trader-01", trade["id"])
        assert (lost["event"], lost["execution"], lost["client_order_id"]) == (
            "executionReport",
            "TRADE",
            "mine",
        )


async def test_two_events_change_places(quiet_venue: RunningVenue) -> None:
    async with frames(quiet_venue) as stream:
        await stream.signed(SUBSCRIBE)
        quiet_venue.fault(kind="reorder", count=1, event="executionReport")
        await place(quiet_venue, "a", "b")
        kinds = [(await stream.event())["event"]["e"] for _ in range(4)]
        assert kinds == [
            "outboundAccountPosition",
            "executionReport",
            "executionReport",
            "outboundAccountPosition",
        ]


@pytest.mark.parametrize("removed", [True, False])
async def test_a_held_back_event_comes_when_the_fault_ends(quiet_venue: RunningVenue, removed: bool) -> None:
    async with frames(quiet_venue) as stream:
        await stream.signed(SUBSCRIBE)
        quiet_venue.fault(
            kind="reorder", event="outboundAccountPosition", duration_seconds=30 if removed else 0.5
        )
        await place(quiet_venue, "a")
        assert (await stream.event())["event"]["e"] == "executionReport"
        if removed:
            quiet_venue.admin("DELETE", "/faults")
        assert (await stream.event())["event"]["e"] == "outboundAccountPosition"


async def ended(stream: Frames) -> tuple[aiohttp.WSMsgType, int | None]:
    """How a connection ends, whatever comes before."""
    while (frame := await stream.socket.receive(10)).type == aiohttp.WSMsgType.TEXT:
        pass
    return frame.type, stream.socket.close_code


@pytest.mark.parametrize(
    ("fields", "code"), [({}, 1006), ({"close_code": 1008}, 1008), ({"close_code": 1001}, 1001)]
)
async def test_disconnect(quiet_venue: RunningVenue, fields: dict[str, Any], code: int) -> None:
    async with frames(quiet_venue) as mine, frames(quiet_venue, "trader-02") as theirs:
        await mine.signed(SUBSCRIBE)
        await theirs.signed(SUBSCRIBE)
        number = quiet_venue.fault(kind="disconnect", account="trader-01", count=1, **fields)
        assert (await ended(mine))[1] == code
        assert (await theirs.ask("ping"))["status"] == 200
        async with frames(quiet_venue) as again:
            await again.signed(SUBSCRIBE)
            await place(quiet_venue, "a")
            assert await reports(again, 1) == ["a"], "its count is used up"
        assert told(quiet_venue, number) == [("disconnect", None)]


async def test_without_a_count_every_new_connection_is_hit_until_the_end(quiet_venue: RunningVenue) -> None:
    number = quiet_venue.fault(kind="disconnect")
    for _ in range(3):
        async with frames(quiet_venue) as stream:
            with contextlib.suppress(AssertionError):  # the end may come before the answer
                await stream.signed(SUBSCRIBE)
            await ended(stream)
    assert len(told(quiet_venue, number)) == 3
    quiet_venue.admin("DELETE", "/faults")
    async with frames(quiet_venue) as stream:
        await stream.signed(SUBSCRIBE)
        await place(quiet_venue, "a")
        assert await reports(stream, 1) == ["a"]


async def test_silence_is_a_peer_that_is_gone_without_a_word(quiet_venue: RunningVenue) -> None:
    async with frames(quiet_venue) as stream, frames(quiet_venue, "trader-02") as other:
        await stream.signed(SUBSCRIBE)
        number = quiet_venue.fault(kind="silence", account="trader-01", count=1)
        await eventually(lambda: told(quiet_venue, number), "the silence")
        await place(quiet_venue, "a")
        await stream.socket.ping()
        await stream.send('{"id": 1, "method": "ping"}')
        assert (await other.ask("ping"))["status"] == 200
        with pytest.raises(TimeoutError):
            await stream.socket.receive(0.5)
        assert not stream.socket.closed
        served = [e["endpoint"] for e in quiet_venue.record(kind="request")]
        assert served.count("ping") == 1, "a frozen peer reads nothing"
        quiet_venue.admin("DELETE", "/faults")
        with pytest.raises(
            (AssertionError, ConnectionError)
        ):  # the connection is dropped, nothing is made up for
            await stream.receive()


async def test_silence_ends_by_itself(quiet_venue: RunningVenue) -> None:
    async with frames(quiet_venue) as stream:
        await stream.signed(SUBSCRIBE)
        quiet_venue.fault(kind="silence", duration_seconds=0.3)
        assert (await ended(stream))[1] == 1006
        assert quiet_venue.admin("GET", "/faults")[1] == []


async def test_the_venue_stops_at_once_though_a_connection_is_silent(quiet_venue: RunningVenue) -> None:
    async with frames(quiet_venue) as stream:
        await stream.signed(SUBSCRIBE)
        number = quiet_venue.fault(kind="silence")
        await eventually(lambda: told(quiet_venue, number), "the silence")
        await asyncio.to_thread(quiet_venue.stop)
        await ended(stream)


async def test_terminate_ends_the_stream_and_not_the_connection(quiet_venue: RunningVenue) -> None:
    async with frames(quiet_venue) as stream:
        await stream.signed(SUBSCRIBE)
        quiet_venue.fault(kind="terminate", count=1)
        frame = await stream.event()
        assert frame["subscriptionId"] == 0
        assert (frame["event"]["e"], set(frame["event"])) == ("eventStreamTerminated", {"e", "E"})
        await place(quiet_venue, "a")
        assert (await stream.ask("ping"))["status"] == 200
        assert stream.events == [], "the stream went on"
        assert (await stream.signed(SUBSCRIBE))["status"] == 200
        await place(quiet_venue, "b")
        assert await reports(stream, 1) == ["b"]


async def test_a_fault_meets_each_connection_once(quiet_venue: RunningVenue) -> None:
    async with frames(quiet_venue) as stream:
        await stream.signed(SUBSCRIBE)
        first = quiet_venue.fault(kind="server_shutdown")
        await eventually(lambda: told(quiet_venue, first), "the first warning")
        second = quiet_venue.fault(kind="server_shutdown")
        await eventually(lambda: told(quiet_venue, second), "the second warning")
        assert len(told(quiet_venue, first)) == 1, "it was warned again and again"


async def test_ccxt_hears_nothing_of_a_terminated_stream(quiet_venue: RunningVenue) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    async with ccxt_client(quiet_venue) as client:
        await client.load_markets()
        watching = asyncio.create_task(client.watch_orders(SYMBOL))
        number = quiet_venue.fault(kind="terminate", count=1)
        await eventually(lambda: told(quiet_venue, number), "the end of the stream")
        await client.create_order(SYMBOL, "limit", "buy", "0.001", "50000")
        done, _ = await asyncio.wait({watching}, timeout=1)
        assert not done, "ccxt learnt to tell: a watcher of its own is no longer needed"
        watching.cancel()


async def test_ccxt_reports_an_aborted_stream(quiet_venue: RunningVenue) -> None:
    async with ccxt_client(quiet_venue) as client:
        await client.load_markets()
        watching = asyncio.create_task(client.watch_orders(SYMBOL))
        quiet_venue.fault(kind="disconnect", count=1)
        with pytest.raises(ccxt.NetworkError):
            await asyncio.wait_for(watching, 10)


async def test_server_shutdown_in_each_form(quiet_venue: RunningVenue) -> None:
    async with (
        frames(quiet_venue) as user,
        connect(quiet_venue, "/ws/btcusdt@trade") as raw,
        connect(quiet_venue, "/stream?streams=btcusdt@trade") as combined,
    ):
        await user.signed(SUBSCRIBE)
        for stream in ("user", "market"):
            quiet_venue.fault(kind="server_shutdown", stream=stream)
        event = (await user.receive())["event"]
        assert (event["e"], set(event)) == ("serverShutdown", {"e", "E"})
        assert (await raw.receive())["e"] == "serverShutdown"
        wrapped = await combined.receive()
        assert (wrapped["stream"], wrapped["data"]["e"]) == ("!serverShutdown", "serverShutdown")
        assert (await user.ask("ping"))["status"] == 200


async def drained(market: Socket) -> None:
    """Read until nothing has come for half a second: then it is a TimeoutError."""
    while True:
        await market.socket.receive(0.5)


async def test_market_streams_are_disconnected_and_silenced(venue: RunningVenue) -> None:
    async with connect(venue, "/ws/btcusdt@depth@100ms") as market, frames(venue) as user:
        await user.signed(SUBSCRIBE)
        await market.receive()
        number = venue.fault(kind="silence", stream="market", count=1)
        await eventually(lambda: told(venue, number), "the silence")
        with pytest.raises(TimeoutError):
            await drained(market)
        assert (await user.ask("ping"))["status"] == 200
        venue.admin("DELETE", "/faults")
        assert (await market.socket.receive(10)).type != aiohttp.WSMsgType.TEXT
    async with connect(venue, "/ws/btcusdt@depth@100ms") as market:
        await market.receive()
        venue.fault(kind="disconnect", stream="market", count=1, close_code=1008)
        while (await market.socket.receive(10)).type == aiohttp.WSMsgType.TEXT:
            pass
        assert market.socket.close_code == 1008


async def test_market_events_come_late(venue: RunningVenue) -> None:
    async with connect(venue, "/ws/btcusdt@depth@100ms") as market:
        await market.receive()
        venue.fault(kind="late", stream="market", latency_ms=700)
        lags: list[float] = []
        while not lags or max(lags) < 0.65:
            event = await market.receive()
            lags.append(time.time() - event["E"] / 1000)
        venue.admin("DELETE", "/faults")


@pytest.mark.parametrize("path", ["/ws-api/v3", "/ws"])
async def test_a_connection_lives_its_time(make_venue: Callable[..., RunningVenue], path: str) -> None:
    venue = make_venue(background={"events_per_second": 0}, connection_life_seconds=0.3)
    async with connect(venue, path) as socket:
        assert (await socket.socket.receive(10)).type == aiohttp.WSMsgType.CLOSE
        assert socket.socket.close_code == 1001
    (entry,) = venue.record(kind="stream")
    stream = "market" if path == "/ws" else "user"
    assert (entry["action"], entry["fault"], entry["stream"]) == ("life_over", None, stream)


async def test_who_does_not_answer_pings_is_disconnected(make_venue: Callable[..., RunningVenue]) -> None:
    venue = make_venue(background={"events_per_second": 0}, ping_seconds=0.1, pong_seconds=0.4)
    connector = aiohttp.TCPConnector(ssl=venue.ssl_context())
    url = f"wss://ws-api.{venue.hostname}/ws-api/v3"
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.ws_connect(url, autoping=False) as answering:
            for _ in range(8):  # twice as long as a pong may take
                frame = await answering.receive(10)
                assert frame.type == aiohttp.WSMsgType.PING
                await answering.pong(frame.data)
        assert venue.record(kind="stream") == []
        async with session.ws_connect(url, autoping=False) as deaf:
            deadline = time.monotonic() + DEADLINE_SECONDS
            while (frame := await deaf.receive(10)).type == aiohttp.WSMsgType.PING:
                assert time.monotonic() < deadline, "still connected"
                await deaf.pong(b"unsolicited")
            assert frame.type == aiohttp.WSMsgType.CLOSE
            assert (deaf.close_code, frame.extra) == (1008, "Pong timeout")
    assert [entry["action"] for entry in venue.record(kind="stream")] == ["pong_missed"]


async def test_clients_own_pings_are_answered(quiet_venue: RunningVenue) -> None:
    connector = aiohttp.TCPConnector(ssl=quiet_venue.ssl_context())
    url = f"wss://stream.{quiet_venue.hostname}/ws"
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.ws_connect(url, autoping=False) as socket,
    ):
        await socket.ping(b"there?")
        frame = await socket.receive(10)
        assert (frame.type, bytes(frame.data)) == (aiohttp.WSMsgType.PONG, b"there?")
        await socket.send_str(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 1}))
        assert (await socket.receive_json())["result"] == []
