"""The real `trader run` on paper and in shadow: live data, simulated fills, nothing private ever asked."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.trader.live import LIMITS, MakeTrader, change_settings, command, traded
from tests.trader.support import PROGRAM, RunningTrader, until
from tests.venue_sim.support import RunningVenue

PUBLIC = {"exchangeInfo", "time"}
FUNDED = {"balances": {"USDT": "100000", "BTC": "2"}}
# On paper a resting order is filled when the market trades through it, which a calm one does seldom.
TAKES = {
    "name": "quoter",
    "parameters": {
        "order_size": "0.001",
        "requote_interval_ms": 100,
        "take_interval_seconds": 0.3,
        "seed": 1,
    },
}
NO_KEY = {"CREDENTIALS_DIRECTORY": ""}


def simulated(trader: RunningTrader, count: int) -> None:
    """Wait until it has some more fills of its own making."""
    trader.event("trading_started")
    before = trader.metric("trader_fills_total")
    until(lambda: trader.metric("trader_fills_total") >= before + count, "simulated fills")


def nothing_private(venue: RunningVenue) -> None:
    asked = venue.record(kind="request")
    assert {entry["endpoint"] for entry in asked} <= PUBLIC
    assert {entry["account"] for entry in asked} == {None}
    assert not venue.record(kind="order")
    assert venue.call(lambda server: sum(bool(c.accounts) for c in server._connections)) == 0


@pytest.mark.parametrize("mode", ["paper", "shadow"])
def test_nothing_private_reaches_the_venue(venue: RunningVenue, make_trader: MakeTrader, mode: str) -> None:
    trader = make_trader(
        venue,
        mode=mode,
        paper=FUNDED,
        strategy=TAKES,
        risk=LIMITS,
        reconcile={"interval_seconds": 1},
        shipping={"mode": "strict", "command": ["false"]},  # of live trading alone
    )
    trader.start(**NO_KEY)
    simulated(trader, 5)
    assert trader.health()["mode"] == mode
    assert trader.metric("trader_reconcile_unexplained_differences") == 0
    until(lambda: len([e for e in trader.events if e["event"] == "reconciled"]) >= 3, "comparisons")
    assert trader.terminate() == 0
    assert trader.event("drain_finished")["problems"] == []
    nothing_private(venue)

    trader.start(**NO_KEY)
    simulated(trader, 3)
    trader.kill()
    trader.start(**NO_KEY)
    assert trader.event("reconciled")["differences"] == 0
    simulated(trader, 1)
    assert {e["differences"] for e in trader.events if e["event"] == "reconciled"} == {0}
    assert trader.terminate() == 0
    nothing_private(venue)


def test_the_desk_rules_paper_too(venue: RunningVenue, make_trader: MakeTrader) -> None:
    trader = make_trader(venue, mode="paper", paper=FUNDED, strategy=TAKES, risk=LIMITS).start(**NO_KEY)
    simulated(trader, 1)
    change_settings(trader, trading_state="halted")
    assert command(trader, "reload").returncode == 0
    until(lambda: trader.health()["open_orders"] == 0, "its orders to be pulled")
    done = command(trader, "reconcile")
    assert (done.returncode, done.stdout[:23]) == (0, "journal and venue agree"), done
    assert trader.terminate() == 0
    nothing_private(venue)


def diff(trader: RunningTrader, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "shadow", "diff", *map(str, words)],
        env=trader.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_shadow_is_compared_with_the_live_instance(venue: RunningVenue, make_trader: MakeTrader) -> None:
    live = make_trader(venue, strategy=TAKES, risk=LIMITS)
    shadow = make_trader(venue, mode="shadow", paper=FUNDED, strategy=TAKES, risk=LIMITS)
    live.start()
    shadow.start(**NO_KEY)
    simulated(shadow, 2)
    traded(live, venue)
    assert shadow.terminate() == 0
    assert live.terminate() == 0
    done = diff(live, shadow.journal_path, live.journal_path, "--window-ms", 1_000, "--tolerance-bps", 5)
    assert done.returncode == 0, done.stderr
    head, *differences = done.stdout.splitlines()
    share, _, counts = head.removeprefix("agreement ").partition(" %: ")
    assert 0 < float(share) <= 100
    matched, _, union = counts.partition(" (")[0].partition(" of ")
    assert 0 < int(matched) <= int(union)
    assert int(matched) == int(union) or differences
    same = diff(live, live.journal_path, live.journal_path)
    assert same.stdout.startswith("agreement 100.00 %: "), "a journal agrees with itself"
    assert diff(live, live.journal_path, live.folder / "absent.sqlite").returncode == 2


def try_release(trader: RunningTrader, *more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-c",
            PROGRAM,
            "shadow",
            "try",
            "--config",
            str(trader.settings_path),
            *map(str, more),
        ],
        env=trader.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_release_is_tried_beside_the_live_instance(venue: RunningVenue, make_trader: MakeTrader) -> None:
    live = make_trader(venue, strategy=TAKES, risk=LIMITS)
    live.start()
    traded(live, venue)
    done = try_release(live, "--seconds", 5, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["shadow"] > 0
    assert found["live"] > 0
    assert 0.3 < found["ratio"] < 3
    assert live.terminate() == 0, "the live instance never noticed"


def test_a_release_that_does_not_live_fails_its_trial(venue: RunningVenue, make_trader: MakeTrader) -> None:
    live = make_trader(venue, strategy=TAKES, risk=LIMITS)
    live.start()
    traded(live, venue)
    live.terminate()
    venue_settings = {"ca_file": str(live.folder / "absent.pem")}
    change_settings(live, venue=venue_settings)
    done = try_release(live, "--seconds", 5)
    assert done.returncode == 2
    assert "the shadow ended by itself with status 2" in done.stderr
    assert "absent.pem" in done.stderr
    live.settings_path.write_text("mode: [")
    assert try_release(live).returncode == 2
