"""The real `trader run` and what ends its trading until a person has looked: loss, doubt, a bad strategy."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.trader.live import (
    BUSY,
    LIMITS,
    OURS,
    MakeTrader,
    after,
    change_settings,
    command,
    fills,
    open_orders,
    requests,
    stopped_in_agreement,
    traded,
)
from tests.trader.support import APP, RunningTrader, make_order, until
from tests.venue_sim.support import RunningVenue
from trader.model.orders import Order
from trader.venue.exchange import VenueAccess
from trader.venue.gateway import Gateway

TAKES = {"name": "quoter", "parameters": {**BUSY["parameters"], "take_interval_seconds": 0.15}}  # type: ignore[dict-item]
REARM = ("rearm", "--by", "ann", "--reason", "looked at it", "--yes")


@pytest.fixture
def dear_venue(make_venue: Callable[..., RunningVenue]) -> RunningVenue:
    """Whoever takes here pays half a percent: about 0.3 USD each time."""
    return make_venue(fees={"maker": "0", "taker": "0.005"})


def latch_of(trader: RunningTrader) -> dict[str, Any]:
    latch: dict[str, Any] = json.loads(command(trader, "status", "--json").stdout)["latch"]
    return latch


@contextmanager
def somebodys_order(venue: RunningVenue) -> Iterator[None]:
    """An open order on the account, placed by hand."""
    keys = venue.accounts[OURS]
    access = VenueAccess(
        "binance", venue.hostname, venue.ca_file, 5_000, 5_000, keys.api_key, keys.api_secret
    )
    order = make_order("by-hand-1-1", price=Decimal(58_000))

    async def do(act: Callable[[Gateway, Order], Any]) -> None:
        gateway = Gateway(access, ["BTC/USDT"])
        await gateway.connect()
        await act(gateway, order)
        await gateway.close()

    held = venue.fault(kind="error", code=-1000, http_status=503, endpoint="openOrders.cancelAll")
    kept = venue.fault(kind="error", code=-1000, http_status=503, endpoint="order.cancel")
    asyncio.run(do(Gateway.place))
    yield
    venue.admin("DELETE", f"/faults/{held}")
    venue.admin("DELETE", f"/faults/{kept}")
    until(lambda: not open_orders(venue), "the kill switch to cancel it")


def test_a_days_loss_ends_trading_until_a_person_says_so(
    dear_venue: RunningVenue, make_trader: MakeTrader
) -> None:
    venue = dear_venue
    trader = make_trader(venue, strategy=TAKES, risk={**LIMITS, "max_daily_loss_usd": 2}).start()
    tripped = trader.event("latch_tripped", trigger="pnl")
    assert "limit -2 USD" in tripped["message"]
    reached = [event["reached"] for event in trader.events if event["event"] == "daily_loss"]
    assert reached[-1] == "trip"
    assert set(reached[:-1]) <= {"warn_50", "warn_80"}
    assert reached[:-1], "no warning came before"
    until(lambda: not open_orders(venue), "its orders to be cancelled at the venue")
    quiet_ns = tripped["at_ns"] + 200_000_000
    assert trader.metric("trader_latch_tripped") == 1
    assert trader.terminate() == 0
    position = sum(fills(venue).values())

    trader.start()
    assert trader.event("reconciled")["differences"] == 0
    assert trader.health()["reasons"].keys() == {"latch"}
    assert (latch_of(trader)["state"], latch_of(trader)["trigger"]) == ("tripped", "pnl")
    # An order that the venue does not let go of: no proof, no re-arm.
    with somebodys_order(venue):
        done = command(trader, *REARM)
        assert done.returncode == 2
        assert "1 orders are open at the venue; cancel them, then re-arm" in done.stderr
        assert latch_of(trader)["state"] == "tripped"
    # Armed alone it may only bring its position nearer to zero: the day's loss is beyond its limit still.
    done = command(trader, *REARM)
    assert (done.returncode, done.stdout.startswith("latch: armed by ann")) == (0, True), done.stderr
    assert trader.event("latch_rearmed")["by"] == "ann"
    trader.event("trading_started")
    until(lambda: trader.metric('trader_risk_rejections_total{code="daily_loss"}') > 3, "refusals")
    orders = [e for e in requests(venue, "order.place") if e["arrival_wall_ns"] > quiet_ns]
    sides = {e["params"]["side"] for e in orders if e["params"]["newClientOrderId"].startswith(OURS)}
    assert sides <= ({"SELL"} if position > 0 else {"BUY"} if position else set()), "beyond the day's loss"
    change_settings(trader, risk={"max_daily_loss_usd": 1_000})
    assert command(trader, "reload").returncode == 0
    traded(trader, venue)
    assert trader.terminate() == 0
    assert open_orders(venue) == set()


@pytest.mark.parametrize("damage", ["corrupt", "missing", "empty"])
def test_a_latch_in_doubt_is_tripped(venue: RunningVenue, make_trader: MakeTrader, damage: str) -> None:
    trader = make_trader(venue, strategy=BUSY, risk=LIMITS).start()
    traded(trader, venue)
    assert trader.terminate() == 0
    path = trader.folder / "latch.json"
    if damage == "missing":
        path.unlink()
    else:
        path.write_text({"corrupt": '{"state": "armed", ', "empty": ""}[damage])
    started_ns = time.time_ns()
    trader.start()
    assert trader.event("reconciled")["differences"] == 0
    assert latch_of(trader)["state"] == "tripped"
    assert ("corrupt" if damage != "missing" else "missing") in latch_of(trader)["reason"]
    assert trader.health()["reasons"].keys() == {"latch"}
    assert not [e for e in requests(venue, "order.place") if e["arrival_wall_ns"] > started_ns]
    assert command(trader, *REARM).returncode == 0
    trader.event("trading_started")
    traded(trader, venue)
    stopped_in_agreement(trader, venue)


PLUGIN = """
from trader.strategy.quoter import make as quoter


class Fragile:
    def __init__(self, inner):
        self.inner, self.turns = inner, 0
        self.interval_seconds = inner.interval_seconds

    def on_book(self, view, quote):
        return []

    def on_fill(self, view, fill):
        return []

    def on_timer(self, view, now_ns):
        self.turns += 1
        if self.turns > 60:
            raise ZeroDivisionError("a mistake of its author")
        return self.inner.on_timer(view, now_ns)


def make(parameters, symbols):
    return Fragile(quoter(parameters, symbols))
"""


def installed(folder: Path) -> dict[str, str]:
    """A strategy of somebody else's, as a package would bring it; the environment that finds it."""
    (folder / "fragile.py").write_text(PLUGIN)
    about = folder / "fragile-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: fragile\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[trader.strategies]\nfragile = fragile:make\n")
    return {"PYTHONPATH": os.pathsep.join([str(APP), str(folder)])}


def test_a_strategy_that_fails_ends_trading_and_nothing_else(
    venue: RunningVenue, make_trader: MakeTrader, tmp_path: Path
) -> None:
    strategy = {"name": "fragile", "parameters": BUSY["parameters"]}
    trader = make_trader(venue, strategy=strategy, risk=LIMITS)
    trader.start(**installed(tmp_path))
    failed = trader.event("strategy_failed")
    assert "a mistake of its author" in failed["message"]
    halted = after(trader, failed["at_ns"], "trading_halted")
    assert halted["reasons"]["strategy"] == "ZeroDivisionError: a mistake of its author"
    until(lambda: not open_orders(venue), "its orders to be pulled")
    late = [e for e in requests(venue, "order.place") if e["arrival_wall_ns"] > failed["at_ns"] + 200_000_000]
    assert late == []
    assert command(trader, "status").returncode == 0
    assert command(trader, "reconcile").returncode == 0
    assert trader.health()["state"] == "halted", "a clean comparison does not mend it"
    stopped_in_agreement(trader, venue)
