"""One host's order path as the service wires it, in the benchmark's own process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from benchmarks.emulator import Emulator
from trader.journal import Journal, JournalError
from trader.journal.records import Record
from trader.model.intents import Place
from trader.model.values import Quote
from trader.orders.admission import Admission
from trader.orders.manager import OrderManager
from trader.service.credentials import Credentials
from trader.service.settings import Settings
from trader.service.stack import Stack, build
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics
from trader.venue.streams import Handlers, Stream, Streams

SYMBOL = "BTC/USDT"
MID = Decimal(60_000)
MANY = 1_000_000
# Every check does its work; the limits alone are out of the way. Windows are the defaults.
WIDE = {
    "max_quote_age_ms": 60_000,
    "max_order_notional_usd": MANY,
    "max_position_usd": MANY,
    "max_gross_exposure_usd": MANY,
    "max_open_orders_per_symbol": MANY,
    "max_open_orders": MANY,
    "max_orders_per_second": 1_000,
    "max_repeated_executions": MANY,
    "max_daily_loss_usd": MANY,
}
DEADLINE_SECONDS = 20.0
PRIVATE = (Stream.ORDERS, Stream.FILLS)
QUIET_SECONDS = 3_600.0  # the emulator's market stands still: no quote is no break


class NoJournal:
    """Takes everything and keeps nothing, so that the rest of the path can be timed without a journal."""

    def __init__(self, journal: Journal) -> None:
        self.next_client_id = journal.next_client_id

    async def append(self, record: Record) -> None:
        """Nothing is written."""

    def later(self, record: Record) -> None:
        """Nothing is written."""


class NoChecks:
    """Admits every order."""

    def __init__(self, admission: Admission) -> None:
        self.filled = admission.filled

    def check(self, intent: Place) -> None:
        """Nothing is checked."""


class OurSide:
    """A stack that is connected, reconciled and may trade, with its private streams.

    Quotes are given by `quote`, so that several of these in one process do not burden each other.

    Args:
        account: number of the emulator's account.
        folder: where the journal lies.
        order_entry: "websocket" or "rest".
    """

    def __init__(self, venue: Emulator, account: int, folder: Path, order_entry: str, log: Path) -> None:
        key, secret = venue.secrets[account]
        settings: dict[str, Any] = {
            "host": f"bench-{account:02}",
            "account": f"load-{account:02}",
            "epoch": 1,
            "venue": {
                "id": "binance",
                "hostname": venue.hostname,
                "ca_file": str(venue.ca_file),
                "order_entry": order_entry,
            },
            "symbols": [SYMBOL],
            "journal": {"path": str(folder / "journal.sqlite")},
            "http": {"host": "127.0.0.1", "port": 0},
            "strategy": {"name": "quoter"},
            "risk": WIDE,
        }
        self._log = log.open("w")
        self.stack: Stack = build(
            Settings.model_validate(settings),
            Credentials(key, secret.decode()),
            "bench",
            Metrics(),
            Events(self._log),
            lambda state, reasons: None,
        )
        self.manager = self.stack.manager
        self.problems: list[str] = []

    def without(self, *, journal: bool = True, checks: bool = True) -> None:
        """Put an order manager of the same parts in place, without a journal or without checks."""
        stack = self.stack
        kept = stack.journal if journal else cast(Journal, NoJournal(stack.journal))
        admission = stack.admission if checks else cast(Admission, NoChecks(stack.admission))
        self.manager = OrderManager(
            kept, stack.venue, stack.manager.book, admission, stack.gate, stack.metrics, stack.events
        )
        self.manager.unproven = lambda order: self.problems.append(f"{order.client_id} is unproven")

    async def open(self) -> None:
        """Connect, subscribe, reconcile and open the gate."""
        stack = self.stack
        stack.journal.start(lambda seconds, records: None, self._journal_failed)
        stack.kill_switch.begin(stack.snapshot)
        stack.manager.load(stack.snapshot)
        await stack.venue.connect()
        stack.begin_day()
        handlers = Handlers(stack.heard, self.manager.report, self.manager.fill, self._lost, lambda s: None)
        self._streams = Streams(stack.gateway, [SYMBOL], handlers, QUIET_SECONDS)
        self._streams.start()
        self.quote()
        entry = stack.gateway.entry
        await eventually(lambda: all(map(self._streams.up, PRIVATE)), "the account's streams are up")
        await eventually(lambda: entry is None or entry.ready, "the order entry connection is ready")
        report = await stack.reconciler.run()
        if not report.clean:
            raise SystemExit(f"benchmarks: not reconciled: {report.differences[0].text}")
        stack.gate.clear("start")

    def quote(self) -> None:
        """A fresh quote."""
        self.stack.heard(Quote(SYMBOL, MID, MID, time.monotonic_ns()))

    async def cancel_all(self) -> None:
        """Cancel what is open, one by one, and wait until it is final."""
        for order in self.manager.book.working():
            await self.manager.cancel(order.client_id)
        await eventually(lambda: not self.manager.book.live(), "every order is final")
        if self.problems:
            raise SystemExit(f"benchmarks: {self.problems[0]}; see {self._log.name}")

    async def close(self) -> None:
        """Stop the streams and close everything."""
        await self._streams.stop()
        await self.stack.resolver.stop()
        await self.stack.gateway.close()
        await self.stack.journal.close()
        self._log.close()

    def _lost(self, stream: Stream, error: BaseException) -> None:
        self.problems.append(f"the {stream} stream was lost: {error}")

    def _journal_failed(self, error: JournalError) -> None:
        self.problems.append(str(error))


async def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds."""
    ends = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > ends:
            raise SystemExit(f"benchmarks: not within {DEADLINE_SECONDS:g} s: {what}")
        await asyncio.sleep(0.002)
