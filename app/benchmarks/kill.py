"""From a trip to the last cancel, judged by the emulator's record: `python -m benchmarks.kill --kills 50`.

Two hundred orders on ten symbols, placed by hand with the service's own key, so that the service must find
them; it trades on one symbol beside. Then `kill` over the control socket, until the venue has said zero
twice; then re-armed, again and again. With --storm the venue answers every second request with 429. Prints
one JSON object, in milliseconds: `last_cancel` from the trip to the answer to the last request that cancelled
an order, `verified` from the trip to the second zero.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
import urllib.request
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.emulator import SYMBOL, Emulator, emulator
from benchmarks.figures import progress, result
from benchmarks.names import resolve_here
from benchmarks.our_side import WIDE
from benchmarks.trader_process import TraderProcess, until
from trader.model.orders import Order
from trader.model.values import OrderKind, Side
from trader.service.control import ControlClient
from trader.venue.exchange import VenueAccess
from trader.venue.gateway import Gateway

ORDERS, BASES = 200, ("BTC", "ETH", "SOL", "XRP", "ADA", "DOGE", "LTC", "DOT", "LINK", "AVAX")
SYMBOLS = [SYMBOL | {"symbol": f"{base}USDT", "base": base} for base in BASES]
MILLISECOND_NS = 1_000_000
FLOW = 20  # events a second
STORM = {
    "name": "storm",
    "kind": "error",
    "code": -1003,
    "http_status": 429,
    "share": 0.5,
    "retry_after_seconds": 1,  # a kill does not wait for it; everything else does, between two of them
    "duration_seconds": 60,
}


def admin(venue: Emulator, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{venue.admin_port}{path}", data, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.loads(answer.read() or b"null")


async def place(venue: Emulator, number: int) -> None:
    """The orders of one round, far from the market."""
    key, secret = venue.secrets[0]
    access = VenueAccess(
        "binance", venue.hostname, venue.ca_file, 5_000, 5_000, key, secret.decode(), order_entry=False
    )
    gateway = Gateway(access, [f"{base}/USDT" for base in BASES])
    await gateway.connect()
    for n in range(ORDERS):
        symbol = f"{BASES[n % len(BASES)]}/USDT"
        order = Order(
            f"by-hand-{number}-{n}", symbol, Side.BUY, OrderKind.LIMIT, Decimal("0.001"), Decimal(50_000), 1
        )
        placed = await gateway.place(order)
        if placed.error is not None:
            raise SystemExit(f"kill: an order was not placed: {placed.error}")
    await gateway.close()


def kill(client: ControlClient) -> dict[str, Any]:
    """Pull it, and wait for the second zero."""
    answer = client.call("kill", by="bench", reason="measured")
    while not answer["verified_twice"]:
        time.sleep(0.01)
        answer = client.call("kill_progress")
    return answer


def last_cancel_ns(venue: Emulator, since_ns: int) -> int:
    """When the last request that cancelled an order was answered (UTC)."""
    cancelled, answered, alive = set(), 0, 0
    for entry in venue.entries():
        if entry["wall_ns"] < since_ns or entry.get("account") != "load-00":
            continue
        if entry["kind"] == "order" and entry["event"] == "CANCELED":
            cancelled.add(entry["request_id"])
            alive += 1
        if entry["kind"] == "request" and entry["request_id"] in cancelled:
            answered = max(answered, entry["wall_ns"])
    if alive < ORDERS:
        raise SystemExit(f"kill: the record has {alive} cancels, {ORDERS} orders were open")
    return answered


def measure(venue: Emulator, folder: Path, kills: int, storm: bool) -> dict[str, Any]:
    key, secret = venue.secrets[0]
    strategy = {"name": "quoter", "parameters": {"order_size": "0.001", "seed": 1}}
    # What is placed by hand is a difference; it must not halt the service for good.
    running = TraderProcess(
        folder, venue.hostname, venue.ca_file, (key, secret.decode()), strategy=strategy, risk=WIDE
    ).start()
    client = ControlClient(folder / "control")
    cancels, verified = [], []
    try:
        running.event("trading_started")
        for number in range(kills):
            since = len(running.events)
            asyncio.run(place(venue, number))
            fault = admin(venue, "POST", "/faults", STORM | {"account": "load-00"}) if storm else None
            answer = kill(client)
            tripped_ns = answer["latch"]["at_ns"]
            if fault is not None:
                admin(venue, "DELETE", f"/faults/{fault['id']}")
            time.sleep(0.05)  # the record is written every 10 ms
            cancels.append((last_cancel_ns(venue, tripped_ns - MILLISECOND_NS) - tripped_ns) / MILLISECOND_NS)
            verified.append(answer["seconds"] * 1_000)
            client.call("rearm", by="bench", reason="again")
            until(lambda: any(e["event"] == "reconciled" for e in running.events[since:]), "agreement")  # noqa: B023
            if number % 10 == 9:
                progress(f"{number + 1} of {kills} kills: last {cancels[-1]:.0f} ms")
    finally:
        running.close()
    return {"last_cancel": spread(cancels), "verified": spread(verified), "kills": kills, "storm": storm}


def spread(samples: list[float]) -> dict[str, float]:
    ordered = sorted(samples)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return {"p50": round(ordered[len(ordered) // 2], 1), "p99": round(p99, 1), "max": round(ordered[-1], 1)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--storm", action="store_true")
    parser.add_argument("--disk", type=Path, default=None, help="where the service's files are")
    wanted = parser.parse_args()
    resolve_here("benchmarks.kill")
    cores = sorted(os.sched_getaffinity(0))
    with (
        tempfile.TemporaryDirectory(prefix="bench-kill-", dir=wanted.disk) as name,
        emulator(cores[-1], FLOW, SYMBOLS) as venue,
    ):
        result(measure(venue, Path(name), wanted.kills, wanted.storm))


if __name__ == "__main__":
    main()
