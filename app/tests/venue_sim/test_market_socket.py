"""The market streams as frames."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.venue_sim.clients import raw_client
from tests.venue_sim.support import RunningVenue

DEADLINE_SECONDS = 10


class Socket:
    """One connection."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def ask(self, **request: Any) -> dict[str, Any]:
        await self.socket.send_json(request)
        while "id" not in (frame := await self.receive()):
            pass
        return frame

    async def receive(self) -> dict[str, Any]:
        frame = await self.socket.receive(DEADLINE_SECONDS)
        assert frame.type == aiohttp.WSMsgType.TEXT, frame
        decoded: dict[str, Any] = json.loads(frame.data)
        return decoded


@asynccontextmanager
async def connect(venue: RunningVenue, path: str) -> AsyncIterator[Socket]:
    connector = aiohttp.TCPConnector(ssl=venue.ssl_context())
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.ws_connect(f"wss://stream.{venue.hostname}{path}") as socket,
    ):
        yield Socket(socket)


async def test_streams_by_path_raw_and_combined(venue: RunningVenue) -> None:
    async with connect(venue, "/ws/btcusdt@depth@100ms") as raw:
        assert (await raw.receive())["e"] == "depthUpdate"
    async with connect(venue, "/stream?streams=btcusdt@bookTicker/ethusdt@bookTicker") as combined:
        seen: set[str] = set()
        while len(seen) < 2:
            frame = await combined.receive()
            assert frame["data"]["s"] == frame["stream"].split("@")[0].upper()
            seen.add(frame["stream"])


async def test_subscribe_list_and_unsubscribe(venue: RunningVenue) -> None:
    async with connect(venue, "/ws/0") as socket:
        assert await socket.ask(method="SUBSCRIBE", params=["btcusdt@depth@100ms"], id=1) == {
            "result": None,
            "id": 1,
        }
        assert (await socket.receive())["e"] == "depthUpdate"
        listed = await socket.ask(method="LIST_SUBSCRIPTIONS", id=2)
        assert listed["result"] == ["btcusdt@depth@100ms"]
        await socket.ask(method="UNSUBSCRIBE", params=["btcusdt@depth@100ms"], id=3)
        assert (await socket.ask(method="LIST_SUBSCRIPTIONS", id=4))["result"] == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nonsense", 3),
        ("[1]", 1),
        ('{"method": "SUBSCRIBE", "params": "x", "id": 1}', 1),
        ('{"method": "SUBSCRIBE", "params": [1], "id": 1}', 2),
        ('{"method": "DANCE", "id": 1}', 2),
    ],
)
async def test_bad_requests(quiet_venue: RunningVenue, text: str, code: int) -> None:
    async with connect(quiet_venue, "/ws") as socket:
        await socket.socket.send_str(text)
        assert (await socket.receive())["error"]["code"] == code


async def test_snapshot_and_diffs_give_the_book(venue: RunningVenue) -> None:
    """The venue's documented procedure for a local book, for longer than a second."""
    async with raw_client(venue) as rest, connect(venue, "/ws/btcusdt@depth@100ms") as socket:
        first = await socket.receive()
        _, snapshot, _ = await rest.send("GET", "/api/v3/depth", "symbol=BTCUSDT&limit=5000")
        book = {side: dict(snapshot[side]) for side in ("bids", "asks")}
        last = snapshot["lastUpdateId"]
        event, applied = first, 0
        while True:
            if event["u"] > last:
                assert event["U"] <= last + 1, "a gap between two events"
                for side, changes in (("bids", event["b"]), ("asks", event["a"])):
                    for price, quantity in changes:
                        if float(quantity) == 0:
                            book[side].pop(price, None)
                        else:
                            book[side][price] = quantity
                last = event["u"]
                applied += 1
            _, now, _ = await rest.send("GET", "/api/v3/depth", "symbol=BTCUSDT&limit=5000")
            if applied >= 12 and now["lastUpdateId"] == last:
                assert book == {side: dict(now[side]) for side in ("bids", "asks")}
                return
            event = await socket.receive()


async def test_slow_depth_and_partial_depth(venue: RunningVenue) -> None:
    async with connect(venue, "/stream?streams=btcusdt@depth/btcusdt@depth5@100ms") as socket:
        seen: dict[str, dict[str, Any]] = {}
        while len(seen) < 2:
            frame = await socket.receive()
            seen[frame["stream"]] = frame["data"]
        assert seen["btcusdt@depth"]["u"] - seen["btcusdt@depth"]["U"] >= 1
        assert len(seen["btcusdt@depth5@100ms"]["bids"]) == 5


async def test_trades_carry_who_was_the_maker(quiet_venue: RunningVenue) -> None:
    async with raw_client(quiet_venue) as rest, connect(quiet_venue, "/ws/btcusdt@trade") as socket:
        await socket.ask(method="LIST_SUBSCRIPTIONS", id=1)
        order = "symbol=BTCUSDT&type=LIMIT&timeInForce=GTC&quantity=0.001&price=50000&side="
        for side in ("BUY", "SELL"):
            await rest.signed("POST", "/api/v3/order", order + side)
        trade = await socket.receive()
        assert (trade["p"], trade["q"], trade["m"]) == ("50000.00000000", "0.00100000", True)
