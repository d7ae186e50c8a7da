"""Reading a running service and the emulator's record against each other."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import apsw
import yaml

from tests.trader.support import PROGRAM, RunningTrader, until
from tests.venue_sim.support import RunningVenue

OURS = "trader-01"
MakeTrader = Callable[..., RunningTrader]
Entry = dict[str, Any]
Trade = tuple[str, str, str]
# Quotes so near that the background flow hits them now and then, and a market order every now and then.
BUSY = {
    "name": "quoter",
    "parameters": {
        "order_size": "0.001",
        "spread_bps": "1",
        "requote_interval_ms": 60,
        "take_interval_seconds": 0.5,
        "max_inventory": "0.02",
        "seed": 1,
    },
}
LIMITS = {
    "max_orders_per_second": 1_000,
    "max_repeated_executions": 1_000_000,
    "max_daily_loss_usd": 1_000_000,
    "identical_intent_window_ms": 0,
}


def requests(venue: RunningVenue, endpoint: str | None = None) -> list[Entry]:
    """Every request of our account, and those that need no account: this address is the service's alone."""
    return [
        entry
        for entry in venue.record(kind="request")
        if entry["account"] in (OURS, None) and endpoint in (None, entry["endpoint"])
    ]


def orders(venue: RunningVenue) -> list[Entry]:
    return [entry for entry in venue.record(kind="order") if entry["account"] == OURS]


def open_orders(venue: RunningVenue) -> set[str]:
    last = {entry["client_order_id"]: entry["status"] for entry in orders(venue)}
    return {name for name, status in last.items() if status in ("NEW", "PARTIALLY_FILLED")}


def fills(venue: RunningVenue) -> dict[Trade, Decimal]:
    """Signed quantity by symbol, trade id and client id: a trade of ours with ourselves has two sides."""
    signs = {"BUY": 1, "SELL": -1}
    return {
        (entry["symbol"], str(entry["trade_id"]), entry["client_order_id"]): signs[entry["side"]]
        * Decimal(entry["quantity"])
        for entry in venue.record(kind="fill")
        if entry["account"] == OURS
    }


def booked(trader: RunningTrader) -> list[Trade]:
    """Every fill in the journal, in its order."""
    connection = apsw.Connection(str(trader.journal_path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        rows = connection.execute("SELECT body FROM events WHERE kind = 'fill' ORDER BY seq")
        bodies = [json.loads(body) for (body,) in rows]
    finally:
        connection.close()
    return [(body["symbol"].replace("/", ""), body["trade_id"], body["client_id"]) for body in bodies]


def traded(trader: RunningTrader, venue: RunningVenue, count: int = 3) -> None:
    """Wait until it trades and has some more fills than it has now."""
    trader.event("trading_started")
    before = len(fills(venue))
    until(lambda: len(fills(venue)) >= before + count, "fills")


def stopped_in_agreement(trader: RunningTrader, venue: RunningVenue) -> None:
    """Stop it; then nothing is open, and every fill of the venue is booked, once."""
    assert trader.terminate() == 0
    assert open_orders(venue) == set()
    found = booked(trader)
    assert len(found) == len(set(found)), "a fill is booked twice"
    assert set(found) == set(fills(venue)), "I5"
    assert not [e for e in trader.events if e["event"] == "contradiction"]
    assert not [e for e in trader.events if e["event"] == "difference"]
    placed = [entry["client_order_id"] for entry in orders(venue) if entry["event"] == "NEW"]
    assert len(placed) == len(set(placed)), "I1"


def after(trader: RunningTrader, at_ns: int, name: str, **fields: Any) -> Entry:
    """Wait for an event that comes after a moment (UTC)."""

    def found() -> Entry | None:
        wanted = {"event": name, **fields}
        return next(
            (e for e in list(trader.events) if e["at_ns"] >= at_ns and wanted.items() <= e.items()), None
        )

    event: Entry = until(found, f"{name} {fields}")
    return event


def nothing_placed_between(venue: RunningVenue, halted: Entry, resumed: Entry) -> None:
    """No order was signed while trading was off."""
    first_ms, last_ms = halted["at_ns"] // 1_000_000, resumed["at_ns"] // 1_000_000
    late = [
        entry["params"]
        for entry in requests(venue, "order.place")
        if first_ms + 1 < int(entry["params"]["timestamp"]) < last_ms
    ]
    assert late == [], "orders were placed while trading was off"


def fault_set_ns(venue: RunningVenue, number: int) -> int:
    """When a fault was set (UTC)."""
    return next(
        int(entry["wall_ns"])
        for entry in venue.record(kind="fault")
        if entry["action"] == "set" and entry["fault"]["id"] == number
    )


def command_line(trader: RunningTrader, *words: str) -> list[str]:
    """`trader WORDS --config ...`, as a person on the host types it."""
    return [*trader.prefix, sys.executable, "-c", PROGRAM, *words, "--config", str(trader.settings_path)]


def command(trader: RunningTrader, *words: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(
        command_line(trader, *words),
        env=trader.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def change_settings(trader: RunningTrader, **changes: Any) -> None:
    """Write top-level keys of the settings file anew; a mapping is merged into what is there."""
    settings = yaml.safe_load(trader.settings_path.read_text())
    for key, value in changes.items():
        merged = isinstance(value, dict) and isinstance(settings.get(key), dict)
        settings[key] = {**settings[key], **value} if merged else value
    trader.settings_path.write_text(yaml.safe_dump(settings))


def position(venue: RunningVenue) -> Decimal:
    return sum(fills(venue).values(), Decimal(0))
