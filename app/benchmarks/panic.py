"""`trader panic` with the service dead, by the emulator's record: `python -m benchmarks.panic --panics 20`.

The service trades and is killed (SIGKILL); beside its orders lie two hundred on ten symbols. Then, again and
again: those orders anew, the latch as the dead service left it, and `trader panic` to its end, which is the
venue's second zero.

Prints one JSON object, in milliseconds since the process was started: `first_cancel` is when the first
request that cancels arrived, `last_cancel` when the last one that cancelled an order was answered. A panic
that leaves an order, or ends otherwise than with success, ends it all.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.emulator import Emulator, emulator
from benchmarks.figures import progress, result
from benchmarks.kill import STRATEGY
from benchmarks.names import resolve_here
from benchmarks.our_side import WIDE
from benchmarks.to_cancel import FLOW, MS, SYMBOLS, Judge, place, spread
from benchmarks.trader_process import PROGRAM, TraderProcess, compile_as_a_release_is
from trader.kill_switch.latch import FILE_NAME


def panic(dead: TraderProcess) -> dict[str, Any]:
    """From its start to its end."""
    words = [sys.executable, "-c", PROGRAM, "panic", "--config", str(dead.settings_path)]
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        [*words, "--by=bench", "--reason=measured", "--json"],
        env=dead.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"benchmarks: trader panic ended with {done.returncode}: {done.stderr[-500:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def measure(venue: Emulator, folder: Path, panics: int) -> dict[str, Any]:
    """Round after round over one dead service."""
    key, secret = venue.secrets[0]
    dead = TraderProcess(
        folder, venue.hostname, venue.ca_file, (key, secret.decode()), strategy=STRATEGY, risk=WIDE
    ).start()
    (folder / "credentials" / "panic").write_text((folder / "credentials" / "venue").read_text())
    judge = Judge(venue)
    firsts, lasts = [], []
    try:
        dead.event("trading_started")
        dead.kill()
        latch = folder / FILE_NAME
        armed = latch.read_bytes()
        for number in range(panics):
            latch.write_bytes(armed)
            asyncio.run(place(venue, number))
            began_ns = time.time_ns()
            answer = panic(dead)
            found = judge.kill(number, began_ns, answer["latch"]["at_ns"])
            firsts.append((found.first_ns - began_ns) / MS)
            lasts.append((found.last_ns - began_ns) / MS)
            if number % 5 == 4:
                progress(f"{number + 1} of {panics} panics: last {lasts[-1]:.0f} ms")
    finally:
        dead.close()
        judge.close()
    return {"first_cancel": spread(firsts), "last_cancel": spread(lasts)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--panics", type=int, default=20)
    parser.add_argument("--disk", type=Path, default=None, help="where the service's files are")
    wanted = parser.parse_args()
    resolve_here("benchmarks.panic")
    compile_as_a_release_is()
    cores = sorted(os.sched_getaffinity(0))
    with (
        tempfile.TemporaryDirectory(prefix="bench-panic-", dir=wanted.disk) as name,
        emulator(cores[-1], FLOW, SYMBOLS) as venue,
    ):
        result(measure(venue, Path(name), wanted.panics))


if __name__ == "__main__":
    main()
