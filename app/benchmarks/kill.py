"""From a kill to the last cancel, judged by the emulator's record: `python -m benchmarks.kill --kills 50`.

Two hundred orders on ten symbols, placed by hand with the service's own key, so that the service must find
them; it trades on one symbol beside. Then `kill` over the control socket, until the venue has said zero
twice. Then it is re-armed and started anew: a kill is the first one of its process, and finds no connection
open but those that trading needs. With --storm the venue answers every second request with 429. With
--command the kill is `trader kill` as a person or a playbook starts it on the host, and its time counts from
the start of that process.

Prints one JSON object, in milliseconds. Both times begin before the service has been asked, which is before
the trip: `last_cancel` ends with the answer to the last request that cancelled an order, `verified` with the
second zero. A kill that leaves an order, or lets one out after the trip, ends it all.
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
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.emulator import Emulator, emulator
from benchmarks.figures import progress, result
from benchmarks.names import resolve_here
from benchmarks.our_side import WIDE
from benchmarks.to_cancel import ACCOUNT, FLOW, MS, SYMBOLS, Judge, admin, place, spread
from benchmarks.trader_process import PROGRAM, TraderProcess, compile_as_a_release_is
from trader.service.control_client import ControlClient

Act = Callable[[TraderProcess, ControlClient], dict[str, Any]]
KILLS_AT_ONE_VENUE = 20  # each leaves orders behind that the next start must read
STRATEGY = {"name": "quoter", "parameters": {"order_size": "0.001", "seed": 1}}
STORM = {
    "name": "storm",
    "kind": "error",
    "code": -1003,
    "http_status": 429,
    "share": 0.5,
    "retry_after_seconds": 1,  # a kill does not wait for it; everything else does, between two of them
    "duration_seconds": 60,
    "account": ACCOUNT,
}


def by_socket(running: TraderProcess, client: ControlClient) -> dict[str, Any]:
    """Pull it, and wait for the second zero."""
    answer = client.call("kill", by="bench", reason="measured")
    while not answer["verified_twice"]:
        time.sleep(0.01)
        answer = client.call("kill_progress")
    return answer


def by_command(running: TraderProcess, client: ControlClient) -> dict[str, Any]:
    """`trader kill`."""
    words = [sys.executable, "-c", PROGRAM, "kill", "--config", str(running.settings_path)]
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        [*words, "--by=bench", "--reason=measured", "--json"],
        env=running.environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@dataclass
class Samples:
    """Of all kills; times in milliseconds."""

    last_cancel: list[float] = field(default_factory=list)
    verified: list[float] = field(default_factory=list)
    refused: int = 0


def measure(venue: Emulator, folder: Path, kills: int, storm: bool, act: Act, samples: Samples) -> None:
    """Round after round at one venue."""
    key, secret = venue.secrets[0]
    # What is placed by hand is a difference; it must not halt the service for good.
    running = TraderProcess(
        folder, venue.hostname, venue.ca_file, (key, secret.decode()), strategy=STRATEGY, risk=WIDE
    )
    client, judge = ControlClient(folder / "control"), Judge(venue)
    try:
        for number in range(kills):
            running.start()
            running.event("trading_started")
            asyncio.run(place(venue, number))
            fault = admin(venue, "POST", "/faults", STORM) if storm else None
            began_ns = time.time_ns()
            answer = act(running, client)
            ended_ns = time.time_ns()
            if fault is not None:
                admin(venue, "DELETE", f"/faults/{fault['id']}")
            found = judge.kill(number, began_ns, answer["latch"]["at_ns"])
            if storm and not found.refused:
                raise SystemExit("benchmarks: the storm refused nothing")
            samples.last_cancel.append((found.last_ns - began_ns) / MS)
            samples.verified.append((ended_ns - began_ns) / MS)
            samples.refused += found.refused
            client.call("rearm", by="bench", reason="again")
            running.terminate()
    finally:
        running.close()
        judge.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--storm", action="store_true")
    parser.add_argument("--command", action="store_true", help="by `trader kill`, not by the control socket")
    parser.add_argument("--disk", type=Path, default=None, help="where the service's files are")
    wanted = parser.parse_args()
    resolve_here("benchmarks.kill")
    compile_as_a_release_is()
    cores, samples = sorted(os.sched_getaffinity(0)), Samples()
    for begun in range(0, wanted.kills, KILLS_AT_ONE_VENUE):
        kills = min(KILLS_AT_ONE_VENUE, wanted.kills - begun)
        with (
            tempfile.TemporaryDirectory(prefix="bench-kill-", dir=wanted.disk) as name,
            emulator(cores[-1], FLOW, SYMBOLS) as venue,
        ):
            act = by_command if wanted.command else by_socket
            measure(venue, Path(name), kills, wanted.storm, act, samples)
        progress(f"{begun + kills} of {wanted.kills} kills: last {samples.last_cancel[-1]:.0f} ms")
    spreads = {"last_cancel": spread(samples.last_cancel), "verified": spread(samples.verified)}
    result(spreads | {"refused": samples.refused / wanted.kills})


if __name__ == "__main__":
    main()
