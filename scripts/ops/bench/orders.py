"""The trading service's speed: an order's way, its life, and what the emulator can take, in one run."""

import json
import os
import subprocess
from collections.abc import Sequence
from typing import Any

from ops import paths
from ops.bench.figures import Figure
from ops.errors import OperatorError

RAW, OURS, DISK = "ccxt REST", "ours WebSocket, tmpfs", "ours WebSocket, disk"
RECONCILED_SECONDS = {"0": 1.5, "100": 2.0, "10000": 6.0}


def orders() -> Sequence[Figure]:
    """Run the three benchmark programs of the app, one after another, and put their figures in one table.

    Raises:
        OperatorError: one of them failed; its last line says why.
    """
    disk = str(paths.VAR / "bench" / "disk")
    way = _program("benchmarks.orders", "--disk", disk)
    life = _program("benchmarks.life", "--disk", disk)
    load = _program("benchmarks.venue_load")
    return [*of_way(way), *of_life(life), *of_load(load)]


def of_way(way: dict[str, Any]) -> list[Figure]:
    """An order from the signal to the wire and to the acknowledged state; differences are of one run."""
    rows = way["rows"]
    found = [
        Figure(f"{what}, {name}: {share}", row[key][share], "ms")
        for key, what in (("wire", "signal to wire"), ("acknowledged", "signal to acknowledged"))
        for name, row in rows.items()
        for share in ("p50", "p99", "p99.9")
    ]
    wire = {name: row["wire"]["p50"] for name, row in rows.items()}
    done = {name: row["acknowledged"]["p50"] for name, row in rows.items()}
    sync = way["fdatasync"]["p50"]
    return [
        *found,
        Figure("risk check: p50", way["risk check"]["p50"], "ms"),
        Figure("one fdatasync of the disk: p50", sync, "ms"),
        Figure(
            "signal to wire, ours without fsync - ccxt REST: p50", wire[OURS] - wire[RAW], "ms", at_most=0.35
        ),
        Figure(
            "acknowledged, ours without fsync / ccxt REST: p50", done[OURS] / done[RAW], "ratio", at_most=1.0
        ),
        Figure(
            "acknowledged, ours with - without fsync, in fdatasyncs",
            (done[DISK] - done[OURS]) / sync,
            "ratio",
            at_most=1.0,
        ),
    ]


def of_life(life: dict[str, Any]) -> list[Figure]:
    """Starts, the stream, memory."""
    starts = [
        Figure(
            f"restart to reconciled, {past} past orders",
            taken["reconciled"],
            "s",
            at_most=RECONCILED_SECONDS[past],
        )
        for past, taken in life["restarts"].items()
    ]
    memory, stream = life["memory"], life["stream"]
    return [
        *starts,
        Figure("start to ready", life["restarts"]["0"]["trading"], "s", at_most=2.5),
        Figure("stream event to state at 200 events/s: p50", stream["p50"], "ms"),
        Figure("stream event to state at 200 events/s: p99", stream["p99"], "ms", at_most=5),
        Figure("stream events that never came", stream["missing"], "events", at_most=0),
        Figure(f"resident memory after {memory['orders']} orders", memory["resident_mb"], "MB", at_most=130),
        Figure("resident memory, slope of the second half", memory["slope_mb_per_hour"], "MB/h", at_most=5),
    ]


def of_load(load: dict[str, Any]) -> list[Figure]:
    """The emulator; a bound on orders per second is told as its reverse, seconds per 1,000 orders."""
    return [
        Figure(
            f"emulator, 1,000 orders over {kind}", 1_000 / load[kind]["orders_per_second"], "s", at_most=1.0
        )
        for kind in ("rest", "ws")
    ]


def _program(module: str, *words: str) -> dict[str, Any]:
    """Run a benchmark of the app; its progress is shown, its answer is JSON on stdout."""
    done = subprocess.run(
        [str(paths.ROOT / ".venv" / "bin" / "python"), "-m", module, *words],
        cwd=paths.ROOT,
        env=os.environ | {"PYTHONPATH": str(paths.ROOT / "app")},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise OperatorError(f"{module} ended with {done.returncode}; its last lines are above")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
