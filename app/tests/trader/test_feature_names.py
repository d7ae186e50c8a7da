"""The real `trader run` and `trader preflight` on a host whose surroundings fail: names, keys, clocks."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.trader.live import (
    BUSY,
    LIMITS,
    OURS,
    MakeTrader,
    change_settings,
    command,
    open_orders,
    orders,
    stopped_in_agreement,
    traded,
)
from tests.trader.support import RunningTrader, until
from tests.venue_sim.support import RunningVenue

NO_NAMES = "127.0.0.1 localhost\n"
NO_SERVER = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"  # nobody answers there


def without_names(venue: RunningVenue, trader: RunningTrader) -> None:
    """What is started from now on resolves no name."""
    files = {"/etc/hosts": NO_NAMES, "/etc/resolv.conf": NO_SERVER}
    mounts = []
    for number, (target, text) in enumerate(files.items()):
        source = venue.folder / f"nameless-{number}"
        source.write_text(text)
        mounts.append(f"mount --bind '{source}' {target}")
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    script = " && ".join([*mounts, 'exec "$@"'])
    trader.prefix = ["unshare", *as_root, "--mount", "sh", "-c", script, "sh"]


def test_a_restart_without_names_goes_to_the_last_good_addresses(
    venue: RunningVenue, make_trader: MakeTrader
) -> None:
    trader = make_trader(venue, strategy=BUSY, risk=LIMITS).start()
    traded(trader, venue)
    until(lambda: trader.health()["open_orders"] >= 2, "orders that rest")
    trader.kill()
    left = open_orders(venue)
    assert left
    without_names(venue, trader)
    trader.start()
    assert "127.0.0.1" in trader.event("dns_fallback")["message"]
    assert trader.event("reconciled")["differences"] == 0
    trader.event("trading_started")
    until(lambda: not left & open_orders(venue), "what the dead process left to be cancelled")
    assert {e["status"] for e in orders(venue) if e["client_order_id"] in left} & {"CANCELED", "FILLED"}
    traded(trader, venue)
    assert trader.metric("trader_dns_fallbacks_total") >= 1
    stopped_in_agreement(trader, venue)


def test_a_first_start_without_names_waits(venue: RunningVenue, make_trader: MakeTrader) -> None:
    trader = make_trader(venue)
    without_names(venue, trader)
    trader.start()
    trader.event("venue_away")
    assert trader.health()["state"] == "halted"
    assert trader.terminate() == 0


# -- preflight


def checked(trader: RunningTrader) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code, and findings by the check's name."""
    done = command(trader, "preflight", "--json")
    assert "Traceback" not in done.stderr
    rows = json.loads(done.stdout)
    return done.returncode, {row["check"]: row for row in rows}


def failed(findings: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, row in findings.items() if row["result"] == "FAIL"}


@pytest.fixture
def ready(quiet_venue: RunningVenue, make_trader: MakeTrader) -> RunningTrader:
    """A host on which nothing runs yet."""
    trader = make_trader(quiet_venue, preflight={"min_free_mb": 1})
    trader.folder.chmod(0o700)
    if os.geteuid() == 0:  # root looks at the folder of the service's user, who is another one
        os.chown(trader.folder, 65_534, 65_534)
    return trader


def test_preflight_of_a_good_host(ready: RunningTrader, quiet_venue: RunningVenue) -> None:
    code, findings = checked(ready)
    assert (code, failed(findings)) == (0, set()), findings
    assert findings["key permissions"]["detail"] == "no withdrawal"
    assert not quiet_venue.record(kind="order")
    assert not (ready.folder / "journal.sqlite").exists(), "it changes nothing"
    table = command(ready, "preflight")
    assert table.returncode == 0
    assert table.stdout.splitlines()[0].split("\t") == ["check", "result", "detail", "next step"]


def withdrawing(venue: RunningVenue, _: RunningTrader) -> None:
    venue.stop()
    path = Path(venue.settings["accounts_file"])
    accounts = json.loads(path.read_text())
    accounts[0]["withdrawals"] = True
    path.write_text(json.dumps(accounts))
    venue.start()


def disabled(venue: RunningVenue, _: RunningTrader) -> None:
    venue.admin("PUT", f"/accounts/{OURS}/key", {"enabled": False})


def skewed(venue: RunningVenue, _: RunningTrader) -> None:
    venue.fault(kind="clock_skew", offset_ms=1_500)


def away(venue: RunningVenue, _: RunningTrader) -> None:
    venue.stop()


def other_symbol(_: RunningVenue, trader: RunningTrader) -> None:
    change_settings(trader, symbols=["DOGE/USDT"])


def tripped(_: RunningVenue, trader: RunningTrader) -> None:
    (trader.folder / "latch.json").write_text("nothing that anybody can read")


def no_credentials(_: RunningVenue, trader: RunningTrader) -> None:
    (trader.folder / "credentials" / "venue").unlink()


def bad_limits(_: RunningVenue, trader: RunningTrader) -> None:
    change_settings(trader, risk={"max_open_orders": 0})


@pytest.mark.parametrize(
    ("harm", "check", "text"),
    [
        (withdrawing, "key permissions", "it may withdraw"),
        (disabled, "key permissions", "-2015"),
        (skewed, "venue clock", "limit 500 ms"),
        (away, "venue", "markets"),
        (other_symbol, "venue", "DOGE/USDT"),
        (tripped, "latch", "corrupt"),
        (no_credentials, "credentials", "credential"),
        (bad_limits, "settings", "risk.max_open_orders"),
    ],
    ids=["withdrawing", "disabled", "skewed", "away", "symbol", "tripped", "credentials", "limits"],
)
def test_preflight_says_no(
    ready: RunningTrader, quiet_venue: RunningVenue, harm: Any, check: str, text: str
) -> None:
    harm(quiet_venue, ready)
    code, findings = checked(ready)
    assert code == 1
    assert check in failed(findings)
    assert text in findings[check]["detail"]
    assert findings[check]["next_step"], "a no without a next step"
