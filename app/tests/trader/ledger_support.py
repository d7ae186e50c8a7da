"""A venue whose account a test moves as it likes, and the reconciler on a real journal before it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.trader.parts import Parts
from tests.trader.support import BTC, make_fill
from trader.journal import Journal
from trader.model.orders import ZERO, Order, asset_changes
from trader.model.values import Fill, Instrument, OrderReport, Payment
from trader.reconcile import Report
from trader.telemetry.events import Events
from trader.venue.interface import Found, Lookup, VenueError, now_ms

PERP = replace(BTC, symbol="BTC/USDT:USDT", settle="USDT")
D = Decimal


def payment(number: int, amount: str = "-0.5", **fields: Any) -> Payment:
    values: dict[str, Any] = {
        "symbol": PERP.symbol,
        "payment_id": str(number),
        "asset": "USDT",
        "amount": D(amount),
        "at_ms": now_ms(),
    }
    return Payment(**values | fields)


class MovedVenue:
    """The truth: what is held follows from `trade`, `pay` and `transfer`.

    Attributes:
        listed: payments that its list shows; a payment that the wallet knows may be missing there.
        asked: times from which on payments were asked for.
        asked_after: the last trades that were known when more were asked for.
        answer: to a question for one order.
        before: by a question's name, what happens just before it is answered, once.
    """

    recv_window_ms = 5_000

    def __init__(self, *instruments: Instrument) -> None:
        self.instruments = {one.symbol: one for one in instruments}
        self.held: dict[str, Decimal] = {"USDT": D(10_000)}
        self.fills: list[Fill] = []
        self.listed: list[Payment] = []
        self.reports: list[OrderReport] = []
        self.answer = Lookup(Found.FAILED, error=VenueError("no answer"))
        self.asked: list[int] = []
        self.asked_after: list[str | None] = []
        self.before: dict[str, Callable[[], object]] = {}

    def transfer(self, asset: str, amount: str) -> None:
        self.held[asset] = self.held.get(asset, ZERO) + D(amount)

    def trade(self, number: int, symbol: str = PERP.symbol, order: str = "900", **fields: Any) -> Fill:
        """A trade of the account; without an order of ours it is a stranger's."""
        fill = make_fill(
            str(number), venue_order_id=order, symbol=symbol, at_ms=now_ms(), fee_asset="USDT", **fields
        )
        self.fills.append(fill)
        for key, amount in asset_changes(fill, self.instruments[symbol]).items():
            self.held[key] = self.held.get(key, ZERO) + amount
        return fill

    def pay(self, paid: Payment, *, hidden: bool = False) -> Payment:
        """Move the wallet, and list it."""
        self.transfer(paid.asset, str(paid.amount))
        if not hidden:
            self.listed.append(paid)
        return paid

    def _happens(self, name: str) -> None:
        if (event := self.before.pop(name, None)) is not None:
            event()

    async def balances(self) -> dict[str, Decimal]:
        self._happens("balances")
        return {key: amount for key, amount in self.held.items() if ":" not in key and amount}

    async def positions(self) -> dict[str, Decimal]:
        return {key: amount for key, amount in self.held.items() if ":" in key and amount}

    async def trades(self, symbol: str, after: str | None) -> list[Fill]:
        self._happens("trades")
        self.asked_after.append(after)
        fills = [fill for fill in self.fills if fill.symbol == symbol]
        return fills[-1:] if after is None else [fill for fill in fills if int(fill.trade_id) > int(after)]

    async def payments(self, since_ms: int) -> list[Payment]:
        self._happens("payments")
        self.asked.append(since_ms)
        return [paid for paid in self.listed if paid.at_ms >= since_ms]

    async def lookup(self, order: Order) -> Lookup:
        self._happens("lookup")
        return self.answer

    async def time_ms(self) -> int:
        return now_ms()

    async def open_orders(self) -> list[OrderReport]:
        listed = list(self.reports)
        self._happens("open_orders")
        return listed


class Ledger:
    """One life of the reconciler; `again` is the next one, on the same journal."""

    def __init__(self, path: Path, venue: MovedVenue) -> None:
        self.path, self.venue, self.closed = path, venue, False
        self.journal = Journal.open(path, "trader-01", "one", 1, "dev")
        self.snapshot = self.journal.snapshot()
        self.journal.start(lambda seconds, count: None, lambda error: None)
        self.parts = Parts(self.journal, venue, self.snapshot, events=Events(io.StringIO()))
        self.manager, self.reconciler, self.book = (
            self.parts.manager,
            self.parts.reconciler,
            self.parts.book,
        )
        self.admission = self.parts.admission
        self.manager.load(self.snapshot)
        for symbol in venue.instruments:
            self.parts.quote(symbol)

    async def again(self) -> Ledger:
        self.closed = True
        await self.journal.close()
        return Ledger(self.path, self.venue)

    async def compare(self) -> Report:
        return await self.reconciler.run()

    async def kinds(self) -> list[str]:
        return [difference.kind for difference in (await self.compare()).differences]

    def pnl(self) -> Decimal:
        """Of the day, now."""
        self.admission._pnl_at = 0.0
        value = self.admission.pnl_usd()
        assert value is not None
        return value
