"""How many orders the venue emulator takes: `PYTHONPATH=app python -m benchmarks.venue_load --orders N`.

The emulator runs as its own process with its record on, pinned to one core; this process drives it from
another core with hand-signed requests over keep-alive connections. Every second order fills the one before,
so that orders, fills and balances are all recorded. Prints one JSON object; exits 1 if an order was refused.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import uvloop

from benchmarks.certificates import DOMAIN
from benchmarks.emulator import Emulator, emulator
from benchmarks.figures import result

WS_IN_FLIGHT = 8
PAUSE_SECONDS = 0.01
"""Between two orders while the latency at low rate is measured."""

Ask = Callable[[int], Awaitable[None]]


@dataclass
class Phase:
    """One measured phase: how many orders to place at most, and until when."""

    orders: int
    ends: float
    placed: int = 0
    refused: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def numbers(self) -> Iterator[int]:
        """Numbers of the orders still to place, shared by all connections."""
        while self.placed < self.orders and time.monotonic() < self.ends and not self.refused:
            self.placed += 1
            yield self.placed


def params(number: int) -> list[tuple[str, str]]:
    """Order `number`: odd ones rest, even ones fill them."""
    return [
        ("newOrderRespType", "RESULT"),
        ("price", "60000.00"),
        ("quantity", "0.00100"),
        ("side", "BUY" if number % 2 else "SELL"),
        ("symbol", "BTCUSDT"),
        ("timeInForce", "GTC"),
        ("timestamp", str(time.time_ns() // 1_000_000)),
        ("type", "LIMIT"),
    ]


class RestConnection:
    """One keep-alive connection of the REST API, one request at a time."""

    def __init__(self, phase: Phase, key: str, secret: bytes) -> None:
        self._phase = phase
        self._key = key
        self._secret = secret

    async def open(self, emulator: Emulator) -> None:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", emulator.port, ssl=emulator.context, server_hostname=DOMAIN
        )

    async def ask(self, number: int) -> None:
        """Place an order and note how long the answer took."""
        query = "&".join(f"{name}={value}" for name, value in params(number))
        signature = hmac.digest(self._secret, query.encode(), "sha256").hex()
        head = f"POST /api/v3/order?{query}&signature={signature} HTTP/1.1\r\nHost: {DOMAIN}\r\n"
        started = time.perf_counter()
        self._writer.write(f"{head}X-MBX-APIKEY: {self._key}\r\nContent-Length: 0\r\n\r\n".encode())
        answer = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = next(line for line in answer.lower().split("\r\n") if line.startswith("content-length:"))
        body = await self._reader.readexactly(int(length.partition(":")[2]))
        self._phase.seconds.append(time.perf_counter() - started)
        if not answer.startswith("HTTP/1.1 200 "):
            self._phase.refused.append(body.decode())

    async def close(self) -> None:
        """Disconnect."""
        self._writer.close()


class WsConnection:
    """One connection of the WebSocket API, several requests at a time."""

    def __init__(self, phase: Phase, key: str, secret: bytes) -> None:
        self._phase = phase
        self._key = key
        self._secret = secret
        self._waiting: dict[int, asyncio.Future[None]] = {}

    async def open(self, emulator: Emulator) -> None:
        """Connect."""
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=emulator.context))
        url = f"wss://localhost:{emulator.port}/ws-api/v3"
        self._socket = await self._session.ws_connect(url, compress=0)
        self._reading = asyncio.create_task(self._read())

    async def ask(self, number: int) -> None:
        """Place an order and note how long the answer took."""
        values = dict(sorted([("apiKey", self._key), *params(number)]))
        payload = "&".join(f"{name}={value}" for name, value in values.items())
        values["signature"] = hmac.digest(self._secret, payload.encode(), "sha256").hex()
        answered = self._waiting[number] = asyncio.get_running_loop().create_future()
        started = time.perf_counter()
        request = {"id": number, "method": "order.place", "params": values}
        await self._socket.send_str(orjson.dumps(request).decode())
        await answered
        self._phase.seconds.append(time.perf_counter() - started)

    async def close(self) -> None:
        """Disconnect."""
        self._reading.cancel()
        await self._socket.close()
        await self._session.close()

    async def _read(self) -> None:
        async for message in self._socket:
            answer = orjson.loads(message.data)
            if answer["status"] != 200:
                self._phase.refused.append(message.data)
            self._waiting.pop(answer["id"]).set_result(None)
        for answered in self._waiting.values():
            answered.set_exception(ConnectionError("the emulator closed the connection"))


async def load(
    emulator: Emulator, kind: type[RestConnection | WsConnection], phase: Phase, connections: int
) -> Any:
    """Place orders as fast as they are taken.

    Returns:
        What was measured.
    """
    opened = [kind(phase, *emulator.secrets[number % len(emulator.secrets)]) for number in range(connections)]
    for connection in opened:
        await connection.open(emulator)
    numbers = phase.numbers()

    async def work(ask: Ask) -> None:
        for number in numbers:
            await ask(number)

    in_flight = WS_IN_FLIGHT if kind is WsConnection else 1
    size, cpu, started = emulator.record.stat().st_size, emulator.cpu_seconds(), time.perf_counter()
    await asyncio.gather(*(work(connection.ask) for connection in opened for _ in range(in_flight)))
    seconds, used = time.perf_counter() - started, emulator.cpu_seconds() - cpu
    for connection in opened:
        await connection.close()
    return {
        "orders": phase.placed,
        "connections": connections,
        "orders_per_second": round(phase.placed / seconds),
        "emulator_cpu_seconds_per_1000_orders": round(used / phase.placed * 1000, 3),
        "emulator_cpu_share": round(used / seconds, 2),
        "record_bytes_per_order": round((emulator.record.stat().st_size - size) / phase.placed),
    }


async def low_rate(emulator: Emulator, kind: type[RestConnection | WsConnection], phase: Phase) -> Any:
    """Place orders one by one with pauses, and return the percentiles of the reply's latency."""
    connection = kind(phase, *emulator.secrets[0])
    await connection.open(emulator)
    for number in phase.numbers():
        await connection.ask(number)
        await asyncio.sleep(PAUSE_SECONDS)
    await connection.close()
    cuts = statistics.quantiles(phase.seconds, n=100, method="inclusive")
    return {"p50_ms": round(cuts[49] * 1000, 3), "p99_ms": round(cuts[98] * 1000, 3), "orders": phase.placed}


async def measure(emulator: Emulator, wanted: argparse.Namespace) -> dict[str, Any]:
    """Run every phase."""
    found: dict[str, Any] = {}
    kinds: list[tuple[str, type[RestConnection | WsConnection], int]] = [
        ("rest", RestConnection, wanted.rest_connections),
        ("ws", WsConnection, wanted.ws_connections),
    ]
    for name, kind, connections in kinds:
        phases = [Phase(n, time.monotonic() + wanted.seconds) for n in (wanted.orders, wanted.latency_orders)]
        found[name] = await load(emulator, kind, phases[0], connections)
        phases[1].ends = time.monotonic() + wanted.seconds
        found[name]["low_rate"] = await low_rate(emulator, kind, phases[1])
        refused = [answer for phase in phases for answer in phase.refused]
        if refused:
            raise SystemExit(f"venue_load: {name}: an order was refused: {refused[0]}")
    return found


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="benchmarks.venue_load", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--orders", type=int, default=10_000, help="orders of each load phase")
    parser.add_argument("--latency-orders", type=int, default=500, help="orders of each phase at low rate")
    parser.add_argument("--seconds", type=float, default=60, help="longest time of a phase")
    parser.add_argument("--rest-connections", type=int, default=8)
    parser.add_argument("--ws-connections", type=int, default=2)
    wanted = parser.parse_args()
    for name, lowest in (
        ("orders", 1),
        ("latency_orders", 2),
        ("rest_connections", 1),
        ("ws_connections", 1),
    ):
        if getattr(wanted, name) < lowest:
            parser.error(f"--{name.replace('_', '-')}: at least {lowest}")
    return wanted


def main() -> None:
    """Measure and print."""
    wanted = arguments()
    cores = sorted(os.sched_getaffinity(0))
    with emulator(cores[0]) as running:
        os.sched_setaffinity(0, {cores[-1]})
        measured = uvloop.run(measure(running, wanted))
    measured["cores"] = {"emulator": cores[0], "driver": cores[-1]}
    result(measured)


if __name__ == "__main__":
    main()
