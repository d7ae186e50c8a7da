"""A service's life in figures: `PYTHONPATH=app python -m benchmarks.life --disk FOLDER` (root).

Start to ready, restart to reconciled after 0, 100 and 10,000 orders, stream event to state, and resident
memory over one hour's worth of trade. The real `trader run` and the real order path against the emulator on a
core of its own. Prints one JSON object.
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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import uvloop
import yaml

from benchmarks.desk import SYMBOL, OrderPath, lead_names_here, percentiles, settings, tell
from benchmarks.venue_load import Emulator, emulator
from trader.model.values import OrderReport
from trader.service.settings import Settings
from trader.venue.streams import Handlers, Streams

PAST = (0, 100, 10_000)
DEADLINE_SECONDS = 60.0
PAIRS = 1_000  # orders placed and cancelled while the stream is measured: two events each
EVENTS_PER_SECOND = 200
HOUR_ORDERS = 16_000  # an hour of the quoter as it comes: one order every 220 ms
SAMPLES = 20


class Running:
    """One `trader run`, with its events and when they were written (UTC ns)."""

    def __init__(self, folder: Path, wanted: Settings, emulator: Emulator, number: int) -> None:
        credentials = folder / "credentials"
        credentials.mkdir(exist_ok=True)
        key, secret = emulator.secrets[number]
        pair = {"api_key": key, "api_secret": secret.decode()}
        (credentials / "venue").write_text(json.dumps(pair))
        path = folder / "trader.yml"
        path.write_text(yaml.safe_dump(json.loads(wanted.model_dump_json())))
        self.started_ns = time.time_ns()
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-c", "from trader.cli import main; main()", "run", "--config", str(path)],
            env=os.environ | {"CREDENTIALS_DIRECTORY": str(credentials)},
            stdout=subprocess.PIPE,
            text=True,
        )

    def until(self, event: str) -> float:
        """Seconds from the start of the process to an event."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = json.loads(line)
            if told["event"] == event:
                return float(told["at_ns"] - self.started_ns) / 1e9
        raise SystemExit(f"benchmarks: the service ended without {event}")

    def resident_mb(self) -> float:
        """Resident memory now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def stop(self) -> None:
        """SIGTERM, and wait for the drain."""
        self.process.terminate()
        self.process.communicate(timeout=DEADLINE_SECONDS)


@contextmanager
def service(folder: Path, wanted: Settings, emulator: Emulator, number: int) -> Iterator[Running]:
    """A service that ends with the block."""
    running = Running(folder, wanted, emulator, number)
    try:
        yield running
    finally:
        running.stop()


async def trade(wanted: Settings, emulator: Emulator, number: int, orders: int) -> None:
    """Really place and cancel so many orders, and leave the journal closed."""
    path = await OrderPath.open(wanted, emulator, number)
    for done in range(0, orders, 100):
        for _ in range(min(100, orders - done)):
            await path.place()
        await path.clear()
        path.refresh()
    await path.close()


def restarts(folder: Path, emulator: Emulator) -> dict[str, Any]:
    """Start to ready and to reconciled, by how many orders the journal and the venue know."""
    found: dict[str, Any] = {}
    for number, past in enumerate(PAST):
        home = folder / f"restart-{past}"
        home.mkdir()
        wanted = settings(home, emulator, account=f"load-0{number}", host=f"bench-{number}")
        uvloop.run(trade(wanted, emulator, number, past))
        with service(home, wanted, emulator, number) as running:
            reconciled = running.until("reconciled")
            found[str(past)] = {"reconciled": reconciled, "trading": running.until("trading_started")}
        tell(f"life: restart after {past} orders: {reconciled:.2f} s")
    return found


async def stream(folder: Path, emulator: Emulator) -> dict[str, Any]:
    """From the venue's event to our state, at a steady rate."""
    wanted = settings(folder / "stream", emulator, account="load-04", host="bench-4")
    path = await OrderPath.open(wanted, emulator, 4)
    heard: dict[tuple[str, str], int] = {}
    manager = path.stack.manager

    def report(told: OrderReport) -> None:
        manager.report(told)
        heard.setdefault((told.client_id, told.signal.value), time.time_ns())

    handlers = Handlers(
        lambda quote: None, report, manager.fill, lambda stream, error: None, lambda stream: None
    )
    streams = Streams(path.stack.gateway, [SYMBOL], handlers, 30.0)
    streams.start()
    await streams.ready()
    pause, due = 2 / EVENTS_PER_SECOND, time.monotonic()
    for _ in range(PAIRS):
        path.refresh()
        order, _, _ = await path.place()
        await path.stack.manager.cancel(order.client_id)
        due += pause
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    await asyncio.sleep(1.0)
    await streams.stop()
    await path.close()
    words = {"NEW": "opened", "CANCELED": "canceled"}
    taken = []
    with emulator.record.open("rb") as file:
        for line in file:
            entry = orjson.loads(line)
            if entry["kind"] == "order" and entry["account"] == "load-04" and entry["event"] in words:
                at_ns = heard.get((entry["client_order_id"], words[entry["event"]]))
                if at_ns is not None:
                    taken.append((at_ns - entry["wall_ns"]) / 1e6)
    return percentiles(taken) | {"missing": 2 * PAIRS - len(taken)}


def memory(folder: Path, emulator: Emulator, minutes: float) -> dict[str, Any]:
    """Resident memory while an hour's worth of orders is traded in `minutes`."""
    home = folder / "memory"
    home.mkdir()
    interval_ms = max(10, int(minutes * 60_000 / HOUR_ORDERS))
    parameters = {"requote_interval_ms": interval_ms, "take_interval_seconds": 0.5, "seed": 1}
    wanted = settings(
        home,
        emulator,
        account="load-05",
        host="bench-5",
        strategy={"name": "quoter", "parameters": parameters},
    )
    with service(home, wanted, emulator, 5) as running:
        running.until("trading_started")
        # The rest of its lines is not of interest, but must be read.
        drain = subprocess.Popen(["cat"], stdin=running.process.stdout, stdout=subprocess.DEVNULL)  # noqa: S607
        sizes = []
        for sample in range(SAMPLES):
            time.sleep(minutes * 60 / SAMPLES)
            sizes.append(running.resident_mb())
            tell(f"life: memory {sample + 1}/{SAMPLES}: {sizes[-1]:.0f} MB")
        placed = _placed(emulator, "load-05")
        running.process.terminate()
        running.process.wait(DEADLINE_SECONDS)
        drain.wait(DEADLINE_SECONDS)
    half = sizes[SAMPLES // 2 :]
    hours = placed / HOUR_ORDERS / 2  # of simulated trade in the second half
    return {"resident_mb": sizes[-1], "largest_mb": max(sizes), "orders": placed,
            "slope_mb_per_hour": (half[-1] - half[0]) / hours}  # fmt: skip


def _placed(emulator: Emulator, account: str) -> int:
    with emulator.record.open("rb") as file:
        entries = (orjson.loads(line) for line in file if b'"event":"NEW"' in line)
        return sum(entry["account"] == account for entry in entries)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.life", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--disk", type=Path, required=True, help="folder on the disk that is measured")
    parser.add_argument(
        "--minutes", type=float, default=4.0, help="time in which an hour's orders are traded"
    )
    wanted = parser.parse_args()
    lead_names_here()
    cores = sorted(os.sched_getaffinity(0))
    wanted.disk.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="bench-life-") as venue_folder,
        tempfile.TemporaryDirectory(dir=wanted.disk) as disk,
        emulator(Path(venue_folder), cores[0], events_per_second=10) as running,
    ):
        os.sched_setaffinity(0, {cores[-1]})
        result = {
            "restarts": restarts(Path(disk), running),
            "stream": uvloop.run(stream(Path(disk), running)),
            "memory": memory(Path(disk), running, wanted.minutes),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
