"""The real `trader run` against the real emulator, from start to stop, judged by the emulator's record."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import apsw
import pytest

from tests.trader.support import RunningTrader, until
from tests.venue_sim.support import RunningVenue

MakeTrader = Callable[..., RunningTrader]
OURS = "trader-01"


def placed_ids(venue: RunningVenue) -> list[str]:
    """Client ids that the venue accepted, in order, from its record."""
    return [entry["client_order_id"] for entry in orders(venue) if entry["event"] == "NEW"]


def orders(venue: RunningVenue) -> list[dict[str, Any]]:
    return [entry for entry in venue.record(kind="order") if entry.get("account") == OURS]


def requested_ids(venue: RunningVenue) -> list[str]:
    """Client ids of every request to place an order, answered or not."""
    requests = [entry for entry in venue.record(kind="request") if entry["endpoint"] == "order.place"]
    return [entry["params"]["newClientOrderId"] for entry in requests]


def open_orders(venue: RunningVenue) -> set[str]:
    """Client ids that are open at the venue, from its record."""
    last = {entry["client_order_id"]: entry["status"] for entry in orders(venue)}
    return {name for name, status in last.items() if status in ("NEW", "PARTIALLY_FILLED")}


def intents(trader: RunningTrader) -> set[str]:
    """Client ids of the intents that the journal holds; its tables may lag behind its events."""
    connection = apsw.Connection(str(trader.journal_path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        rows = connection.execute("SELECT body FROM events WHERE kind = 'intent'")
        return {json.loads(body)["client_id"] for (body,) in rows}
    finally:
        connection.close()


def no_id_twice(venue: RunningVenue) -> bool:
    """I1: no client id reaches the venue twice, accepted or not."""
    return max(Counter(requested_ids(venue)).values(), default=0) <= 1


def trading(trader: RunningTrader, venue: RunningVenue, orders_at_least: int = 6) -> None:
    """Wait until it trades."""
    trader.event("trading_started")
    until(lambda: len(placed_ids(venue)) >= orders_at_least, "orders at the venue")


def test_it_starts_trades_and_drains(venue: RunningVenue, make_trader: MakeTrader) -> None:
    trader = make_trader(venue).start()
    trading(trader, venue)
    until(lambda: trader.get("/readyz")[0] == 200, "ready")
    health = trader.health()
    assert (health["release"], health["state"], health["reasons"]) == ("dev", "active", {})
    assert health["started_at_ns"] < health["trading_since_ns"] < time.time_ns()
    assert trader.metric("trader_trading_state") == 2
    assert trader.metric('trader_orders_total{outcome="acknowledged"}') >= 6
    assert trader.metric('trader_orders_total{outcome="unknown"}') == 0
    assert trader.metric("trader_reconcile_unexplained_differences") == 0
    assert trader.metric('trader_build_info{release="dev",sha256="",version="0.1.0"}') == 1

    assert trader.terminate() == 0
    assert open_orders(venue) == set()
    assert trader.event("drain_finished")["problems"] == []
    assert [e["event"] for e in trader.events if e["event"].startswith("drain")] == [
        "drain_started",
        "drain_finished",
    ]
    after = trader.event("drain_started")["at_ns"]
    places = [e for e in venue.record(kind="request") if e["endpoint"] == "order.place"]
    assert all(e["arrival_wall_ns"] < after for e in places), "an order was placed during the drain"
    assert set(placed_ids(venue)) <= intents(trader), "I2: an order without an intent"
    assert no_id_twice(venue)


def test_systemd_is_told(venue: RunningVenue, make_trader: MakeTrader) -> None:
    trader = make_trader(venue).start(WATCHDOG_USEC="300000")
    trading(trader, venue, 1)
    until(lambda: trader.notices().count("WATCHDOG=1") >= 2, "watchdog")
    told = trader.notices()
    assert told.index("STATUS=trading") < told.index("READY=1")
    assert trader.terminate() == 0
    assert any(notice.startswith("STOPPING=1") for notice in trader.notices())


def test_no_secret_is_ever_shown(venue: RunningVenue, make_trader: MakeTrader) -> None:
    trader = make_trader(venue).start()
    trading(trader, venue)
    venue.fault(kind="error", code=-1000, http_status=500, endpoint="openOrders.status")
    venue.fault(kind="error", code=-2010, http_status=400, endpoint="order.place", account=OURS)
    trader.event("order_not_placed")
    seen = [trader.get(path)[1] for path in ("/healthz", "/readyz", "/metrics")]
    venue.admin("DELETE", "/faults")
    assert trader.terminate() == 0
    command = " ".join(map(str, trader.process.args))  # type: ignore[arg-type]
    for secret in trader.secrets:
        assert all(secret not in text for text in (*seen, *trader.lines, command))
    assert not any("signature=" in line and "signature=[hidden]" not in line for line in trader.lines)


def test_after_a_kill_it_reconciles_and_reuses_no_id(venue: RunningVenue, make_trader: MakeTrader) -> None:
    trader = make_trader(venue)
    for _ in range(2):
        trader.start()
        before = len(placed_ids(venue))
        trader.event("trading_started")
        until(lambda before=before: len(placed_ids(venue)) > before + 5, "orders")  # type: ignore[misc]
        trader.kill()
    trader.start()
    assert trader.event("reconciled")["differences"] == 0
    trader.event("trading_started")
    assert trader.terminate() == 0
    assert no_id_twice(venue)
    assert set(placed_ids(venue)) <= intents(trader)
    assert open_orders(venue) == set()


def test_orders_that_are_kept_are_adopted(venue: RunningVenue, make_trader: MakeTrader) -> None:
    trader = make_trader(venue, drain={"open_orders": "keep", "deadline_seconds": 10}).start()
    trading(trader, venue)
    until(lambda: trader.health()["open_orders"] >= 2, "resting orders")
    assert trader.terminate() == 0
    kept = open_orders(venue)
    assert kept
    trader.start()
    assert trader.event("reconciled")["differences"] == 0
    trader.event("trading_started")
    until(lambda: not kept & open_orders(venue), "the strategy to replace what it adopted")
    assert trader.terminate() == 0


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "hang", "stage": "after"},
        {"kind": "hang", "stage": "before"},
        {"kind": "error", "stage": "after", "code": -1007, "http_status": 504},
        {"kind": "error", "stage": "after", "code": -1006, "http_status": 500},
    ],
    ids=lambda fault: f"{fault['kind']}-{fault['stage']}-{fault.get('code', '')}",
)
def test_a_lost_reply_places_nothing_twice(
    venue: RunningVenue, make_trader: MakeTrader, fault: dict[str, Any]
) -> None:
    trader = make_trader(venue, at={"recv_window_ms": 1_000, "timeout_ms": 500}).start()
    trading(trader, venue)
    number = venue.fault(**fault, endpoint="order.place", account=OURS)
    # With the user stream alive an order may be proven before its reply is given up; both ways are good.
    until(lambda: trader.metric('trader_orders_total{outcome="unknown"}') >= 3, "lost replies")
    venue.admin("DELETE", f"/faults/{number}")
    until(lambda: trader.health()["unknown_orders"] == 0, "every outcome proven")
    assert trader.terminate() == 0
    assert no_id_twice(venue)
    assert open_orders(venue) == set()
    assert set(placed_ids(venue)) <= intents(trader)


def test_without_the_venue_it_stays_up_halted_and_healthy(
    venue: RunningVenue, make_trader: MakeTrader
) -> None:
    venue.stop()
    trader = make_trader(venue).start()
    trader.event("venue_away")
    assert trader.health()["state"] == "halted"
    status, body = trader.get("/readyz")
    assert status == 503
    assert "waiting for the venue" in json.loads(body)["reasons"]["start"]
    assert any("EXTEND_TIMEOUT_USEC" in notice for notice in trader.notices())
    assert "READY=1" not in trader.notices()
    venue.start()
    trader.event("trading_started")
    assert "READY=1" in trader.notices()
    assert trader.terminate() == 0


def test_without_the_venue_it_stops_at_once(venue: RunningVenue, make_trader: MakeTrader) -> None:
    venue.stop()
    trader = make_trader(venue).start()
    trader.event("venue_away")
    assert trader.terminate() == 0


def test_the_venue_goes_and_comes_back(venue: RunningVenue, make_trader: MakeTrader) -> None:
    trader = make_trader(venue, at={"recv_window_ms": 1_000, "timeout_ms": 500}).start()
    trading(trader, venue)
    venue.stop()
    trader.event("stream_lost", stream="orders")
    until(lambda: trader.get("/readyz")[0] == 503, "not ready")
    venue.start()
    trader.event("trading_resumed")
    assert trader.metric('trader_ws_reconnects_total{stream="orders"}') >= 1
    assert trader.terminate() == 0
    assert no_id_twice(venue)
    assert open_orders(venue) == set()


def test_a_foreign_order_keeps_it_halted(venue: RunningVenue, make_trader: MakeTrader) -> None:
    stranger = make_trader(venue, host="elsewhere", drain={"open_orders": "keep"}).start()
    trading(stranger, venue, 4)
    until(lambda: stranger.health()["open_orders"] > 0, "an order that rests")
    assert stranger.terminate() == 0
    foreign = open_orders(venue)

    trader = make_trader(venue).start()
    assert trader.event("reconciled")["differences"] == len(foreign)
    assert {e["kind"] for e in trader.events if e["event"] == "difference"} == {"foreign_order"}
    assert trader.get("/readyz")[0] == 503
    assert trader.metric("trader_reconcile_unexplained_differences") == len(foreign)
    assert trader.metric("trader_trading_state") == 0
    assert "READY=1" in trader.notices(), "it is up and has reconciled, and says why it is halted"
    assert trader.terminate() == 0
    assert not [name for name in placed_ids(venue) if name.startswith("trader-01-")]
    assert open_orders(venue) == foreign, "orders of others are not ours to touch"


def test_a_cancel_that_is_impossible_is_said(venue: RunningVenue, make_trader: MakeTrader) -> None:
    trader = make_trader(venue, drain={"open_orders": "cancel", "deadline_seconds": 1}).start()
    trading(trader, venue)
    until(lambda: trader.health()["open_orders"] > 0, "an order that rests")
    venue.fault(kind="error", code=-1000, http_status=500, endpoint="order.cancel", account=OURS)
    assert trader.terminate() == 1
    problems = trader.event("drain_finished")["problems"]
    assert problems[0] == "not drained within 1 s"
    assert any(name in problem for name in open_orders(venue) for problem in problems)


def test_a_journal_that_cannot_be_written_stops_trading(venue: RunningVenue, make_trader: MakeTrader) -> None:
    trader = make_trader(venue).start("prlimit", "--fsize=1000000")
    trading(trader, venue)
    failed = trader.event("journal_failed")
    assert "journal.sqlite" in failed["message"]
    status, body = trader.get("/readyz")
    assert status == 503
    assert "journal" in json.loads(body)["reasons"]
    assert trader.metric("trader_journal_failed") == 1
    until(lambda: not open_orders(venue), "its orders to be pulled")
    assert trader.terminate() == 1
    assert set(placed_ids(venue)) <= intents(trader)
    assert no_id_twice(venue)


def test_two_processes_never_share_a_journal(venue: RunningVenue, make_trader: MakeTrader) -> None:
    trader = make_trader(venue).start()
    trader.event("trading_started")
    second = subprocess.run(
        [
            sys.executable,
            "-c",
            "from trader.cli import main; main()",
            "run",
            "--config",
            trader.settings_path,
        ],
        env=trader.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert second.returncode == 2
    [line] = second.stderr.splitlines()
    assert f"in use by process {trader.pid()}" in line
    assert trader.terminate() == 0
