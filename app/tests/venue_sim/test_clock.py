"""The venue's clock set off by a fault."""

from __future__ import annotations

import time

import ccxt
import pytest

from tests.venue_sim.clients import ccxt_client, frames, raw_client
from tests.venue_sim.support import RunningVenue
from venue_sim.clock import Clock
from venue_sim.faults import Faults

HOUR_MS = 3_600_000


def now_ms() -> float:
    return time.time() * 1000


def test_the_clock_is_this_machines_unless_a_fault_is_set() -> None:
    faults = Faults(0, frozenset(), frozenset())
    clock = Clock(faults)
    assert abs(clock.now_ms() - now_ms()) < 60_000
    faults.add({"kind": "clock_skew", "offset_ms": HOUR_MS, "duration_seconds": 60}, time.monotonic_ns())
    assert abs(clock.now_ms() - now_ms() - HOUR_MS) < 60_000
    faults.clear()
    assert abs(clock.now_ms() - now_ms()) < 60_000


@pytest.mark.parametrize("offset_ms", [HOUR_MS, -HOUR_MS])
async def test_time_answers_and_receive_windows_are_off(quiet_venue: RunningVenue, offset_ms: int) -> None:
    number = quiet_venue.fault(kind="clock_skew", offset_ms=offset_ms)
    async with (
        ccxt_client(quiet_venue) as client,
        raw_client(quiet_venue) as raw,
        frames(quiet_venue) as connection,
    ):
        assert abs(await client.fetch_time() - now_ms() - offset_ms) < 60_000
        answer = await connection.ask("time")
        assert abs(answer["result"]["serverTime"] - now_ms() - offset_ms) < 60_000
        with pytest.raises(ccxt.InvalidNonce):
            await client.fetch_balance()
        assert (await connection.signed("account.status"))["error"]["code"] == -1021
        # By the venue's own time the request is good: a client that measures the offset goes on.
        status, _, _ = await raw.signed("GET", "/api/v3/account", "", int(now_ms()) + offset_ms)
        assert status == 200
        await client.load_time_difference()
        order = await client.create_order("BTC/USDT", "limit", "buy", "0.001", "50000")
        assert abs(order["timestamp"] - now_ms() - offset_ms) < 60_000
        quiet_venue.admin("DELETE", f"/faults/{number}")
        assert abs(await client.fetch_time() - now_ms()) < 60_000
    set_, removed = (entry["fault"] for entry in quiet_venue.record(kind="fault"))
    assert set_["offset_ms"] == removed["offset_ms"] == offset_ms
