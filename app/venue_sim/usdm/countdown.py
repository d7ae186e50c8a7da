"""The dead man's timer: cancel an account's open orders of a contract unless it calls again in time.

As at the venue it looks after ordinary orders only; conditional ones keep waiting.
"""

from __future__ import annotations

from venue_sim.model import USDM, Account
from venue_sim.record import Record
from venue_sim.usdm.exchange import FuturesExchange

CHECK_SECONDS = 0.01


class Countdowns:
    """The timers that run, by account and contract. They go on over a restart, by the wall clock."""

    def __init__(self, exchange: FuturesExchange, record: Record) -> None:
        self._exchange = exchange
        self._record = record
        self.due: dict[tuple[str, str], int] = {}

    def arm(self, account: Account, symbol: str, countdown_ms: int, now_ms: int) -> None:
        """Start a timer, or start it again; zero stops it."""
        if countdown_ms:
            due_ms = self.due[account.name, symbol] = now_ms + countdown_ms
            self._note("armed", account.name, symbol, due_ms)
        elif self.due.pop((account.name, symbol), None) is not None:
            self._note("disarmed", account.name, symbol, None)

    def fire(self, now_ms: int) -> None:
        """Cancel for those whose time is over; to be called every `CHECK_SECONDS`."""
        for (name, symbol), due_ms in list(self.due.items()):
            if due_ms > now_ms:
                continue
            del self.due[name, symbol]
            self._note("fired", name, symbol, due_ms)
            self._record.cause = "countdown"
            try:
                for order in list(self._exchange.accounts[name].open_orders.values()):
                    if order.rules.symbol == symbol and order.is_open:
                        self._exchange.cancel(order, now_ms, order.client_order_id)
            finally:
                self._record.cause = None

    def _note(self, action: str, name: str, symbol: str, due_ms: int | None) -> None:
        self._record.append(
            "countdown",
            {
                "request_id": self._record.request_id,
                "market": USDM,
                "account": name,
                "symbol": symbol,
                "action": action,
                "due_ms": due_ms,
            },
        )
