"""What the benchmarks of the service share: names that lead here, settings, the order path, percentiles."""

from __future__ import annotations

import asyncio
import io
import os
import statistics
import sys
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from benchmarks.certificates import DOMAIN
from benchmarks.venue_load import Emulator
from trader.model.intents import Place
from trader.model.orders import Order
from trader.model.values import OrderKind, Quote, Side
from trader.service.credentials import Credentials
from trader.service.settings import Settings
from trader.service.stack import Stack, build
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics

SYMBOL, PRICE, QUANTITY = "BTC/USDT", Decimal(59_500), Decimal("0.001")
MANY = 10**9
LIMITS: dict[str, Any] = {
    "max_quote_age_ms": 60_000,
    "max_order_notional_usd": MANY,
    "max_position_usd": MANY,
    "max_gross_exposure_usd": MANY,
    "max_open_orders_per_symbol": MANY,
    "max_open_orders": MANY,
    "max_orders_per_second": 1_000,
    "max_repeated_executions": MANY,
    "repeated_execution_window_seconds": 0,
    "identical_intent_window_ms": 0,
    "max_daily_loss_usd": MANY,
}
READY_SECONDS = 30.0
_MARK = "BREAKWATER_BENCH_NAMES"


def lead_names_here() -> None:
    """Run this program again where every name of the emulator is this machine, and nowhere else."""
    if os.environ.get(_MARK):
        return
    names = " ".join(f"{name}.{DOMAIN}" for name in ("api", "stream", "ws-api"))
    script = (
        'hosts=$(mktemp) && { cat /etc/hosts; echo "127.0.0.1 $1"; } >"$hosts" && shift'
        ' && mount --bind "$hosts" /etc/hosts && exec "$@"'
    )
    again = [sys.executable, *sys.orig_argv[1:]]
    command = ["unshare", "--mount", "sh", "-c", script, "sh", names, *again]
    os.execvpe(command[0], command, os.environ | {_MARK: "1"})  # noqa: S606 - our own program once more


def settings(folder: Path, emulator: Emulator, account: str = "load-00", **changes: Any) -> Settings:
    """Settings of one host on the emulator, its journal in `folder`; `changes` replace top-level keys."""
    venue: dict[str, Any] = {
        "id": "binance",
        "hostname": f"{DOMAIN}:{emulator.port}",
        "ca_file": str(emulator.ca_file),
        "order_entry": changes.pop("order_entry", "websocket"),
    }
    content: dict[str, Any] = {
        "host": "bench",
        "account": account,
        "epoch": 1,
        "venue": venue,
        "symbols": [SYMBOL],
        "journal": {"path": str(folder / "journal.sqlite")},
        "http": {"host": "127.0.0.1", "port": 0},
        "control": {"socket": str(folder / "control")},
        "strategy": {"name": "quoter"},
        "risk": LIMITS,
    }
    return Settings.model_validate(content | changes)


class OrderPath:
    """The real order path, without streams and strategy: the gate is open, a quote is there."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    @classmethod
    async def open(cls, wanted: Settings, emulator: Emulator, number: int) -> OrderPath:
        """Build it, connect, and wait until orders can go the way that is wanted."""
        wanted.journal.path.parent.mkdir(parents=True, exist_ok=True)
        key, secret = emulator.secrets[number]
        credentials = Credentials(key, secret.decode())
        events = Events(io.StringIO())
        stack = build(wanted, credentials, "bench", Metrics(), events, lambda state, reasons: None)
        stack.journal.start(lambda seconds, count: None, lambda error: None)
        await stack.venue.connect()
        stack.begin_day()
        stack.manager.load(stack.snapshot)
        await stack.reconciler.run()
        path = cls(stack)
        path.refresh()
        stack.gate.clear("start")
        deadline = time.monotonic() + READY_SECONDS
        while stack.gateway.entry is not None and not stack.gateway.entry.ready:
            if time.monotonic() > deadline:
                raise SystemExit("benchmarks: the order entry connection does not open")
            await asyncio.sleep(0.01)
        return path

    def refresh(self) -> None:
        """A fresh quote, so that the risk engine has something to go by."""
        mid = Decimal(60_000)
        self.stack.admission.quotes[SYMBOL] = Quote(SYMBOL, mid - 1, mid + 1, time.monotonic_ns())

    async def place(self) -> tuple[Order, int, int]:
        """One limit order that rests.

        Returns:
            The order, and the monotonic times (ns) of the signal and of the acknowledged state.
        """
        signal_ns = time.monotonic_ns()
        intent = Place(SYMBOL, Side.BUY, OrderKind.LIMIT, QUANTITY, PRICE, signal_ns)
        order = await self.stack.manager.place(intent)
        done_ns = time.monotonic_ns()
        if order is None or not order.working:
            raise SystemExit(f"benchmarks: an order was not acknowledged: {order}")
        return order, signal_ns, done_ns

    async def clear(self) -> None:
        """Cancel what rests."""
        for order in self.stack.manager.book.working():
            await self.stack.manager.cancel(order.client_id)

    async def close(self) -> None:
        """Cancel, disconnect, close the journal."""
        await self.clear()
        await self.stack.gateway.close()
        await self.stack.journal.close()


def arrivals(emulator: Emulator) -> dict[str, int]:
    """When the bytes of each order arrived at the emulator (monotonic ns), by client id."""
    found: dict[str, int] = {}
    with emulator.record.open("rb") as file:
        for line in file:
            entry = orjson.loads(line)
            if entry["kind"] == "request" and entry["endpoint"] == "order.place":
                found[entry["params"]["newClientOrderId"]] = entry["arrival_monotonic_ns"]
    return found


def percentiles(samples: Sequence[float]) -> dict[str, float]:
    """p50, p99 and p99.9, in the unit of the samples."""
    cuts = statistics.quantiles(samples, n=1000, method="inclusive")
    return {"p50": cuts[499], "p99": cuts[989], "p99.9": cuts[998], "count": len(samples)}


def tell(text: str) -> None:
    """Progress, for whoever waits."""
    print(text, file=sys.stderr, flush=True)
