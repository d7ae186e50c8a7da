"""One comparison of orders, fills and balances with the venue."""

import asyncio
import math
import time
from dataclasses import dataclass
from decimal import Decimal

from trader.journal import Journal, Snapshot, records
from trader.model.identifiers import parse_client_id
from trader.model.orders import Order
from trader.model.transitions import Signal
from trader.model.values import Fill, OrderReport
from trader.orders.manager import OrderManager
from trader.orders.resolution import MARGIN_MS, Resolver
from trader.reconcile.explain import Difference, drift_usd, holding_differences
from trader.risk import Valuation
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics
from trader.venue.interface import Found, Venue, VenueError, describe

_ENDED = (Signal.FILLED, Signal.CANCELED, Signal.EXPIRED, Signal.REFUSED)
ATTEMPTS = 4  # what is on its way when we ask is there when we ask again
PAUSE_SECONDS = 0.25
PATIENCE_SECONDS = 5.0  # for the proofs of unknown orders, beyond the receive window


@dataclass(frozen=True, slots=True)
class Policy:
    """What is done with open orders at the venue that no journal explains; they are reported in any case.

    Args:
        host: our name in client order ids.
        epoch: the present one.
        cancel_foreign: cancel orders that are not of this host.
        cancel_old_epoch: cancel orders of this host that an earlier epoch has left.
    """

    host: str
    epoch: int
    cancel_foreign: bool = False
    cancel_old_epoch: bool = False


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
        self._metrics = metrics
        self._events = events
        self._baseline: dict[str, Decimal] | None = snapshot.baseline
        self._cursors: dict[str, str] = dict(snapshot.cursors)
        self._running = asyncio.Lock()
        self.last_success_ns = 0  # UTC

    async def run(self) -> Report:
        """Compare once, asking again for what may just have been on its way.

        Raises:
            VenueError: the venue did not answer; nothing is known then.
            JournalError: the journal cannot be written.
        """
        async with self._running:
            started = time.monotonic()
            differences: list[Difference] = []
            for attempt in range(ATTEMPTS):
                if attempt:
                    await asyncio.sleep(PAUSE_SECONDS)
                differences = await self._compare()
                if not differences:
                    break
            report = Report(tuple(differences), time.monotonic() - started)
            self._publish(report)
            return report

    def _publish(self, report: Report) -> None:
        self._metrics.observe("trader_reconcile_seconds", report.seconds)
        self._metrics.set("trader_reconcile_unexplained_differences", len(report.differences))
        drift = report.drift_usd
        self._metrics.set("trader_reconcile_drift_usd", math.nan if drift is None else float(drift))
        if report.clean:
            self.last_success_ns = time.time_ns()
            self._metrics.set("trader_reconcile_last_success_timestamp_seconds", self.last_success_ns / 1e9)

    async def _compare(self) -> list[Difference]:
        unresolved = await self._proofs()
        orders = await self._orders()
        if self._baseline is None:
            # The first start on an empty journal: what is there now is where we begin, unless somebody
            # trades here already.
            return orders or await self._take_baseline()
        asked_ns = time.monotonic_ns()
        holdings = await self._holdings()
        fills = await self._fills()
        book = self._manager.book
        later = [b.changes for b in book.recent if b.booked_ns >= asked_ns]
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

    async def _orders(self) -> list[Difference]:
        before = {order.client_id for order in self._manager.book.working()}
        reports = {report.client_id: report for report in await self._gateway.open_orders()}
        differences = [d for report in reports.values() if (d := await self._open_there(report))]
        for client_id in sorted(before - reports.keys()):
            order = self._manager.book.get(client_id)
            # Working here before and after the question, and not in the answer: only a query of its own can
            # tell.
            if order is not None and order.working and (difference := await self._look_again(order)):
                differences.append(difference)
        return differences

    async def _open_there(self, report: OrderReport) -> Difference | None:
        """One open order of the venue: ours and live, ours and closed meanwhile, or unexplained."""
        order = self._manager.book.get(report.client_id)
        if order is None:
            order = await self._journal.find(client_id=report.client_id)
            if order is None:
                return await self._not_ours(report)
        if not order.final:
            self._manager.report(report)
            return None
        answer = await self._gateway.lookup(order)
        if answer.report is not None and answer.report.signal in _ENDED:
            return None
        return Difference("closed_here", f"{order.client_id}: {order.state} here, open at the venue")

    async def _not_ours(self, report: OrderReport) -> Difference:
        """An open order without an intent: whose it is, and its cancel where the policy says so."""
        name, policy = f"{report.client_id} ({report.venue_order_id})", self._policy
        parsed = parse_client_id(report.client_id)
        if parsed is None or parsed.host != policy.host:
            found = Difference("foreign_order", f"{name}: not an order of ours")
            cancel = policy.cancel_foreign
        elif parsed.epoch < policy.epoch:
            text = f"{name}: of epoch {parsed.epoch}, no intent in the journal"
            found, cancel = Difference("old_epoch_order", text), policy.cancel_old_epoch
        else:
            return Difference("no_intent", f"{name}: open at the venue, no intent in the journal")
        if cancel:
            self._events.emit("stranger_cancelled", "warning", kind=found.kind, message=found.text)
            await self._gateway.cancel_stranger(report)
        return found

    async def _look_again(self, order: Order) -> Difference | None:
        answer = await self._gateway.lookup(order)
        if answer.report is not None:
            self._manager.report(answer.report)
            return None
        if answer.found is Found.ABSENT:
            return Difference("missing_there", f"{order.client_id}: {order.state} here, unknown at the venue")
        raise VenueError(f"order {order.client_id}: {describe(answer.error)}")

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
            differences += [_foreign(fill) for fill in strangers]
            if fills and not strangers:
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
            return False
        # While the journal was asked, the stream may have named the order here: the journal's copy does not
        # know what is booked on it since.
        self._manager.fill_of(self._manager.book.get(order.client_id) or order, fill)
        return True

    async def _name_in_flight(self) -> None:
        """A trade may be known before the answer that names its order: ask for those without a name."""
        for order in self._manager.book.in_flight():
            if order.venue_order_id is None:
                answer = await self._gateway.lookup(order)
                if answer.report is not None:
                    self._manager.report(answer.report)

    async def _take_baseline(self) -> list[Difference]:
        holdings = await self._holdings()
        cursors = {}
        for symbol in self._gateway.instruments:
            last = await self._gateway.trades(symbol, None)
            cursors[symbol] = last[-1].trade_id if last else "-1"
        await self._journal.append(records.baseline(holdings, cursors))
        self._baseline, self._cursors = holdings, cursors
        return []


def _foreign(fill: Fill) -> Difference:
    text = f"{fill.symbol} trade {fill.trade_id}: of order {fill.venue_order_id}, not an order of ours"
    return Difference("foreign_fill", text)
