"""How long an order takes, ours and ccxt's: `PYTHONPATH=app python -m benchmarks.orders [--rounds N]` (root).

Rounds of all rows take turns, so that whatever else the machine does hits them alike. The emulator has a core
of its own and stamps the arrival of bytes; both processes read one monotonic clock. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.certificates import DOMAIN
from benchmarks.desk import (
    PRICE,
    QUANTITY,
    SYMBOL,
    OrderPath,
    arrivals,
    lead_names_here,
    percentiles,
    settings,
    tell,
)
from benchmarks.venue_load import Emulator, emulator
from trader.venue.slim_ccxt import exchange_class

BATCH = 50
TMPFS = Path("/dev/shm")  # noqa: S108 - a journal there pays for everything but the disk
Sample = tuple[str, int, int]
Row = Callable[[], Awaitable[Sample]]


class Raw:
    """Unmodified ccxt, by configuration alone."""

    def __init__(self, running: Emulator, number: int, websocket: bool) -> None:
        key, secret = running.secrets[number]
        host = f"api.{DOMAIN}:{running.port}"
        urls = {
            "public": f"https://{host}/api/v3",
            "private": f"https://{host}/api/v3",
            "ws": {"spot": f"wss://{host}/ws", "ws-api": {"spot": f"wss://{host}/ws-api/v3"}},
        }
        options = {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False}
        self._exchange = exchange_class("binance")(
            {
                "apiKey": key,
                "secret": secret.decode(),
                "cafile": str(running.ca_file),
                "enableRateLimit": False,
                "urls": {"api": urls},
                "options": options,
            }
        )
        self._websocket = websocket
        self._numbers = itertools.count(1)
        self._name = "ws" if websocket else "rest"

    async def open(self) -> None:
        await self._exchange.load_markets()

    async def place(self) -> Sample:
        name = f"raw-{self._name}-{next(self._numbers)}"
        create = self._exchange.create_order_ws if self._websocket else self._exchange.create_order
        started_ns = time.monotonic_ns()
        await create(SYMBOL, "limit", "buy", str(QUANTITY), str(PRICE), {"newClientOrderId": name})
        return name, started_ns, time.monotonic_ns()

    async def clear(self) -> None:
        await self._exchange.cancel_all_orders(SYMBOL)

    async def close(self) -> None:
        await self._exchange.close()


class Ours:
    """The service's order path."""

    def __init__(self, path: OrderPath) -> None:
        self._path = path

    async def place(self) -> Sample:
        order, signal_ns, done_ns = await self._path.place()
        return order.client_id, signal_ns, done_ns

    async def clear(self) -> None:
        await self._path.clear()
        self._path.refresh()

    async def close(self) -> None:
        await self._path.close()


def fdatasync_ns(file: int) -> int:
    """What the disk takes to make 4 KiB durable, appended as a journal does."""
    os.write(file, b"x" * 4096)
    started_ns = time.monotonic_ns()
    os.fdatasync(file)
    return time.monotonic_ns() - started_ns


async def measure(running: Emulator, disk: Path, rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="bench-orders-", dir=TMPFS) as memory:
        rows: dict[str, Any] = {
            "ccxt REST": Raw(running, 0, websocket=False),
            "ccxt WebSocket": Raw(running, 1, websocket=True),
        }
        for raw in rows.values():
            await raw.open()
        wanted = {
            "ours WebSocket, tmpfs": (Path(memory) / "ws", "websocket", 2),
            "ours REST, tmpfs": (Path(memory) / "rest", "rest", 3),
            "ours WebSocket, disk": (disk / "ws", "websocket", 4),
        }
        for name, (folder, entry, number) in wanted.items():
            host = f"bench-{number}"
            chosen = settings(folder, running, f"load-0{number}", order_entry=entry, host=host)
            rows[name] = Ours(await OrderPath.open(chosen, running, number))
        samples: dict[str, list[Sample]] = defaultdict(list)
        syncs: list[float] = []
        checks: list[float] = []
        file = os.open(disk / "sync", os.O_WRONLY | os.O_CREAT, 0o600)
        for turn in range(-1, rounds):
            for name, row in rows.items():
                for _ in range(BATCH):
                    sample = await row.place()
                    if turn >= 0:  # the first round warms up
                        samples[name].append(sample)
                await row.clear()
            syncs += [fdatasync_ns(file) / 1e6 for _ in range(BATCH)]
            checks += _risk_check_ms(rows["ours WebSocket, tmpfs"]._path)
            if turn % 10 == 9:
                tell(f"orders: round {turn + 1} of {rounds}")
        os.close(file)
        for row in rows.values():
            await row.close()
    return {"samples": samples, "fdatasync": syncs, "check": checks}


def _risk_check_ms(path: OrderPath) -> list[float]:
    from trader.model.intents import Place
    from trader.model.values import OrderKind, Side

    taken = []
    path.refresh()
    for _ in range(BATCH):
        intent = Place(SYMBOL, Side.BUY, OrderKind.LIMIT, QUANTITY, PRICE, time.monotonic_ns())
        started_ns = time.monotonic_ns()
        path.stack.admission.check(intent)
        taken.append((time.monotonic_ns() - started_ns) / 1e6)
    return taken


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.orders", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=40, help=f"rounds of {BATCH} orders a row")
    parser.add_argument("--disk", type=Path, required=True, help="folder on the disk that is measured")
    wanted = parser.parse_args()
    lead_names_here()
    cores = sorted(os.sched_getaffinity(0))
    wanted.disk.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="bench-orders-") as folder,
        tempfile.TemporaryDirectory(dir=wanted.disk) as disk,
        emulator(Path(folder), cores[0]) as running,
    ):
        os.sched_setaffinity(0, {cores[-1]})
        measured = uvloop.run(measure(running, Path(disk), wanted.rounds))
        arrived = arrivals(running)
    result: dict[str, Any] = {
        "fdatasync": percentiles(measured["fdatasync"]),
        "risk check": percentiles(measured["check"]),
        "rows": {},
    }
    for name, samples in measured["samples"].items():
        result["rows"][name] = {
            "wire": percentiles([(arrived[client_id] - began) / 1e6 for client_id, began, _ in samples]),
            "acknowledged": percentiles([(done - began) / 1e6 for _, began, done in samples]),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
