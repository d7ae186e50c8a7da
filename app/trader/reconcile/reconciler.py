"""One comparison of orders, fills, funding and balances with the venue."""

import asyncio
import math
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from trader.journal import Journal, Snapshot, records
from trader.model.values import Fill
from trader.orders.manager import OrderManager
from trader.orders.resolution import MARGIN_MS, Resolver
from trader.reconcile.accept import (
    AcceptanceError,
    Picture,
    Proposal,
    check_acceptable,
    check_worth,
    propose,
)
from trader.reconcile.explain import Difference, drift_usd, holding_differences
from trader.reconcile.funding import FundingReader
from trader.reconcile.open_orders import OpenOrders, Policy
from trader.risk import Valuation
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics
from trader.venue.interface import Venue, VenueError, now_ms

ATTEMPTS = 4  # what is on its way when we ask is there when we ask again
PAUSE_SECONDS = 0.25
PATIENCE_SECONDS = 5.0  # for the proofs of unknown orders, beyond the receive window


@dataclass(frozen=True, slots=True)
class Report:
    """The result: no difference = journal and venue agree."""

    differences: tuple[Difference, ...]
    seconds: float

    @property
    def drift_usd(self) -> Decimal | None:
        """What the unexplained amounts are worth, in USD; None = a part of it cannot be valued."""
        return drift_usd(self.differences)

    @property
    def clean(self) -> bool:
        return not self.differences


class Reconciler:
    """Compares; it also adopts what it can explain (orders found open, fills that the stream did not bring).

    Args:
        snapshot: what the journal held at the start.
        valuation: what differences are worth.
    """

    def __init__(
        self,
        journal: Journal,
        snapshot: Snapshot,
        gateway: Venue,
        manager: OrderManager,
        resolver: Resolver,
        valuation: Valuation,
        policy: Policy,
        metrics: Metrics,
        events: Events,
    ) -> None:
        self._journal = journal
        self._gateway = gateway
        self._manager = manager
        self._resolver = resolver
        self._valuation = valuation
        self._policy = policy
        self._open = OpenOrders(journal, gateway, manager, policy, events)
        self._funding = FundingReader(journal, snapshot, gateway, manager, events)
        self._metrics = metrics
        self._events = events
        self._baseline: dict[str, Decimal] | None = snapshot.baseline
        self._cursors: dict[str, str] = dict(snapshot.cursors)
        self._by_hand = set(snapshot.by_hand)
        self._picture = Picture()
        self._running = asyncio.Lock()
        self.last_success_ns = 0  # UTC
        self.drift_usd: Decimal | None = (
            None  # of the last comparison; None = cannot be valued, or there was none
        )

    async def run(self) -> Report:
        """Compare once, asking again for what may just have been on its way.

        Raises:
            VenueError: the venue did not answer; nothing is known then.
            JournalError: the journal cannot be written.
        """
        async with self._running:
            started = time.monotonic()
            differences = await self._patiently()
            report = Report(tuple(differences), time.monotonic() - started)
            self._publish(report)
            return report

    async def proposal(self) -> Proposal:
        """What accepting the venue's word would do; changes nothing.

        Raises:
            AcceptanceError: it cannot be accepted now.
            VenueError, JournalError: as of `run`.
        """
        async with self._running:
            return await self._propose()

    async def accept(
        self, by: str, reason: str, shown: dict[str, Any], limit_usd: Decimal | None
    ) -> Proposal:
        """Take the venue's word for the new beginning, by a person's act.

        Args:
            shown: what the person has seen and agreed to (`Proposal.shown`).
            limit_usd: None = whatever it is worth.

        Raises:
            AcceptanceError: it cannot be accepted, or is not what the person has seen; nothing was changed.
            VenueError, JournalError: as of `run`.
        """
        async with self._running:
            proposal = await self._propose()
            if proposal.shown() != shown:
                raise AcceptanceError(
                    "the venue's answer is no longer the one that was shown; nothing was changed, run the"
                    " command again"
                )
            check_worth(proposal, limit_usd)
            rows, worth = proposal.table(), proposal.usd
            await self._journal.append(
                records.accepted(by, reason, rows, worth, proposal.baseline, proposal.fills, proposal.cursors)
            )
            self._take_over(proposal)
        self._events.emit("baseline_accepted", "warning", by=by, message=reason, rows=rows)
        return proposal

    async def _propose(self) -> Proposal:
        book = self._manager.book
        check_acceptable(await self._patiently(), book.live())
        return propose(
            self._picture,
            self._baseline or {},
            book.changes,
            self._gateway.instruments,
            self._valuation.value,
        )

    def _take_over(self, proposal: Proposal) -> None:
        """What the journal holds now, without a suspension."""
        self._baseline = {**(self._baseline or {}), **proposal.baseline}
        self._cursors.update(proposal.cursors)
        for fill, _ in proposal.fills:
            self._by_hand.add((fill.symbol, fill.trade_id))
            self._manager.by_hand(fill)

    async def _patiently(self) -> list[Difference]:
        differences: list[Difference] = []
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(PAUSE_SECONDS)
            differences = await self._compare()
            if not differences:
                break
        return differences

    def _publish(self, report: Report) -> None:
        self._metrics.observe("trader_reconcile_seconds", report.seconds)
        self._metrics.set("trader_reconcile_unexplained_differences", len(report.differences))
        self.drift_usd = drift = report.drift_usd
        self._metrics.set("trader_reconcile_drift_usd", math.nan if drift is None else float(drift))
        if report.clean:
            self.last_success_ns = time.time_ns()
            self._metrics.set("trader_reconcile_last_success_timestamp_seconds", self.last_success_ns / 1e9)

    async def _compare(self) -> list[Difference]:
        unresolved = await self._proofs()
        orders = await self._open.compare()
        if self._baseline is None:
            # The first start on an empty journal: what is there now is where we begin, unless somebody
            # trades here already.
            return orders or await self._take_baseline()
        asked_ns = time.monotonic_ns()
        self._picture = Picture(holdings := await self._holdings())
        fills = await self._fills()
        await self._funding.read()
        book = self._manager.book
        later = [b.changes for b in book.recent if b.booked_ns >= asked_ns]
        self._picture.moving = bool(later)
        money = holding_differences(holdings, self._baseline, book.changes, later, self._valuation.value)
        return [*unresolved, *orders, *fills, *money]

    async def _holdings(self) -> dict[str, Decimal]:
        """Balances by asset, and positions by symbol."""
        return {**await self._gateway.balances(), **await self._gateway.positions()}

    async def _proofs(self) -> list[Difference]:
        """Let every unproven order be proven first: until then its fills look like a stranger's."""
        for order in self._manager.book.unproven():
            self._resolver.start(order)
        patience = (self._gateway.recv_window_ms + MARGIN_MS) / 1_000 + PATIENCE_SECONDS
        try:
            async with asyncio.timeout(patience):
                await self._resolver.idle()
        except TimeoutError:
            unknown = self._manager.book.unknown()
            return [Difference("unresolved", f"{order.client_id}: {order.reason}") for order in unknown]
        return []

    async def _fills(self) -> list[Difference]:
        differences: list[Difference] = []
        cursors: dict[str, str] = {}
        for symbol in self._gateway.instruments:
            # A symbol that is new in the settings has no cursor; its trades begin at the first one there is.
            after = self._cursors.get(symbol, "-1")
            fills = await self._gateway.trades(symbol, after)
            strangers = [fill for fill in fills if not await self._take(fill)]
            if strangers:
                await self._name_in_flight()
                strangers = [fill for fill in strangers if not await self._take(fill)]
            strangers = [fill for fill in strangers if not await self._adopt(fill)]
            differences += [_foreign(fill) for fill in strangers]
            if strangers:
                # The cursor stays before them: a difference must be found as often as it is looked for.
                self._picture.strangers += strangers
                self._picture.passed[symbol] = fills[-1].trade_id
            elif fills:
                cursors[symbol] = fills[-1].trade_id
        if cursors:
            # After the fills themselves: the journal is written in order, so a cursor never runs ahead of
            # them.
            await self._journal.append(records.cursor(cursors))
            self._cursors.update(cursors)
        return differences

    async def _take(self, fill: Fill) -> bool:
        if self._manager.book.by_venue_id(fill.venue_order_id) is not None:
            return self._manager.fill(fill)
        order = await self._journal.find(venue_order_id=fill.venue_order_id)
        if order is None:
            return (fill.symbol, fill.trade_id) in self._by_hand
        # While the journal was asked, the stream may have named the order here: the journal's copy does not
        # know what is booked on it since.
        self._manager.fill_of(self._manager.book.get(order.client_id) or order, fill)
        return True

    async def _adopt(self, fill: Fill) -> bool:
        """A trade of an order that an earlier epoch of this host has sent, and that no restore brought back.

        What the journal lacks after a restore is rebuilt from the venue, by trade id; an order's name proves
        whose it is.
        """
        if await self._take(fill):
            return True  # of an order that was adopted with the trade before
        if self._policy.epoch <= 1:
            return False
        found = await self._gateway.forgotten(fill.venue_order_id, fill.symbol)
        if found is None or not self._policy.earlier(found[0].client_id):
            return False
        await self._manager.adopt(*found)
        return await self._take(fill)

    async def _name_in_flight(self) -> None:
        """A trade may be known before the answer that names its order: ask for those without a name."""
        for order in self._manager.book.in_flight():
            if order.venue_order_id is None:
                answer = await self._gateway.lookup(order)
                if answer.report is not None:
                    self._manager.report(answer.report)

    async def _take_baseline(self) -> list[Difference]:
        asked_ms = now_ms()
        earlier = await self._funding.earlier(asked_ms)
        holdings = await self._holdings()
        cursors = {}
        for symbol in self._gateway.instruments:
            last = await self._gateway.trades(symbol, None)
            cursors[symbol] = last[-1].trade_id if last else "-1"
        if await self._funding.earlier(asked_ms) != earlier:
            raise VenueError("funding was paid while the beginning was taken; it is taken again")
        cursors |= self._funding.begin(earlier, asked_ms)
        await self._journal.append(records.baseline(holdings, cursors))
        self._baseline, self._cursors = holdings, cursors
        return []


def _foreign(fill: Fill) -> Difference:
    text = f"{fill.symbol} trade {fill.trade_id}: of order {fill.venue_order_id}, not an order of ours"
    return Difference("foreign_fill", text)
