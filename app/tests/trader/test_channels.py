"""Streams of venues whose way of subscribing is not known: guessed, watched, and given up when they break."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from trader.venue import streams as streams_module
from trader.venue.channels import CHANNELS, ended_by_venue
from trader.venue.streams import Handlers, Stream, Streams
from trader.venue.venues import RULES


class Scripted:
    """A ccxt exchange that does what a test says; `orders` are the answers of watch_orders, in turn."""

    id = "kraken"

    def __init__(self, *orders: Any, **has: bool) -> None:
        self.script = list(orders)
        self.has = {"watchMyTrades": True, "watchBidsAsks": True} | has
        self.clients: dict[str, Any] = {}
        self.orders = self.myTrades = None
        self.asked: list[str] = []

    async def _watch(self, name: str) -> Any:
        self.asked.append(name)
        await asyncio.Event().wait()

    async def watch_bids_asks(self, symbols: list[str]) -> Any:
        return await self._watch("bids_asks")

    async def watch_tickers(self, symbols: list[str]) -> Any:
        return await self._watch("tickers")

    async def watch_my_trades(self) -> Any:
        return await self._watch("my_trades")

    async def watch_orders(self) -> Any:
        if not self.script:
            return await self._watch("orders")
        answer = self.script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def make(exchange: Scripted) -> tuple[Streams, list[Any], list[Stream]]:
    reports: list[Any] = []
    lost: list[Stream] = []
    edge = SimpleNamespace(read_order=lambda order: order, read_fill=lambda trade: trade)
    gateway: Any = SimpleNamespace(exchange=exchange, edge=edge)
    handlers = Handlers(
        lambda quote: None,
        reports.append,
        lambda fill: None,
        lambda stream, error: lost.append(stream),
        lambda stream: None,
    )
    return Streams(gateway, ["BTC/USD"], handlers, 30.0), reports, lost


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_module, "GUESS_SECONDS", 0.01)


def test_every_covered_venue_has_a_channel() -> None:
    assert set(CHANNELS) == set(RULES)


async def test_a_call_that_does_not_fail_is_taken_to_be_subscribed() -> None:
    streams, _, lost = make(Scripted())
    streams.start()
    async with asyncio.timeout(5):
        await streams._up[Stream.ORDERS].wait()
        await streams._up[Stream.FILLS].wait()
    assert lost == []
    await streams.stop()


async def test_what_comes_with_the_first_call_is_not_lost() -> None:
    streams, reports, _ = make(Scripted(["a report"]))
    streams.start()
    async with asyncio.timeout(5):
        await streams._up[Stream.ORDERS].wait()
        await asyncio.sleep(0)
    assert reports == ["a report"]
    await streams.stop()


async def test_a_refused_subscription_is_told_and_tried_again() -> None:
    streams, _, lost = make(Scripted(ConnectionError("no such channel")))
    streams.start()
    async with asyncio.timeout(5):
        await streams._up[Stream.ORDERS].wait()
    assert lost == [Stream.ORDERS]
    await streams.stop()


async def test_without_a_stream_of_trades_there_is_none_and_quotes_come_by_tickers() -> None:
    exchange = Scripted(watchMyTrades=False, watchBidsAsks=False)
    streams, _, _ = make(exchange)
    assert streams.watched == (Stream.QUOTES, Stream.ORDERS)
    streams.start()
    async with asyncio.timeout(5):
        await streams._up[Stream.ORDERS].wait()
    assert "tickers" in exchange.asked
    assert "my_trades" not in exchange.asked
    await streams.stop()


@pytest.mark.parametrize(
    ("message", "ended"),
    [
        ({"e": "listenKeyExpired"}, True),
        ({"subscriptionId": 1, "event": {"e": "eventStreamTerminated"}}, True),
        ({"event": {"e": "serverShutdown"}}, True),
        ({"e": "executionReport"}, False),
        ({"event": "subscribe"}, False),
        ([], False),
    ],
)
def test_the_venue_may_end_a_stream(message: Any, ended: bool) -> None:
    assert ended_by_venue(message) is ended
