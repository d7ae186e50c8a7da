"""Whether an order may be sent: the risk engine with the present state of this host, and the day's P&L."""

import time
from collections import Counter
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from trader.model.intents import Place
from trader.model.values import Fill, Instrument, Payment, Quote, TradingState
from trader.orders.book import OrderBook
from trader.orders.gate import Gate
from trader.risk import (
    Change,
    DailyLoss,
    DailyPnl,
    Limits,
    LossLevel,
    RejectCode,
    Rejection,
    RiskEngine,
    RiskInput,
    Valuation,
)
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics

REPEATED = "repeated_execution"
PNL_SECONDS = 0.1  # the P&L moves with every quote; computing it that often would buy nothing
TELL_SECONDS = 10.0  # a strategy that runs into a limit does so many times a second


class Admission:
    """Checks new orders, and knows what the account's trading has brought today.

    Args:
        book: our orders and positions.
        instruments: by symbol; the live mapping, empty before the venue has been asked.
    """

    def __init__(
        self,
        limits: Limits,
        book: OrderBook,
        instruments: Mapping[str, Instrument],
        gate: Gate,
        metrics: Metrics,
        events: Events,
    ) -> None:
        self._engine = RiskEngine(limits)
        self._book = book
        self._instruments = instruments
        self._gate = gate
        self._metrics = metrics
        self._events = events
        self._quotes: dict[str, Quote] = {}
        self._valuation = Valuation(self._quotes)
        self._pnl: DailyPnl | None = None
        self._loss = DailyLoss()
        self._pnl_usd: Decimal | None = None
        self._pnl_at = 0.0
        self._untold: Counter[str] = Counter()
        self._told_at: dict[str, float] = {}

    @property
    def quotes(self) -> dict[str, Quote]:
        """The last quote by symbol; whoever hears quotes writes them here."""
        return self._quotes

    @property
    def limits(self) -> Limits:
        return self._engine.limits

    @property
    def valuation(self) -> Valuation:
        return self._valuation

    # -- orders

    def check(self, intent: Place, state: TradingState | None = None) -> Rejection | None:
        """Whether this order may go; a refusal is counted and told. Nothing may suspend until `admitted`.

        Args:
            state: what may be done; None = as the gate says.
        """
        now_ns = time.monotonic_ns()
        view = RiskInput(
            self._gate.state if state is None else state,
            self._instruments,
            self._quotes,
            self._book.positions,
            self._book.live(),
            self._valuation.usd,
            self.pnl_usd(),
        )
        rejection = self._engine.check(intent, view, now_ns)
        if rejection is None:
            self._engine.admitted(intent, now_ns)
        else:
            self._refuse(rejection)
        return rejection

    def _refuse(self, rejection: Rejection) -> None:
        code = rejection.code.value
        if rejection.code is RejectCode.REPEATED_EXECUTION:
            # MiFID II RTS 6, Art. 15(3): after it nothing goes on until a person says so, here by a reload.
            self._gate.halt(REPEATED, rejection.text)
        self._metrics.count("trader_risk_rejections_total", code=code)
        self._untold[code] += 1
        now = time.monotonic()
        if now - self._told_at.get(code, -TELL_SECONDS) >= TELL_SECONDS:
            self._told_at[code] = now
            count = self._untold.pop(code)
            self._events.emit("order_refused", "warning", code=code, message=rejection.text, count=count)

    def reload(self, limits: Limits) -> list[Change]:
        """Take new limits, by a person's act; see `RiskEngine.reload`."""
        self._gate.clear(REPEATED)
        return self._engine.reload(limits)

    # -- the day

    def begin_day(
        self, body: Mapping[str, Any] | None, later: list[Fill], payments: list[Payment] | None = None
    ) -> None:
        """Take up the day where the journal left it.

        Args:
            body: of the last DAY event; None = there is none.
            later, payments: fills and payments that the journal holds after it, in its order.
        """
        now_ms = time.time_ns() // 1_000_000
        if body is None:
            self._pnl = DailyPnl.begin(now_ms, self._book.changes, self._book.positions, self._instruments)
            return
        self._pnl = DailyPnl.from_body(body)
        for fill in later:
            self.filled(fill)
        for payment in payments or []:
            self.paid(payment)

    def filled(self, fill: Fill) -> None:
        """Book a new fill."""
        instrument = self._instruments.get(fill.symbol)
        if self._pnl is not None and instrument is not None:
            self._pnl.fill(fill, instrument, self._valuation.usd)
            self._pnl_at = 0.0

    def paid(self, payment: Payment) -> None:
        """Book a new funding payment."""
        if self._pnl is not None:
            self._pnl.pay(payment, self._valuation.usd)
            self._pnl_at = 0.0

    def pnl_usd(self) -> Decimal | None:
        """P&L since midnight UTC, in USD, at most `PNL_SECONDS` old; None = not known."""
        now = time.monotonic()
        if self._pnl is not None and now - self._pnl_at > PNL_SECONDS:
            self._pnl_at = now
            self._pnl_usd = self._pnl.value(time.time_ns() // 1_000_000, self._valuation.usd)
        return self._pnl_usd

    def day_body(self) -> dict[str, Any] | None:
        """The day's state for the journal; None before it has begun."""
        return None if self._pnl is None else self._pnl.to_body()

    @property
    def day(self) -> date | None:
        """The day (UTC) that the P&L is of."""
        return None if self._pnl is None else self._pnl.day

    def loss_level(self) -> LossLevel | None:
        """A level of the daily loss that was reached since the last call."""
        value = self.pnl_usd()
        if self._pnl is None:
            return None
        return self._loss.update(self._pnl.day, value, self.limits.max_daily_loss_usd)
