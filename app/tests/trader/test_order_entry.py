"""Order entry over the WebSocket API, against the emulator and against peers that misbehave."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from tests.venue_sim.support import RunningVenue, eventually
from trader.venue.interface import now_ms
from trader.venue.order_entry import OrderEntry
from trader.venue.wire_errors import LostAnswerError, NotSentError, RefusedError

# A connection that is left open shows as a warning when the loop is closed.
pytestmark = [
    pytest.mark.filterwarnings("error::ResourceWarning"),
    pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning"),
]

IDS = {"symbol": "BTCUSDT", "origClientOrderId": "trader-01-1-1", "recvWindow": "3000"}
Peer = Callable[[web.WebSocketResponse, dict[str, Any]], Awaitable[None]]


def order(number: int = 1) -> dict[str, str]:
    return {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.001",
        "price": "50000",
        "newClientOrderId": f"trader-01-1-{number}",
        "recvWindow": "3000",
    }


@asynccontextmanager
async def entry_to(url: str, **settings: Any) -> AsyncIterator[OrderEntry]:
    entry = OrderEntry(url, settings.pop("api_key", "key"), settings.pop("api_secret", "secret"), **settings)
    entry.start()
    try:
        await eventually(lambda: entry.ready, "the connection")
        yield entry
    finally:
        await entry.stop()


@asynccontextmanager
async def entry_at(venue: RunningVenue, **settings: Any) -> AsyncIterator[OrderEntry]:
    keys = venue.accounts["trader-01"]
    settings |= {"api_key": keys.api_key, "api_secret": keys.api_secret, "ssl_context": venue.ssl_context()}
    async with entry_to(f"wss://ws-api.{venue.hostname}/ws-api/v3", **settings) as entry:
        yield entry


@asynccontextmanager
async def peer_that(answer: Peer, autoping: bool = True) -> AsyncIterator[str]:
    """A server that treats every frame as the test wants; gives its address."""

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=autoping)
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await answer(socket, json.loads(message.data))
        return socket

    app = web.Application()
    app.router.add_get("/ws-fapi/v1", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/ws-fapi/v1"
    finally:
        await runner.cleanup()


async def good(socket: web.WebSocketResponse, request: dict[str, Any]) -> None:
    await socket.send_json({"id": request["id"], "status": 200, "result": request["params"]})


# -- with the emulator


async def test_place_ask_and_cancel(quiet_venue: RunningVenue) -> None:
    async with entry_at(quiet_venue) as entry:
        placed = await entry.place(order())
        assert placed.result["clientOrderId"] == "trader-01-1-1"
        assert {row["rateLimitType"] for row in placed.rate_limits} == {"ORDERS", "REQUEST_WEIGHT"}
        asked = await entry.status(IDS)
        assert (asked.result["status"], asked.result["price"]) == ("NEW", "50000.00000000")
        cancelled = await entry.cancel(IDS)
        assert cancelled.result["status"] == "CANCELED"
        assert entry.pending == 0


async def test_refusals_say_code_and_status(quiet_venue: RunningVenue) -> None:
    async with entry_at(quiet_venue) as entry:
        with pytest.raises(RefusedError) as refused:
            await entry.status(IDS)
        assert (refused.value.code, refused.value.status) == (-2013, 400)
        await entry.place(order())
        with pytest.raises(RefusedError, match="Duplicate order sent"):
            await entry.place(order())
        assert entry.pending == 0
        assert entry.lost_answers == 0


async def test_a_limit_says_until_when(make_venue: Callable[..., RunningVenue]) -> None:
    venue = make_venue(limits={"weight_per_minute": 1}, background={"events_per_second": 0})
    told: list[int] = []

    def fast_clock() -> int:
        told.append(now_ms() + 700)
        return told[-1]

    async with entry_at(venue, clock_ms=fast_clock) as entry:
        await entry.place(order())
        with pytest.raises(RefusedError) as refused:
            await entry.place(order(2))
        assert (refused.value.code, refused.value.status) == (-1003, 429)
        assert refused.value.retry_after_ms is not None
        # The venue counts whole seconds, and they begin on our clock when its answer has come.
        assert (refused.value.retry_after_ms - told[-1]) % 1_000 == 0
        assert refused.value.rate_limits


async def test_an_answer_that_is_lost_leaves_a_live_order_and_no_trace(quiet_venue: RunningVenue) -> None:
    async with entry_at(quiet_venue, request_timeout_seconds=0.2) as entry:
        quiet_venue.fault(kind="hang", endpoint="order.place")
        with pytest.raises(LostAnswerError):
            await entry.place(order())
        assert entry.pending == 0
        assert entry.lost_answers == 1
        assert (await entry.status(IDS)).result["status"] == "NEW"


async def test_an_answer_after_its_timeout_disturbs_nothing(quiet_venue: RunningVenue) -> None:
    async with entry_at(quiet_venue, request_timeout_seconds=0.2) as entry:
        fault = quiet_venue.fault(kind="latency", endpoint="order.place", latency_ms=400)
        with pytest.raises(LostAnswerError):
            await entry.place(order())
        quiet_venue.admin("DELETE", f"/faults/{fault}")
        await eventually(lambda: entry.unmatched_frames == 1, "the late answer")
        assert (await entry.place(order(2))).result["clientOrderId"] == "trader-01-1-2"
        assert entry.ready


async def test_many_at_once_each_get_their_own(quiet_venue: RunningVenue) -> None:
    async with entry_at(quiet_venue) as entry:
        answers = await asyncio.gather(*(entry.place(order(n)) for n in range(40)))
        assert [a.result["clientOrderId"] for a in answers] == [f"trader-01-1-{n}" for n in range(40)]
        assert entry.pending == 0


async def test_it_comes_back_after_the_venue(make_venue: Callable[..., RunningVenue]) -> None:
    venue = make_venue(background={"events_per_second": 0})
    told: list[bool] = []
    async with entry_at(venue, changed=lambda ready, why: told.append(ready)) as entry:
        await asyncio.to_thread(venue.stop)
        await eventually(lambda: not entry.ready, "the end of the connection")
        with pytest.raises(NotSentError):
            await entry.place(order())
        await asyncio.to_thread(venue.start)
        await eventually(lambda: entry.ready, "the connection again")
        await entry.place(order())
        assert entry.reconnects >= 1
        assert told[0]
        assert False in told
        assert told[-1]


# -- with peers that misbehave


async def test_integers_are_numbers_and_amounts_are_text() -> None:
    async with peer_that(good) as url, entry_to(url, clock_ms=lambda: 1_700_000_000_000) as entry:
        sent = (await entry.place(order())).result
    assert (sent["recvWindow"], sent["timestamp"]) == (3000, 1_700_000_000_000)
    assert (sent["quantity"], sent["price"]) == ("0.001", "50000")


async def test_a_request_that_waits_when_the_connection_ends_is_lost() -> None:
    async def hang_up(socket: web.WebSocketResponse, _: dict[str, Any]) -> None:
        await socket.close()

    async with peer_that(hang_up) as url, entry_to(url) as entry:
        with pytest.raises(LostAnswerError, match="ended before the answer"):
            await entry.place(order())
        assert entry.pending == 0


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 200},
        {"status": 200, "result": []},
        {"result": {"orderId": 1}},
        {"status": 500, "result": {"orderId": 1}},
        {"status": 200, "result": {"orderId": 1}, "error": {"msg": "which?"}},
        {"status": 400, "error": "no"},
        {"status": 400, "error": {"msg": "no code"}},
    ],
)
async def test_an_odd_answer_proves_nothing(answer: dict[str, Any]) -> None:
    async def odd(socket: web.WebSocketResponse, request: dict[str, Any]) -> None:
        await socket.send_json({"id": request["id"], **answer})

    async with peer_that(odd) as url, entry_to(url) as entry:
        with pytest.raises(LostAnswerError):
            await entry.place(order())
        assert entry.lost_answers == 1


@pytest.mark.parametrize(
    "frame", ["{", "[]", "1", '{"id": null}', '{"id": [1]}', '{"id": 99}', '{"event": 1}']
)
async def test_frames_that_nobody_waits_for_are_counted_and_dropped(frame: str) -> None:
    async def noisy(socket: web.WebSocketResponse, request: dict[str, Any]) -> None:
        await socket.send_str(frame)
        await good(socket, request)
        await good(socket, request)

    async with peer_that(noisy) as url, entry_to(url) as entry:
        await entry.place(order())
        await eventually(lambda: entry.unmatched_frames == 2, "both frames")
        assert entry.ready


async def test_a_frozen_peer_is_found_by_its_missing_pong() -> None:
    async def silent(_: web.WebSocketResponse, __: dict[str, Any]) -> None:
        """Neither an answer nor a pong."""

    async with (
        peer_that(silent, autoping=False) as url,
        entry_to(url, ping_seconds=0.2, request_timeout_seconds=30) as entry,
    ):
        with pytest.raises(LostAnswerError, match="ended before the answer"):
            await entry.place(order())
        await eventually(lambda: entry.reconnects >= 1, "a new connection")


async def test_no_more_wait_than_are_allowed() -> None:
    async def silent(_: web.WebSocketResponse, __: dict[str, Any]) -> None:
        """No answer."""

    async with peer_that(silent) as url, entry_to(url, max_pending=2) as entry:
        waiting = [asyncio.create_task(entry.place(order(n))) for n in range(2)]
        await eventually(lambda: entry.pending == 2, "two that wait")
        with pytest.raises(NotSentError):
            await entry.place(order(3))
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        assert entry.pending == 0


@pytest.mark.parametrize("settings", [{}, {"max_age_seconds": 0.3}], ids=["announced", "by age"])
async def test_a_connection_is_replaced_before_the_venue_ends_it(settings: dict[str, float]) -> None:
    async def slow(socket: web.WebSocketResponse, request: dict[str, Any]) -> None:
        if not settings:
            await socket.send_json({"event": {"e": "serverShutdown", "E": 1}})
        await eventually(lambda: not entry.ready, "the retirement")
        with pytest.raises(NotSentError):
            await entry.place(order(2))
        await good(socket, request)

    async with peer_that(slow) as url, entry_to(url, request_timeout_seconds=0.5, **settings) as entry:
        await entry.place(order())
        await eventually(lambda: entry.reconnects == 1 and entry.ready, "the next connection")
        assert entry.lost_answers == 0


async def test_a_refused_handshake_is_not_hammered() -> None:
    asked: list[float] = []

    async def ban(_: web.Request) -> web.Response:
        asked.append(asyncio.get_running_loop().time())
        return web.Response(status=418, headers={"Retry-After": "1"})

    app = web.Application()
    app.router.add_get("/ws-api/v3", ban)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    entry = OrderEntry(f"ws://127.0.0.1:{runner.addresses[0][1]}/ws-api/v3", "key", "secret")
    entry.start()
    await eventually(lambda: len(asked) == 2, "the second attempt")
    assert asked[1] - asked[0] > 0.9, "the first backoffs by themselves are much shorter"
    assert not entry.ready
    await entry.stop()
    await runner.cleanup()


async def test_a_peer_that_is_not_there_is_tried_again() -> None:
    entry = OrderEntry("ws://127.0.0.1:1/ws-api/v3", "key", "secret")
    entry.start()
    await eventually(lambda: entry.reconnects >= 2, "two attempts")
    with pytest.raises(NotSentError):
        await entry.place(order())
    await entry.stop()
