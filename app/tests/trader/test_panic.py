"""`trader panic` as it is started: with the service dead, hung or robbed of its journal."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.trader.panic_support import ACCOUNT, Panic, open_at_venue, requests_of
from tests.trader.support import RunningTrader, until
from tests.venue_sim.clients import ccxt_client, usdm_client
from tests.venue_sim.support import USDM, RunningVenue

MakeTrader = Callable[..., RunningTrader]
FOREIGN: tuple[Any, ...] = ("ETH/USDT", "limit", "sell", "0.01", "5000")  # no symbol of the settings
CONDITIONAL = {
    "algoType": "CONDITIONAL", "type": "STOP_MARKET", "side": "BUY", "quantity": "0.01",
    "triggerPrice": "70000",
}  # fmt: skip


@pytest.fixture
def futures(make_venue: Callable[..., RunningVenue]) -> RunningVenue:
    return make_venue(background={"events_per_second": 0}, usdm=USDM)


async def place_foreign(venue: RunningVenue) -> None:
    """An order that the service does not know: a person's, with the service's key."""
    async with ccxt_client(venue) as client:
        await client.create_order(*FOREIGN, {"newClientOrderId": "foreign-1"})


def beside(trader: RunningTrader, venue: RunningVenue, folder: Path) -> Panic:
    """A panic on the host of a service: same settings file, same journal folder, another key."""
    panic = Panic(folder, venue)
    panic.settings["journal"] = {"path": str(trader.journal_path)}
    panic.state = trader.journal_path.parent
    panic.write_settings()
    return panic


async def quoting(trader: RunningTrader, venue: RunningVenue) -> None:
    trader.start().event("trading_started")
    until(lambda: len(open_at_venue(venue)) >= 2, "quotes")
    await place_foreign(venue)


@pytest.mark.parametrize("journal", ["whole", "corrupt"])
async def test_the_service_is_dead(
    venue: RunningVenue, make_trader: MakeTrader, tmp_path: Path, journal: str
) -> None:
    trader = make_trader(venue)
    await quoting(trader, venue)
    trader.kill()
    if journal == "corrupt":
        for part in trader.folder.glob("journal.sqlite*"):
            part.write_bytes(b"no journal" * 1_000)
    panic = beside(trader, venue, tmp_path / "host")
    ended = panic.run("--by", "ann", "--reason", "it is dead", "--trigger", "crash")
    assert (ended.code, ended.complaints) == (0, []), ended.stderr
    assert open_at_venue(venue) == set()
    result = ended.result
    assert (result["open_orders"], result["failed"], result["verified_twice"]) == (0, [], True)
    assert result["cancelled"] >= 3
    assert {name: panic.latch[name] for name in ("state", "by", "reason", "trigger")} == {
        "state": "tripped", "by": "ann", "reason": "it is dead", "trigger": "crash",
    }  # fmt: skip
    assert result["latch"] == {name: panic.latch[name] for name in result["latch"]}
    cancels = [e["endpoint"] for e in requests_of(venue) if "cancel" in e["endpoint"]]
    assert sorted(cancels) == ["openOrders.cancelAll"] * 2, "one request for each symbol"
    assert "trader_latch_tripped" not in ended.stdout


async def test_the_service_hangs(venue: RunningVenue, make_trader: MakeTrader, tmp_path: Path) -> None:
    trader = make_trader(venue)
    await quoting(trader, venue)
    os.kill(trader.pid(), signal.SIGSTOP)
    before = venue.record()[-1]["seq"]
    panic = beside(trader, venue, tmp_path / "host")
    ended = panic.run("--by", "ann", "--reason", "it hangs")
    assert ended.code == 0, ended.stderr
    assert open_at_venue(venue) == set()
    os.kill(trader.pid(), signal.SIGCONT)
    until(lambda: any("latch" in event.get("reasons", {}) for event in trader.events), "it sees the latch")
    assert trader.terminate() == 0
    assert open_at_venue(venue) == set()
    placed = [e for e in venue.record(before, kind="request") if e["endpoint"] == "order.place"]
    late = [e for e in placed if e["code"] == 0]
    assert late == [], "nothing was placed after the panic"


async def test_futures_and_their_conditional_orders(futures: RunningVenue, tmp_path: Path) -> None:
    async with usdm_client(futures) as client:
        for symbol, price in (("BTCUSDT", "59000"), ("ETHUSDT", "2900")):
            order = {
                "symbol": symbol,
                "side": "BUY",
                "quantity": "0.01",
                "newClientOrderId": f"normal-{symbol}",
            }
            await client.fapiPrivatePostOrder(order | {"type": "LIMIT", "timeInForce": "GTC", "price": price})
            await client.fapiPrivatePostAlgoOrder(
                CONDITIONAL | {"symbol": symbol, "clientAlgoId": f"stop-{symbol}"}
            )
    panic = Panic(tmp_path / "host", futures, "binanceusdm")
    ended = panic.run()
    assert ended.code == 0, ended.stderr
    assert open_at_venue(futures, "usdm") == set()
    assert (ended.result["cancelled"], ended.result["already_gone"]) == (4, 0)
    asked = {e["endpoint"] for e in requests_of(futures)}
    assert asked == {
        "usdm.openOrders.status", "usdm.openAlgoOrders.status",
        "usdm.allOpenOrders.cancel", "usdm.algoOpenOrders.cancel",
    }  # fmt: skip


async def test_for_people(quiet_venue: RunningVenue, tmp_path: Path) -> None:
    await place_foreign(quiet_venue)
    panic = Panic(tmp_path / "host", quiet_venue)
    ended = panic.run(as_json=False)
    assert (ended.code, ended.stderr) == (0, "")
    first, *_, last = [json.loads(line) for line in ended.stdout.splitlines()]
    assert (first["event"], first["verify_pause_seconds"]) == ("panic_began", 6.0)
    assert (last["event"], last["open_orders"], last["cancelled"]) == ("panic_ended", 0, 1)
    looks = [e["arrival_wall_ns"] for e in requests_of(quiet_venue) if e["endpoint"] == "openOrders.status"]
    # What counts is when they were asked for; on their way one may be a little faster than the other.
    assert looks[-1] - looks[1] >= 5.9e9, "the zeros are a receive window and a skew apart"


async def test_another_hosts_account(quiet_venue: RunningVenue, tmp_path: Path) -> None:
    await place_foreign(quiet_venue)
    panic = Panic(tmp_path / "host", quiet_venue)
    panic.write_key(*_pair(quiet_venue, "peer"), name="peer")
    ended = panic.run("--no-latch", "--credential", "peer")
    assert (ended.code, ended.result["latch"]) == (0, None)
    assert list(panic.state.iterdir()) == []
    assert {e["key"] for e in quiet_venue.record(kind="request") if "cancel" in e["endpoint"]} == {"peer"}


def _pair(venue: RunningVenue, key: str) -> tuple[str, str]:
    credentials = venue.accounts[f"{ACCOUNT}/{key}"]
    return credentials.api_key, credentials.api_secret
