"""Funding: who pays whom, when, and what the venue says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venue_sim.clients import raw_client, usdm_client
from tests.venue_sim.support import USDM, RunningVenue, eventually
from venue_sim.usdm.funding import INTERVAL_MS, Fundings

SYMBOL = "BTC/USDT:USDT"
NEVER = 86_400


@pytest.fixture
def futures(make_venue: Callable[..., RunningVenue]) -> RunningVenue:
    return make_venue(usdm=USDM, background={"events_per_second": 0})


async def opened(venue: RunningVenue) -> None:
    """trader-02 is long, trader-01 short: 0.01 BTC at 60000."""
    async with usdm_client(venue) as short, usdm_client(venue, "trader-02") as long:
        await short.create_order(SYMBOL, "limit", "sell", 0.01, 60_000)
        await long.create_order(SYMBOL, "market", "buy", 0.01)


def pay(venue: RunningVenue, rate: str = "0.0001", **more: Any) -> Any:
    status, answer = venue.admin("POST", "/usdm/funding", {"symbol": "BTCUSDT", "rate": rate, **more})
    assert status == 200, answer
    return answer


def wallet(venue: RunningVenue, account: str) -> Decimal:
    return Decimal(venue.admin("GET", f"/accounts/{account}/balances?market=usdm")[1]["USDT"]["wallet"])


async def test_the_long_side_pays_the_short_side_and_the_list_says_so(futures: RunningVenue) -> None:
    await opened(futures)
    paid = pay(futures)
    assert paid == {
        "trader-01": {"paid": "0.06000000", "tranId": 1},
        "trader-02": {"paid": "-0.06000000", "tranId": 2},
    }
    pay(futures, "-0.0002")
    assert wallet(futures, "trader-01") == Decimal("9999.94")
    assert wallet(futures, "trader-02") == Decimal("10000.06")
    async with usdm_client(futures, "trader-02") as client:
        history = await client.fetch_funding_history(SYMBOL)
        assert [(row["id"], row["amount"], row["code"]) for row in history] == [
            ("2", -0.06, "USDT"),
            ("4", 0.12, "USDT"),
        ]
        rows = await client.fapiPrivateGetIncome({"startTime": history[1]["timestamp"]})
        assert [row["incomeType"] for row in rows] == ["FUNDING_FEE"]
    recorded = futures.record(kind="funding")
    assert [(e["account"], e["amount"], e["paid"]) for e in recorded[:2]] == [
        ("trader-01", "-0.01000000", "0.06000000"),
        ("trader-02", "0.01000000", "-0.06000000"),
    ]


async def test_the_stream_tells_the_wallet_alone(futures: RunningVenue) -> None:
    await opened(futures)
    async with raw_client(futures) as client, aiohttp.ClientSession() as session:
        _, stream, _ = await client.send("POST", "/fapi/v1/listenKey")
        url = f"wss://fstream.{futures.hostname}/private/ws?listenKey={stream['listenKey']}"
        async with session.ws_connect(url, ssl=futures.ssl_context()) as socket:
            await asyncio.to_thread(pay, futures)
            event = await socket.receive_json(timeout=10)
    assert (event["e"], event["a"]["m"], event["a"]["P"]) == ("ACCOUNT_UPDATE", "FUNDING_FEE", [])
    assert event["a"]["B"] == [
        {"a": "USDT", "wb": "10000.06000000", "cw": "10000.06000000", "bc": "0.06000000"}
    ]


async def test_a_list_that_hides_a_payment_and_a_restart(futures: RunningVenue) -> None:
    await opened(futures)
    pay(futures)
    pay(futures, listed_after_seconds=NEVER)

    async def ids() -> list[str]:
        async with usdm_client(futures) as client:
            return [row["id"] for row in await client.fetch_funding_history(SYMBOL)]

    assert await ids() == ["1"]
    assert wallet(futures, "trader-01") == Decimal("10000.12")
    await asyncio.to_thread(futures.stop)
    await asyncio.to_thread(futures.start)
    assert await ids() == ["1"]
    assert wallet(futures, "trader-01") == Decimal("10000.12")
    assert pay(futures)["trader-01"]["tranId"] == 5


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ([], "the body must be"),
        ({"symbol": "BTCUSDT"}, "the body must be"),
        ({"symbol": "BTCUSDT", "rate": "0.1", "x": 1}, "the body must be"),
        ({"symbol": "XRPUSDT", "rate": "0.1"}, "symbol: 'XRPUSDT'"),
        ({"symbol": ["BTCUSDT"], "rate": "0.1"}, "symbol: "),
        ({"symbol": "BTCUSDT", "rate": 0.1}, "rate: "),
        ({"symbol": "BTCUSDT", "rate": "NaN"}, "rate: "),
        ({"symbol": "BTCUSDT", "rate": "much"}, "rate: "),
        ({"symbol": "BTCUSDT", "rate": "0.1", "listed_after_seconds": -1}, "listed_after_seconds: "),
    ],
)
async def test_a_wrong_command_is_one_line_and_pays_nothing(
    futures: RunningVenue, body: Any, names: str
) -> None:
    status, answer = futures.admin("POST", "/usdm/funding", body)
    assert status == 400
    assert answer["error"].startswith(names)
    assert futures.record(kind="funding") == []


def test_without_futures_there_is_no_funding(quiet_venue: RunningVenue) -> None:
    assert quiet_venue.admin("POST", "/usdm/funding", {"symbol": "BTCUSDT", "rate": "0.1"})[0] == 404


async def test_it_comes_by_itself_with_the_setting(make_venue: Callable[..., RunningVenue]) -> None:
    venue = make_venue(usdm={**USDM, "funding_rate": "0.0001"}, background={"events_per_second": 0})
    await opened(venue)
    async with usdm_client(venue) as client:
        rate = await client.fetch_funding_rate(SYMBOL)
    assert rate["fundingRate"] == 0.0001
    assert rate["fundingTimestamp"] % INTERVAL_MS == 0
    # The venue's clock is put past the next moment, and one turn later all have paid.
    ahead_ms = rate["fundingTimestamp"] - rate["timestamp"] + 60_000
    venue.fault(kind="clock_skew", offset_ms=ahead_ms)

    def charged() -> list[dict[str, Any]]:
        return venue.record(kind="funding")

    await eventually(charged, "payments")
    assert [entry["paid"] for entry in charged()] == ["0.06000000", "-0.06000000"]


@given(st.lists(st.integers(0, 5 * INTERVAL_MS), min_size=1, max_size=30))
def test_each_moment_is_due_once_and_never_again(times_ms: list[int]) -> None:
    fundings = Fundings(Decimal("0.0001"), lambda payment: None)
    passed = [at_ms // INTERVAL_MS for at_ms in times_ms]
    highest = passed[0]
    for at_ms, interval in zip(times_ms, passed, strict=True):
        assert fundings.due(at_ms) is (interval > highest)
        highest = max(highest, interval)
