"""The real `trader run` on USDM perpetuals: orders, positions, realised profit, broken streams."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.trader.support import RunningTrader, until
from tests.venue_sim.support import USDM, RunningVenue

PERPETUAL = "BTC/USDT:USDT"
MakeTrader = Callable[..., RunningTrader]


@pytest.fixture
def futures(make_venue: Callable[..., RunningVenue]) -> RunningVenue:
    return make_venue(usdm={**USDM, "fees": {"maker": "0.0002", "taker": "0.0005"}})


def started(make_trader: MakeTrader, venue: RunningVenue, **changes: Any) -> RunningTrader:
    strategy = {
        "name": "quoter",
        "parameters": {
            "order_size": "0.002",
            "take_interval_seconds": 0.3,
            "requote_interval_ms": 100,
            "seed": 1,
        },
    }
    return make_trader(
        venue, at={"id": "binanceusdm"}, symbols=[PERPETUAL], strategy=strategy, **changes
    ).start()


def fills(venue: RunningVenue) -> list[dict[str, Any]]:
    return [
        entry
        for entry in venue.record(kind="fill")
        if entry["account"] == "trader-01" and entry["market"] == "usdm"
    ]


def position(venue: RunningVenue) -> Decimal:
    """At the venue, as the sum of its fills."""
    signs = {"BUY": 1, "SELL": -1}
    return sum((signs[fill["side"]] * Decimal(fill["quantity"]) for fill in fills(venue)), Decimal(0))


def test_it_trades_reconciles_and_drains(futures: RunningVenue, make_trader: MakeTrader) -> None:
    trader = started(make_trader, futures)
    trader.event("trading_started")
    until(lambda: len(fills(futures)) >= 6, "fills")
    assert trader.metric("trader_reconcile_unexplained_differences") == 0
    assert trader.metric('trader_orders_total{outcome="unknown"}') == 0
    assert trader.metric("trader_order_entry_ready") == 1
    assert trader.terminate() == 0
    assert trader.event("drain_finished")["problems"] == []
    held = next((e for e in reversed(trader.events) if e["event"] == "reconciled"), None)
    assert held is None or held["differences"] == 0


def test_after_a_kill_positions_and_wallet_are_explained(
    futures: RunningVenue, make_trader: MakeTrader
) -> None:
    trader = started(make_trader, futures)
    trader.event("trading_started")
    until(lambda: len(fills(futures)) >= 4, "fills")
    trader.kill()
    trader.start()
    assert trader.event("reconciled")["differences"] == 0
    trader.event("trading_started")
    trader.health()
    assert trader.terminate() == 0
    last = trader.events[-1]
    assert last["event"] == "stopped"


def test_an_expired_listen_key_is_mended(futures: RunningVenue, make_trader: MakeTrader) -> None:
    trader = started(make_trader, futures)
    trader.event("trading_started")
    until(lambda: len(fills(futures)) >= 2, "fills")
    status, _ = futures.admin("DELETE", "/accounts/trader-01/listen-key")
    assert status == 200
    trader.event("stream_lost", stream="orders")
    trader.event("trading_resumed")
    before = len(fills(futures))
    until(lambda: len(fills(futures)) > before + 2, "fills after it")
    until(
        lambda: Decimal(trader.health()["positions"].get(PERPETUAL, "0")) == position(futures), "one position"
    )
    assert trader.metric('trader_ws_reconnects_total{stream="orders"}') >= 1
    assert trader.terminate() == 0
