"""What a kill has to cancel: two hundred orders on ten symbols; and what the record says became of them."""

from __future__ import annotations

import json
import math
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from benchmarks.emulator import SYMBOL, Emulator
from trader.model.orders import Order
from trader.model.values import OrderKind, Side
from trader.venue.exchange import VenueAccess
from trader.venue.gateway import Gateway

ORDERS, BASES = 200, ("BTC", "ETH", "SOL", "XRP", "ADA", "DOGE", "LTC", "DOT", "LINK", "AVAX")
SYMBOLS = [SYMBOL | {"symbol": f"{base}USDT", "base": base} for base in BASES]
ACCOUNT = "load-00"
FLOW = 20  # events a second
MS = 1_000_000
CANCELS = ("order.cancel", "openOrders.cancelAll")


class BadKillError(SystemExit):
    """A kill that left something, or placed something: how fast it was is no matter."""


def admin(venue: Emulator, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Ask the emulator's admin port."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{venue.admin_port}{path}", data, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.loads(answer.read() or b"null")


async def place(venue: Emulator, number: int) -> None:
    """The orders of one round, far from the market, by hand with the service's own key."""
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
            raise SystemExit(f"benchmarks: an order was not placed: {placed.error}")
    await gateway.close()


@dataclass(frozen=True)
class Cancelled:
    """One kill in the record; times are UTC, in ns.

    Args:
        first_ns: the first request that cancels arrived, whatever became of it.
        last_ns: the last request that cancelled an order was answered.
        refused: requests that were refused as too many.
    """

    first_ns: int
    last_ns: int
    refused: int


class Judge:
    """Reads the record on, round by round."""

    def __init__(self, venue: Emulator) -> None:
        self._venue = venue
        self._lines = venue.record.open("rb")

    def close(self) -> None:
        self._lines.close()

    def kill(self, number: int, since_ns: int, tripped_ns: int) -> Cancelled:
        """What the record says of a round's kill; call it when the kill says that it is done.

        Args:
            number: of the round, as it was placed.
            since_ns: the command was given; what was cancelled before is not the kill's.
            tripped_ns: an order that was signed after this must not be.
        Raises:
            BadKillError: orders are open, one of the round's was not cancelled, or one was placed too late.
        """
        status = admin(self._venue, "GET", f"/accounts/{ACCOUNT}/orders")
        left = [one["clientOrderId"] for one in status if one["status"] in ("NEW", "PARTIALLY_FILLED")]
        if left:
            raise BadKillError(f"benchmarks: {len(left)} orders are open after the kill, {left[0]} is one")
        return judge(list(self._new_entries()), f"by-hand-{number}-", since_ns, tripped_ns)

    def _new_entries(self) -> Iterator[dict[str, Any]]:
        """Up to what has happened by now: the record is written a moment later."""
        seq, wanted = 0, admin(self._venue, "GET", "/health")["seq"]
        while seq < wanted:
            line = self._lines.readline()
            if not line.endswith(b"\n"):
                self._lines.seek(-len(line), 1)
                continue
            entry = json.loads(line)
            seq = entry["seq"]
            if entry.get("account") == ACCOUNT:
                yield entry


def judge(entries: Sequence[dict[str, Any]], prefix: str, since_ns: int, tripped_ns: int) -> Cancelled:
    """Judge a kill by the account's entries since the round began.

    Raises:
        BadKillError: see `Judge.kill`.
    """
    requests = {entry["request_id"]: entry for entry in entries if entry["kind"] == "request"}
    cancels = [r for r in requests.values() if r["endpoint"] in CANCELS and r["arrival_wall_ns"] >= since_ns]
    answered, ours = [], 0
    for entry in entries:
        if entry["kind"] != "order" or entry["wall_ns"] < since_ns:
            continue
        request = requests.get(entry["request_id"], {})
        if entry["event"] == "CANCELED":
            ours += entry["client_order_id"].startswith(prefix)
            took_ns = request["done_monotonic_ns"] - request["arrival_monotonic_ns"]
            answered.append(request["arrival_wall_ns"] + took_ns)
        elif entry["event"] == "NEW" and int(request["params"]["timestamp"]) > tripped_ns // MS:
            raise BadKillError(f"benchmarks: {entry['client_order_id']} was placed after the trip")
    if ours != ORDERS:
        raise BadKillError(f"benchmarks: {ours} of the {ORDERS} orders were cancelled after the command")
    refused = sum(
        entry["http_status"] in (429, 418) and entry["arrival_wall_ns"] >= since_ns
        for entry in requests.values()
    )
    return Cancelled(min(r["arrival_wall_ns"] for r in cancels), max(answered), refused)


def spread(samples: Sequence[float]) -> dict[str, float]:
    """p50, p99 and the slowest, by nearest rank: the smallest sample that so many are not above."""
    ordered = sorted(samples)

    def rank(share: float) -> float:
        return round(ordered[max(0, math.ceil(len(ordered) * share) - 1)], 1)

    return {"p50": rank(0.5), "p99": rank(0.99), "max": round(ordered[-1], 1), "count": len(ordered)}
