"""How long an order takes, ours beside raw ccxt: `python -m benchmarks.order_path --disk FOLDER`.

The emulator runs on one core and stamps the arrival of bytes; all clients run in this process, on another.
Rounds: in each, every row places a few limit orders far from the market, one at a time with a short pause,
in an order of rows that changes from round to round; their cancels are not measured. Two times count from
the decision (CLOCK_MONOTONIC, which both processes share): until the order's bytes are at the emulator, and
until the order is acknowledged, which for ours means OPEN in our own book. Between the rows, 4 KiB are
appended and made durable on the disk of the journal: the yardstick of what durable costs there.

Ours keeps its order and fill streams open, as the service does. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import subprocess
import tempfile
import time
from asyncio.subprocess import PIPE
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import uvloop

from benchmarks.emulator import APP, MEMORY, Emulator, emulator
from benchmarks.figures import percentiles_us, progress, result
from benchmarks.names import resolve_here
from benchmarks.our_side import SYMBOL, OurSide
from trader.model.intents import Place
from trader.model.transitions import OrderState
from trader.model.values import OrderKind, Side
from trader.service.heap import keep_heap_flat
from trader.venue.slim_ccxt import exchange_class

PAUSE_SECONDS = 0.003
SETTLE_SECONDS = 0.04  # longer than a journal's lag: what one row leaves to do must not land in the next
WARM_UP_ROUNDS = 5
QUANTITY = "0.00100"
BLOCK = b"\0" * 4096


@dataclass(frozen=True)
class Placed:
    """An acknowledged order, and when it was decided and acknowledged (monotonic)."""

    client_id: str
    signal_ns: int
    acknowledged_ns: int


@dataclass
class Samples:
    """Of one row, in nanoseconds. `signals` by client order id, until the record tells the arrivals."""

    signals: dict[str, int] = field(default_factory=dict)
    acknowledged: list[int] = field(default_factory=list)


class Row(Protocol):
    """One way of placing an order."""

    async def open(self) -> None:
        """Connect."""

    async def place(self, number: int) -> Placed:
        """Place one order."""

    async def clean(self) -> None:
        """Cancel what was placed."""

    async def close(self) -> None:
        """Disconnect."""


def price(number: int) -> str:
    """Some 3 % below the market, and not the same one again soon."""
    return f"{58_000 + number % 400}.00"


class RawCcxt:
    """ccxt by itself, configured as its documentation says for speed: no limiter, amounts as text."""

    def __init__(self, venue: Emulator, account: int, *, websocket: bool) -> None:
        rest, stream = f"https://api.{venue.hostname}", f"wss://stream.{venue.hostname}"
        sockets = {"spot": f"{stream}/ws", "ws-api": {"spot": f"wss://ws-api.{venue.hostname}/ws-api/v3"}}
        key, secret = venue.secrets[account]
        self._exchange = exchange_class("binance")(
            {
                "apiKey": key,
                "secret": secret.decode(),
                "hostname": venue.hostname,
                "cafile": str(venue.ca_file),
                "enableRateLimit": False,
                "urls": {"api": {"public": f"{rest}/api/v3", "private": f"{rest}/api/v3", "ws": sockets}},
                "options": {
                    "defaultType": "spot",
                    "fetchMarkets": {"types": ["spot"]},
                    "fetchCurrencies": False,
                    "fetchMargins": False,
                    "ws": {"compress": 0},
                },
            }
        )
        self._create = self._exchange.create_order_ws if websocket else self._exchange.create_order
        self._name = f"raw-{account}"

    async def open(self) -> None:
        """Load the markets; a WebSocket connection is opened by the first order."""
        await self._exchange.load_markets()

    async def place(self, number: int) -> Placed:
        """Place one order."""
        client_id = f"{self._name}-{number}"
        at, named = price(number), {"newClientOrderId": client_id}
        signal_ns = time.monotonic_ns()
        order = await self._create(SYMBOL, "limit", "buy", QUANTITY, at, named)
        acknowledged_ns = time.monotonic_ns()
        if order["clientOrderId"] != client_id or order["status"] != "open":
            raise SystemExit(f"order_path: ccxt answered {order}")
        return Placed(client_id, signal_ns, acknowledged_ns)

    async def make_market(self) -> None:
        """Rest an order on each side, and let them stay.

        Without a market every order measured would be the best price: news to all who watch quotes, sent
        before its answer.
        """
        for side, at in (("buy", "59990"), ("sell", "60010")):
            await self._exchange.create_order(SYMBOL, "limit", side, "1", at)

    async def clean(self) -> None:
        """Cancel all orders in one request."""
        await self._exchange.cancel_all_orders(SYMBOL)

    async def close(self) -> None:
        """Close connections."""
        await self._exchange.close()


class Ours:
    """Our order path."""

    def __init__(self, side: OurSide) -> None:
        self._side = side
        self.open, self.close = side.open, side.close

    async def place(self, number: int) -> Placed:
        """Place one order, from the strategy's intent on."""
        at, quantity = Decimal(price(number)), Decimal(QUANTITY)
        signal_ns = time.monotonic_ns()
        order = await self._side.manager.place(
            Place(SYMBOL, Side.BUY, OrderKind.LIMIT, quantity, at, signal_ns)
        )
        acknowledged_ns = time.monotonic_ns()
        if order is None or order.state is not OrderState.OPEN:
            raise SystemExit(f"order_path: our order is {order}")
        return Placed(order.client_id, signal_ns, acknowledged_ns)

    async def clean(self) -> None:
        """Cancel all orders; a fresh quote for the next."""
        await self._side.cancel_all()
        self._side.quote()


class Freqtrade:
    """freqtrade in a process of its own, in its own environment, on the same core."""

    def __init__(self, venue: Emulator, account: int, peers: Path) -> None:
        key, secret = venue.secrets[account]
        self._access = {"hostname": venue.hostname, "ca_file": str(venue.ca_file)}
        self._access |= {"key": key, "secret": secret.decode()}
        self._words = [str(python_of(peers)), str(APP / "benchmarks" / "peer_freqtrade.py")]

    async def open(self) -> None:
        """Start it and load its markets."""
        self._process = await asyncio.create_subprocess_exec(*self._words, stdin=PIPE, stdout=PIPE)
        await self._ask(json.dumps(self._access), "ready")

    async def place(self, number: int) -> Placed:
        """Place one order; it chooses the client id."""
        client_id, signal_ns, acknowledged_ns = (await self._ask(f"place {price(number)} {QUANTITY}")).split()
        return Placed(client_id, int(signal_ns), int(acknowledged_ns))

    async def clean(self) -> None:
        """Cancel all orders in one request."""
        await self._ask("clean", "cleaned")

    async def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def _ask(self, words: str, expected: str | None = None) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{words}\n".encode())
        answer = (await self._process.stdout.readline()).decode().strip()
        if not answer or expected not in (None, answer):
            raise SystemExit(f"order_path: freqtrade answered {words.split()[0]} with {answer!r}")
        return answer


def python_of(peers: Path) -> Path:
    """The interpreter of an environment."""
    return peers / "bin" / "python"


def has_freqtrade(peers: Path) -> bool:
    """Whether freqtrade is installed there; says how to install it if not."""
    found = subprocess.run(  # noqa: S603 - the interpreter that the caller names
        [python_of(peers), "-c", "import freqtrade"], capture_output=True, check=False
    )
    if found.returncode:
        progress(f"no freqtrade in {peers}: {python_of(peers)} -m pip install freqtrade; goes on without it")
    return not found.returncode


def make_rows(venue: Emulator, memory: Path, disk: Path, peers: Path | None) -> dict[str, Row]:
    """Every row by its name, each with an account of its own."""
    accounts = iter(range(len(venue.secrets)))

    def ours(folder: Path, order_entry: str = "websocket", **left_out: bool) -> Row:
        account = next(accounts)
        place = folder / str(account)
        place.mkdir()
        side = OurSide(venue, account, place, order_entry, memory / f"events-{account}")
        if left_out:
            side.without(**left_out)
        return Ours(side)

    rows: dict[str, Row] = {
        "raw ccxt REST": RawCcxt(venue, next(accounts), websocket=False),
        "raw ccxt WS": RawCcxt(venue, next(accounts), websocket=True),
        "ours": ours(memory),
        "ours by REST": ours(memory, "rest"),
        "ours, journal on disk": ours(disk),
        "ours, no journal": ours(memory, journal=False),
        "ours, no risk check": ours(memory, checks=False),
    }
    if peers is not None and has_freqtrade(peers):
        rows["freqtrade"] = Freqtrade(venue, next(accounts), peers)
    return rows


async def turn(row: Row, numbers: range, samples: Samples) -> None:
    """Some orders of one row."""
    for number in numbers:
        placed = await row.place(number)
        samples.acknowledged.append(placed.acknowledged_ns - placed.signal_ns)
        samples.signals[placed.client_id] = placed.signal_ns
        await asyncio.sleep(PAUSE_SECONDS)
    await row.clean()
    await asyncio.sleep(SETTLE_SECONDS)


def sync_ns(file: int) -> int:
    """One append of 4 KiB, made durable."""
    started = time.monotonic_ns()
    os.write(file, BLOCK)
    os.fdatasync(file)
    return time.monotonic_ns() - started


async def measure(
    venue: Emulator, memory: Path, disk: Path, file: int, wanted: argparse.Namespace
) -> tuple[dict[str, Samples], list[int]]:
    """All rounds; the samples by row, and those of the disk."""
    maker = RawCcxt(venue, len(venue.secrets) - 1, websocket=False)
    await maker.open()
    await maker.make_market()
    await maker.close()
    rows = make_rows(venue, memory, disk, wanted.peers)
    for row in rows.values():
        await row.open()
    gc.collect()
    gc.freeze()  # as the service does, and so does the next
    keep_heap_flat()
    each, total = wanted.orders_per_round, WARM_UP_ROUNDS + wanted.rounds
    samples: dict[str, Samples] = {}
    syncs: list[int] = []
    for number in range(total):
        if number in (0, WARM_UP_ROUNDS):
            samples, syncs = {name: Samples() for name in rows}, []
        names = list(rows)
        random.shuffle(names)
        for name in names:
            await turn(rows[name], range(number * each, (number + 1) * each), samples[name])
        for _ in range(each):
            syncs.append(sync_ns(file))
            await asyncio.sleep(PAUSE_SECONDS)
        if (number + 1) % 20 == 0:
            progress(f"orders: round {number + 1} of {total}")
    for row in rows.values():
        await row.close()
    return samples, syncs


def report(samples: dict[str, Samples], syncs: list[int], venue: Emulator) -> dict[str, Any]:
    """Percentiles by row, with the arrivals from the emulator's record."""
    arrivals: dict[str, int] = {}
    for entry in venue.entries():
        if entry["kind"] == "request" and (client_id := entry["params"].get("newClientOrderId")):
            arrivals[client_id] = entry["arrival_monotonic_ns"]
    return {
        "rows": {
            name: {
                "bytes_us": percentiles_us([arrivals[order] - at for order, at in row.signals.items()]),
                "acknowledged_us": percentiles_us(row.acknowledged),
            }
            for name, row in samples.items()
        },
        "fdatasync_us": percentiles_us(syncs),
    }


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="benchmarks.order_path", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--disk", type=Path, required=True, help="an existing folder on the disk under test")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--orders-per-round", type=int, default=10, help="of each row")
    parser.add_argument("--peers", type=Path, help="an environment with freqtrade: a row more")
    wanted = parser.parse_args()
    if wanted.peers is not None and not python_of(wanted.peers).exists():
        parser.error(f"--peers: {python_of(wanted.peers)} is not there; python3 -m venv {wanted.peers}")
    return wanted


def main() -> None:
    """Measure and print."""
    resolve_here("benchmarks.order_path")
    wanted = arguments()
    cores = sorted(os.sched_getaffinity(0))
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=MEMORY) as memory,
        tempfile.TemporaryDirectory(prefix="order-path-", dir=wanted.disk) as disk,
        emulator(cores[0]) as venue,
    ):
        os.sched_setaffinity(0, {cores[-1]})
        file = os.open(Path(disk) / "yardstick", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        samples, syncs = uvloop.run(measure(venue, Path(memory), Path(disk), file, wanted))
        os.close(file)
        measured = report(samples, syncs, venue)
    result(measured)


if __name__ == "__main__":
    main()
