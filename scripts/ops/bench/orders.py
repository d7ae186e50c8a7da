"""How fast the trading service is: orders beside raw ccxt, streams, starts, memory; and the emulator."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ops import paths
from ops.bench.figures import Figure
from ops.bench.program import measure

DISK = paths.VAR / "bench" / "orders"
BASE = "raw ccxt REST"
READY_SECONDS = 2.5
RESTART_SECONDS = (1.5, 2.0, 6.0)  # with no past orders, about a hundred, and those of two hours
SLOPE_MB = 1.0
REPORTS_COST = 1.1  # of noise: two turns without reports differ as much


def orders(peers: Path | None = None) -> Sequence[Figure]:
    """Measure everything, one program after the other.

    Args:
        peers: an environment with freqtrade; None: no such row.

    Raises:
        OperatorError: a program failed.
    """
    DISK.mkdir(parents=True, exist_ok=True)
    before = os.getloadavg()[0]
    disk = f"--disk={DISK}"
    return [
        Figure("load average of the machine before", before, ""),
        *order_path(measure("order_path", DISK, disk, *([f"--peers={peers}"] if peers else []))),
        *stream_state(measure("stream_state", DISK, disk)),
        *life(measure("life", DISK, disk)),
        *error_reports(measure("error_reports", DISK)),
        *emulator(measure("venue_load", DISK)),
    ]


def order_path(found: Mapping[str, Any]) -> Iterator[Figure]:
    """Every row, and what was promised of ours."""
    rows, sync = found["rows"], found["fdatasync_us"]
    for key, title in (("bytes_us", "signal to bytes at the venue"), ("acknowledged_us", "acknowledged")):
        for name, row in rows.items():
            yield from _percentiles(f"{title}, {name}", row[key])
    yield from _percentiles("fdatasync of 4 KiB on the journal's disk", sync)

    def more(key: str, name: str, than: str) -> float:
        return float(rows[name][key]["p50"] - rows[than][key]["p50"])

    yield Figure(
        "signal to bytes p50, ours - raw ccxt REST", more("bytes_us", "ours", BASE), "us", at_most=350
    )
    ratio = rows["ours"]["acknowledged_us"]["p50"] / rows[BASE]["acknowledged_us"]["p50"]
    yield Figure("acknowledged p50, ours / raw ccxt REST", ratio, "ratio", at_most=1)
    on_disk = "ours, journal on disk"
    yield Figure("signal to bytes p50, durable on disk adds", more("bytes_us", on_disk, "ours"), "us")
    added = more("acknowledged_us", on_disk, "ours")
    yield Figure("acknowledged p50, durable on disk adds", added, "us", at_most=sync["p50"])
    for part in ("risk check", "journal"):
        cost = more("bytes_us", "ours", f"ours, no {part}")
        yield Figure(f"signal to bytes p50, cost of the {part}", cost, "us")


def stream_state(found: Mapping[str, Any]) -> Iterator[Figure]:
    """Delay and rate: at a lower rate the delay would say nothing."""
    delay = found["delay_us"]
    yield Figure("stream event to state p50", delay["p50"] / 1e3, "ms")
    yield Figure("stream event to state p99", delay["p99"] / 1e3, "ms", at_most=5)
    yield Figure("  at events per second", found["events_per_second"], "1/s", at_least=195)


def life(found: Mapping[str, Any]) -> Iterator[Figure]:
    """Starts by past orders, and the hours' memory."""
    for start, bound in zip(found["starts"], RESTART_SECONDS, strict=True):
        title = f"restart to reconciled, {start['past_orders']} past orders"
        yield Figure(f"{title}, slowest", max(start["reconciled_seconds"]), "s", at_most=bound)
    fresh = found["starts"][0]["ready_seconds"]
    yield Figure("start to ready, slowest", max(fresh), "s", at_most=READY_SECONDS)
    memory = found["memory"]
    yield Figure(f"memory after {memory['orders']:g} orders, two hours", memory["last_mb"], "MB", at_most=130)
    yield Figure("  slope over the second hour", memory["slope_mb_per_hour"], "MB/h", at_most=SLOPE_MB)


def error_reports(found: Mapping[str, Any]) -> Iterator[Figure]:
    """The order path while every order is followed by an error that a server of no use shall take."""
    without = found["no reports"]
    for name, row in found.items():
        yield Figure(f"acknowledged, {name}, p50", row["acknowledged_us"]["p50"], "us")
        yield Figure(f"acknowledged, {name}, p99", row["acknowledged_us"]["p99"], "us")
        yield Figure(f"a line of an error, {name}, p50", row["line_us"]["p50"], "us")
    for name in ("server refuses", "server is silent"):
        ratio = found[name]["acknowledged_us"]["p50"] / without["acknowledged_us"]["p50"]
        yield Figure(f"acknowledged p50, {name} / no reports", ratio, "ratio", at_most=REPORTS_COST)


def emulator(found: Mapping[str, Any]) -> Iterator[Figure]:
    """The emulator's own load."""
    for transport in ("rest", "ws"):
        load = found[transport]
        title = f"emulator on one core, {transport.upper()}"
        yield Figure(f"{title}, orders", load["orders_per_second"], "1/s", at_least=1_000)
        yield Figure(f"{title}, answer at low rate p50", load["low_rate"]["p50_ms"], "ms")


def _percentiles(title: str, row: Mapping[str, float]) -> Iterator[Figure]:
    for name in ("p50", "p99", "p99.9"):
        yield Figure(f"{title}, {name}", row[name], "us")
