"""The order path wired for tests, on any journal and venue, without limits that would get in the way."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from tests.trader.support import NO_LIMITS
from trader.journal import Snapshot
from trader.model.values import Quote
from trader.orders.admission import Admission
from trader.orders.book import OrderBook
from trader.orders.gate import Gate
from trader.orders.manager import OrderManager
from trader.orders.resolution import Resolver
from trader.reconcile import Policy, Reconciler
from trader.risk import Limits
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics


class Parts:
    """Gate (halted by "start"), admission, manager, resolver and reconciler."""

    def __init__(
        self,
        journal: Any,
        venue: Any,
        snapshot: Snapshot,
        *,
        host: str = "trader-01",
        epoch: int = 1,
        metrics: Metrics | None = None,
        events: Events | None = None,
        limits: Limits = NO_LIMITS,
    ) -> None:
        self.metrics = metrics or Metrics()
        self.events = events or Events()
        self.gate = Gate(lambda state, reasons: None, "start")
        self.book = OrderBook()
        self.admission = Admission(limits, self.book, venue.instruments, self.gate, self.metrics, self.events)
        self.manager = OrderManager(
            journal, venue, self.book, self.admission, self.gate, self.metrics, self.events
        )
        self.resolver = Resolver(self.manager, venue, self.metrics, self.events)
        self.manager.unproven = self.resolver.start
        self.reconciler = Reconciler(
            journal,
            snapshot,
            venue,
            self.manager,
            self.resolver,
            self.admission.valuation,
            Policy(host, epoch),
            self.metrics,
            self.events,
        )

    def quote(self, symbol: str = "BTC/USDT", mid: Decimal = Decimal(60_000)) -> None:
        """Let the market of a symbol be known, and the day begin."""
        self.admission.quotes[symbol] = Quote(symbol, mid, mid, time.monotonic_ns())
        if self.admission.day is None:
            self.admission.begin_day(None, [])
