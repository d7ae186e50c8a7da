"""From an event at the venue to the state in our books: `python -m benchmarks.stream_state --disk FOLDER`.

Our orders rest; another account fills them piece by piece at an even rate, over REST from this same process.
The time of each fill counts from the emulator's record, which is written before the bytes of the event leave,
to the moment when the fill is in our order and position. Both times are of the same clock; what the emulator
needs for its own sending is in the figure. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.emulator import Emulator, emulator
from benchmarks.figures import percentiles_us, progress, result
from benchmarks.names import resolve_here
from benchmarks.our_side import MID, SYMBOL, OurSide, eventually
from benchmarks.venue_load import Phase, RestConnection
from trader.model.intents import Place
from trader.model.values import Fill, OrderKind, Side

PIECE = Decimal("0.001")  # what `venue_load` sells with an order of an even number
PIECES = 20  # of one order


async def measure(venue: Emulator, disk: Path, wanted: argparse.Namespace) -> dict[str, Any]:
    """Rest, be filled, and compare."""
    side = OurSide(venue, 0, disk, "websocket", disk / "events")
    await side.open()
    booked: dict[str, int] = {}

    def filled(fill: Fill) -> None:
        booked[fill.trade_id] = time.time_ns()

    side.manager.filled = filled
    fills = wanted.seconds * wanted.rate
    for number in range(-(-fills // PIECES)):
        intent = Place(
            SYMBOL, Side.BUY, OrderKind.LIMIT, PIECE * PIECES, MID, time.monotonic_ns(), str(number)
        )
        if await side.manager.place(intent) is None:
            raise SystemExit("stream_state: an order was not placed; its reason is in the events")
    phase = Phase(fills, time.monotonic() + wanted.seconds * 3)
    taker = RestConnection(phase, *venue.secrets[1])
    await taker.open(venue)
    gc.collect()
    gc.freeze()
    progress(f"stream to state: {fills} fills at {wanted.rate} a second")
    started = due = time.monotonic()
    for _ in phase.numbers():
        await asyncio.sleep(due - time.monotonic())
        await taker.ask(0)
        due = max(due + 1 / wanted.rate, time.monotonic())
    rate = fills / (time.monotonic() - started)
    if phase.refused:
        raise SystemExit(f"stream_state: an order was refused: {phase.refused[0]}")
    await eventually(lambda: len(booked) == fills, "every fill is booked")
    await taker.close()
    await side.close()
    happened = {e["trade_id"]: e["wall_ns"] for e in venue.entries() if e["kind"] == "fill"}
    delays = [at - happened[int(trade_id)] for trade_id, at in booked.items()]
    return {"delay_us": percentiles_us(delays), "events_per_second": round(rate, 1)}


def main() -> None:
    """Measure and print."""
    resolve_here("benchmarks.stream_state")
    parser = argparse.ArgumentParser(prog="benchmarks.stream_state")
    parser.add_argument("--disk", type=Path, required=True, help="an existing folder; the journal lies there")
    parser.add_argument("--rate", type=int, default=200, help="fills a second")
    parser.add_argument("--seconds", type=int, default=15)
    wanted = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    with (
        tempfile.TemporaryDirectory(prefix="stream-state-", dir=wanted.disk) as disk,
        emulator(cores[0]) as venue,
    ):
        os.sched_setaffinity(0, {cores[-1]})
        measured = uvloop.run(measure(venue, Path(disk), wanted))
    result(measured)


if __name__ == "__main__":
    main()
