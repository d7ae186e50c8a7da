"""What error reports cost the order path: `python -m benchmarks.error_reports`.

The same order path in turns: without reports, with reports to a server that refuses connections, and with
reports to one that takes them and never answers. Each order is followed by an error of a kind that was not
there before, so that none is held back: far more than any day has. The emulator runs on one core, everything
else in this process on another, the thread that sends reports as well. A reporter lives for one turn only,
so that the turns without one share the process with no thread of it. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from benchmarks.emulator import MEMORY, Emulator, emulator
from benchmarks.figures import percentiles_us, progress, result
from benchmarks.names import resolve_here
from benchmarks.order_path import PAUSE_SECONDS, WARM_UP_ROUNDS, Ours, RawCcxt
from benchmarks.our_side import OurSide
from trader.service.heap import keep_heap_flat
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics
from trader.telemetry.sentry.reporter import Reporter, start
from trader.telemetry.sentry.settings import SentrySettings

SCOPE = {"host": "bench-00", "strategy": "quoter", "venue": "binance"}
CLOSE_SECONDS = 0.1
NONE = "no reports"


@contextmanager
def servers() -> Iterator[dict[str, str]]:
    """A DSN by the name of each server that is of no use."""
    with socket.socket() as refusing, socket.create_server(("127.0.0.1", 0), backlog=512) as silent:
        refusing.bind(("127.0.0.1", 0))  # bound, and nobody listens
        yield {
            "server refuses": f"http://key@127.0.0.1:{refusing.getsockname()[1]}/1",
            "server is silent": f"http://key@127.0.0.1:{silent.getsockname()[1]}/1",
        }


async def turn(row: Ours, events: Events, numbers: range, taken: list[int], logged: list[int]) -> None:
    """Some orders, each followed by an error; the way of the order and of the line in nanoseconds."""
    for number in numbers:
        placed = await row.place(number)
        taken.append(placed.acknowledged_ns - placed.signal_ns)
        error = ValueError(f'binance {{"code":-{number},"msg":"a benchmark"}}')
        before_ns = time.monotonic_ns()
        events.error("order_benchmark", error, client_id=placed.client_id, symbol="BTC/USDT")
        logged.append(time.monotonic_ns() - before_ns)
        await asyncio.sleep(PAUSE_SECONDS)


async def measure(
    venue: Emulator, memory: Path, dsns: dict[str, str], wanted: argparse.Namespace
) -> dict[str, tuple[list[int], list[int]]]:
    """All rounds; samples of orders and of lines by kind of turn."""
    maker = RawCcxt(venue, 1, websocket=False)
    await maker.open()
    await maker.make_market()
    await maker.close()
    side = OurSide(venue, 0, memory, "websocket", memory / "events")
    row, events = Ours(side), side.stack.events
    await row.open()
    gc.collect()
    gc.freeze()  # as the service does, and so does the next
    keep_heap_flat()
    kinds, each = [NONE, *dsns], wanted.orders_per_turn
    samples: dict[str, tuple[list[int], list[int]]] = {}
    for number in range(WARM_UP_ROUNDS + wanted.rounds):
        if number in (0, WARM_UP_ROUNDS):
            samples = {kind: ([], []) for kind in kinds}
        random.shuffle(kinds)
        for place, kind in enumerate(kinds):
            reporter: Reporter | None = None
            if kind != NONE:
                reporter = start(dsns[kind], SentrySettings(), SCOPE, "bench", events, Metrics())
            first = (number * len(kinds) + place) * each
            await turn(row, events, range(first, first + each), *samples[kind])
            events.report = None
            if reporter is not None:
                await asyncio.to_thread(reporter.close, CLOSE_SECONDS)
            await row.clean()
        if (number + 1) % 10 == 0:
            progress(f"error reports: round {number + 1} of {WARM_UP_ROUNDS + wanted.rounds}")
    await row.close()
    return samples


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.error_reports", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--orders-per-turn", type=int, default=50)
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    resolve_here("benchmarks.error_reports")
    wanted = arguments()
    cores = sorted(os.sched_getaffinity(0))
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=MEMORY) as memory,
        servers() as dsns,
        emulator(cores[0]) as venue,
    ):
        os.sched_setaffinity(0, {cores[-1]})
        samples = uvloop.run(measure(venue, Path(memory), dsns, wanted))
    result(
        {
            kind: {"acknowledged_us": percentiles_us(taken), "line_us": percentiles_us(logged)}
            for kind, (taken, logged) in samples.items()
        }
    )


if __name__ == "__main__":
    main()
