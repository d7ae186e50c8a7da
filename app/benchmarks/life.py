"""The real `trader run` over two hours of trade, and its starts: `python -m benchmarks.life --disk FOLDER`.

Hours of the quoter at its default pace (one order replaced every 220 ms, one market order every 5 s, the
emulator's flow of 20 events a second, a reconciliation every 30 s) are pressed into minutes: everything
happens PACE times as often. Resident memory is read beside it; windows that count in seconds hold PACE times
as much as in a real hour, so the figure is on the safe side. Simulated time is told by the orders that were
really acknowledged. The slope is the second hour's: in the first, bounded caches fill (SQLite's pages, ccxt's
last thousand orders and trades).

Starts after an orderly stop are timed from the start of the process: to the end of the first reconciliation,
and to READY=1, which systemd gets. Past orders were really traded: none, about a hundred, and those of
the hours. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from benchmarks.emulator import Emulator, emulator
from benchmarks.figures import progress, result
from benchmarks.names import resolve_here
from benchmarks.our_side import WIDE
from benchmarks.trader_process import TraderProcess, until

PACE = 20
REQUOTE_MS, TAKE_SECONDS, FLOW, RECONCILE_SECONDS, CLOCK_SECONDS = 220, 5.0, 20, 30.0, 10.0
ORDERS_AN_HOUR = 3_600_000 // REQUOTE_MS
SAMPLE_SECONDS = 0.5
SLOWEST = 3  # times longer than planned
STARTS = 3
ACKNOWLEDGED = 'trader_orders_total{outcome="acknowledged"}'
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6


def trader(folder: Path, venue: Emulator, account: int) -> TraderProcess:
    """The service on one account, at PACE times the default pace."""
    folder.mkdir()
    key, secret = venue.secrets[account]
    parameters = {
        "order_size": "0.001",
        "requote_interval_ms": REQUOTE_MS // PACE,
        "take_interval_seconds": TAKE_SECONDS / PACE,
    }
    return TraderProcess(
        folder,
        venue.hostname,
        venue.ca_file,
        (key, secret.decode()),
        strategy={"name": "quoter", "parameters": parameters},
        risk=WIDE | {"identical_intent_window_ms": 100 // PACE},
        reconcile={"interval_seconds": RECONCILE_SECONDS / PACE},
        clock={"interval_seconds": CLOCK_SECONDS / PACE},
    )


def resident_mb(pid: int) -> float:
    """Resident memory, in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_MB


def trade(running: TraderProcess, orders: int, longest_seconds: float) -> list[tuple[float, float]]:
    """Let it trade until so many orders were acknowledged.

    Returns:
        Orders so far and resident memory in MB, over time.
    """
    samples: list[tuple[float, float]] = []
    running.event("trading_started")
    ends = time.monotonic() + longest_seconds
    told = 0.0
    while not samples or samples[-1][0] < orders:
        if time.monotonic() > ends:
            raise SystemExit(
                f"life: {samples[-1][0]:g} of {orders} orders in {longest_seconds:g} s; too slow"
            )
        time.sleep(SAMPLE_SECONDS)
        done = running.metric(ACKNOWLEDGED) if ACKNOWLEDGED in running.get("/metrics")[1] else 0.0
        samples.append((done, resident_mb(running.pid())))
        if done >= told + ORDERS_AN_HOUR / 10:
            told = done
            progress(f"hours of trade: {done:.0f} of {orders} orders, {samples[-1][1]:.0f} MB")
    return samples


def stop(running: TraderProcess) -> None:
    """End it in order."""
    if code := running.terminate():
        raise SystemExit(f"life: the service ended with {code}: {running.lines[-1]}")


def slope(samples: list[tuple[float, float]]) -> float:
    """MB per simulated hour over the last half, by least squares."""
    half = samples[len(samples) // 2 :]
    hours = [orders / ORDERS_AN_HOUR for orders, _ in half]
    mean_x, mean_y = sum(hours) / len(half), sum(mb for _, mb in half) / len(half)
    above = sum((x - mean_x) * (mb - mean_y) for x, (_, mb) in zip(hours, half, strict=True))
    return above / sum((x - mean_x) ** 2 for x in hours)


def start_seconds(running: TraderProcess) -> tuple[float, float]:
    """One start: seconds to the first reconciliation and to READY=1. Ends it again."""
    times: dict[str, float] = {}
    running.notices()  # what an earlier life has left
    started = time.monotonic()
    running.start()

    def both() -> bool:
        now = time.monotonic() - started
        if any(event["event"] == "reconciled" for event in list(running.events)):
            times.setdefault("reconciled", now)
        if any("READY=1" in notice for notice in running.notices()):
            times.setdefault("ready", now)
        return len(times) == 2

    until(both, "reconciled and READY=1")
    reconciled = running.event("reconciled")
    if reconciled["differences"]:
        raise SystemExit(f"life: a start found {reconciled['differences']} differences; see {running.folder}")
    stop(running)
    return times["reconciled"], times["ready"]


def starts(running: TraderProcess, past: int) -> dict[str, Any]:
    """Some starts on the same journal. The desk halts trading, so that all of them find the same orders."""
    settings = yaml.safe_load(running.settings_path.read_text())
    running.settings_path.write_text(yaml.safe_dump(settings | {"trading_state": "halted"}))
    measured = [start_seconds(running) for _ in range(STARTS)]
    progress(f"starts with {past} past orders: " + ", ".join(f"{seconds:.2f} s" for seconds, _ in measured))
    return {
        "past_orders": past,
        "reconciled_seconds": [round(seconds, 3) for seconds, _ in measured],
        "ready_seconds": [round(seconds, 3) for _, seconds in measured],
    }


def acknowledged(venue: Emulator, account: int) -> int:
    """Orders that the emulator has taken of an account."""
    name = f"load-{account:02}"
    return sum(e["kind"] == "order" and e["event"] == "NEW" and e["account"] == name for e in venue.entries())


def measure(venue: Emulator, disk: Path, hours: float) -> dict[str, Any]:
    """The hours, and the starts."""
    found: dict[str, Any] = {"starts": []}
    for account, orders in enumerate((0, 100, round(ORDERS_AN_HOUR * hours))):
        running = trader(disk / str(orders), venue, account)
        try:
            if orders:
                planned = orders / ORDERS_AN_HOUR * 3_600 / PACE
                samples = trade(running.start(), orders, 30 + SLOWEST * planned)
                stop(running)
                if orders > 100:
                    found["memory"] = {
                        "last_mb": round(samples[-1][1], 1),
                        "most_mb": round(max(mb for _, mb in samples), 1),
                        "slope_mb_per_hour": round(slope(samples), 2),
                        "orders": samples[-1][0],
                    }
            found["starts"].append(starts(running, acknowledged(venue, account)))
        finally:
            running.close()
    return found


def main() -> None:
    """Measure and print."""
    resolve_here("benchmarks.life")
    parser = argparse.ArgumentParser(prog="benchmarks.life")
    parser.add_argument("--disk", type=Path, required=True, help="an existing folder; the journals lie there")
    parser.add_argument("--hours", type=float, default=2.0, help="simulated hours of trade")
    wanted = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    with (
        tempfile.TemporaryDirectory(prefix="life-", dir=wanted.disk) as disk,
        emulator(cores[0], FLOW * PACE) as venue,
    ):
        os.sched_setaffinity(0, {cores[-1]})
        measured = measure(venue, Path(disk), wanted.hours)
    result(measured)


if __name__ == "__main__":
    main()
