"""Tells every change of the trading state: to systemd, and as an event."""

import time

from trader.model.values import TradingState
from trader.service.notify import Notifier
from trader.telemetry.events import Events


class StateTeller:
    """Since when this process lives, and since when it trades.

    Attributes:
        started_ns: UTC.
        trading_since_ns: UTC; 0 = it does not trade now.
    """

    def __init__(self, notifier: Notifier, events: Events) -> None:
        self._notifier = notifier
        self._events = events
        self._traded = False
        self.started_ns = time.time_ns()
        self.trading_since_ns = 0

    def changed(self, state: TradingState, reasons: dict[str, str]) -> None:
        """The gate's state or reasons have changed."""
        why = "; ".join(reasons.values())
        match state:
            case TradingState.ACTIVE:
                self._notifier.send(STATUS="trading")
                self._events.emit("trading_resumed" if self._traded else "trading_started")
                self._traded = True
                self.trading_since_ns = time.time_ns()
            case TradingState.REDUCE_ONLY:
                self._notifier.send(STATUS=f"reduce-only: {why}")
                self.trading_since_ns = 0
                self._events.emit("trading_reduce_only", "warning", reasons=reasons)
            case TradingState.HALTED:
                self._notifier.send(STATUS=f"halted: {why}")
                self.trading_since_ns = 0
                self._events.emit("trading_halted", reasons=reasons)
