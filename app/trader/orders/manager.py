"""The path of an order: gate, journal, wire, answer. Small steps, and nothing is ever sent twice."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from trader.journal import Journal, JournalError, Snapshot, records
from trader.model.intents import Place
from trader.model.orders import Order
from trader.model.transitions import OrderState, Signal, Verdict
from trader.model.values import Fill, Instrument, OrderReport, Payment, TradingState
from trader.orders.acks import Acks
from trader.orders.admission import Admission
from trader.orders.book import OrderBook
from trader.orders.execution import Slippage
from trader.orders.gate import Gate
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics
from trader.venue.interface import Found, Placement, Venue, describe, now_ms
from trader.venue.outcomes import Outcome

LIMITED_STATUS = (418, 429)
DEFAULT_PAUSE_SECONDS = 10
EARLY_KEPT = 1_000  # orders whose trades came before their names; reconciliation finds what is dropped

Unproven = Callable[[Order], None]
Copied = Callable[[int], Awaitable[bool]]


class OrderManager:
    """Everything that changes an order goes through here.

    Args:
        admission: every check before an order; it looks at the same book.
        copied: asked with the sequence of an order's intent before the order leaves: whether it may (see
            `shipping`).
        unproven: called with an order whose state must be asked for (see `resolution`).
        stranger: called when the venue tells of an order that is not in the book.
        filled: called with every new fill.
        behind: called with an order of which the venue has told more fills than have come.
        refused: called with a new order that the venue has refused, but for its rate.
        cancelled_elsewhere: called with a limit order that ended as cancelled, which we never asked for.

    Attributes:
        acks: how long the venue takes to answer new orders.
        acknowledged_sent_at: when the last acknowledged order was sent (monotonic seconds); None = there is
            none.
        slippage: what our fills cost against the market at the decision.
    """

    def __init__(
        self,
        journal: Journal,
        gateway: Venue,
        book: OrderBook,
        admission: Admission,
        gate: Gate,
        metrics: Metrics,
        events: Events,
    ) -> None:
        self._journal = journal
        self._gateway = gateway
        self._gate = gate
        self._metrics = metrics
        self._events = events
        self._early: OrderedDict[str, list[Fill]] = OrderedDict()
        self.book = book
        self._admission = admission
        self.instruments: dict[str, Instrument] = gateway.instruments
        self.unproven: Unproven = lambda order: None
        self.stranger: Callable[[str], None] = lambda what: None
        self.filled: Callable[[Fill], None] = lambda fill: None
        self.behind: Callable[[Order], None] = lambda order: None
        self.refused: Callable[[Order], None] = lambda order: None
        self.cancelled_elsewhere: Callable[[Order], None] = lambda order: None
        self.copied: Copied = copied_at_once
        self.acks = Acks()
        self.slippage = Slippage()
        self._failures_in_a_row = 0
        self.acknowledged_sent_at: float | None = None
        self._cancels_asked: set[str] = set()
        self.last_acknowledged_ns = 0  # UTC

    def load(self, snapshot: Snapshot) -> None:
        """Take over what the journal knows. What may have left before a crash is UNKNOWN until proven."""
        self.book.positions = dict(snapshot.positions)
        self.book.changes = dict(snapshot.changes)
        for order in snapshot.orders:
            self.book.add(order)
            if order.in_flight:
                order.sent_ms = now_ms()  # its process is dead, or we would not have the journal's lock
                order.unknown_since_ns = time.time_ns()
                self._move(order, Signal.LOST)

    # -- a new order

    async def place(self, intent: Place) -> Order | None:
        """Bring one new order to the venue.

        Returns:
            The order, in the state that the answer proved; None when it did not pass the gate or could
            not be made durable.
        """
        if self._gate.halted or self._admission.check(intent) is not None:
            return None
        order = self._new(intent)
        sequence = await self._make_durable(order)
        if sequence is None:
            return None
        copied = await self.copied(sequence)
        if self._gate.halted or not copied:
            order.reason = (
                "trading was halted before it was sent"
                if copied
                else "the vault did not acknowledge its intent; it was not sent"
            )
            self.acks.unsent(order.client_id)
            self._move(order, Signal.REFUSED)
            return order
        await self._send(order, self._gateway.place, intent.signal_ns)
        return order

    async def close_out(self, intent: Place) -> Order | None:
        """The same for the kill switch: past the gate, which is shut, and only nearer to zero.

        Returns:
            As `place`; None also when a risk check is against it.
        """
        if self._admission.check(intent, TradingState.REDUCE_ONLY) is not None:
            return None
        order = self._new(intent)
        # Without waiting for its copy: to get out of a position is more urgent than to lose no record.
        if await self._make_durable(order) is None:
            return None
        await self._send(order, self._gateway.close_out, intent.signal_ns)
        return order

    def _new(self, intent: Place) -> Order:
        """An order that has passed every check; gives it its id."""
        order = Order(
            client_id=self._journal.next_client_id(),
            symbol=intent.symbol,
            side=intent.side,
            kind=intent.kind,
            quantity=intent.quantity,
            price=intent.price,
            created_ns=time.time_ns(),
            slot=intent.slot,
            reduce_only=intent.reduce_only,
        )
        self.book.add(order)
        self._metrics.count("trader_signals_total")
        self.slippage.decided(order.client_id, self._admission.quotes.get(order.symbol))
        self.acks.decided(order.client_id, time.monotonic())
        return order

    async def _make_durable(self, order: Order) -> int | None:
        """Intent before wire: not a byte leaves before this commit.

        Returns:
            The intent's sequence in the journal; None = it could not be written.
        """
        try:
            return await self._journal.append(records.intent(order))
        except JournalError:
            self.book.remove(order)  # the journal has halted trading by itself
            self.acks.unsent(order.client_id)
            return None

    async def _send(self, order: Order, way: Callable[[Order], Awaitable[Placement]], signal_ns: int) -> None:
        self._move(order, Signal.SENT)
        sent_at = time.monotonic()
        try:
            placement = await way(order)
        except BaseException:
            self.acks.unsent(order.client_id)  # given up by us: whether the venue answers is not known
            raise
        order.sent_ms = now_ms()
        if placement.outcome is Outcome.ACKNOWLEDGED:
            self.acknowledged_sent_at = sent_at
        self._settle(order, placement, signal_ns)

    def _settle(self, order: Order, placement: Placement, signal_ns: int) -> None:
        """Apply what the answer proved."""
        client_id, now = order.client_id, time.monotonic()
        match placement.outcome:
            case Outcome.ACKNOWLEDGED:
                self.acks.answered(client_id, now)
                self._in_a_row(0)
                assert placement.report is not None
                self.last_acknowledged_ns = time.time_ns()
                self._metrics.count("trader_orders_total", outcome="acknowledged")
                self._metrics.observe("trader_order_latency_seconds", (time.monotonic_ns() - signal_ns) / 1e9)
                self.report(placement.report)
            case Outcome.NOT_PLACED:
                self._metrics.count("trader_orders_total", outcome="rejected")
                self._in_a_row(self._failures_in_a_row + 1)
                if _status(placement) is None:  # nobody has answered
                    self.acks.unsent(client_id)
                else:
                    self.acks.answered(client_id, now)
                self._refused(order, placement)
            case Outcome.PLACED_BEFORE | Outcome.UNKNOWN:
                self._metrics.count("trader_orders_total", outcome="unknown")
                self._in_a_row(self._failures_in_a_row + 1)
                self.acks.lost(client_id, now)
                self._lost(order, placement)

    def _in_a_row(self, failures: int) -> None:
        self._failures_in_a_row = failures
        self._metrics.set("trader_consecutive_order_failures", failures)

    def _refused(self, order: Order, placement: Placement) -> None:
        order.reason = describe(placement.error)
        self._failed("order_not_placed", order, placement)
        self._move(order, Signal.REFUSED)
        status = _status(placement)
        if status in LIMITED_STATUS:
            # More requests would turn the limit into a ban, or lengthen it.
            seconds = getattr(placement.error, "retry_after_seconds", DEFAULT_PAUSE_SECONDS)
            self._gate.halt_for("rate_limit", f"the venue asked for a pause of {seconds} s", seconds)
        elif status is not None:
            self.refused(order)

    def _lost(self, order: Order, placement: Placement) -> None:
        order.reason = describe(placement.error)
        order.unknown_since_ns = time.time_ns()
        self._failed("order_outcome_unknown", order, placement)
        self._move(order, Signal.LOST)
        if order.state is OrderState.UNKNOWN:  # the stream may have proved it already
            self.unproven(order)

    def _failed(self, event: str, order: Order, placement: Placement) -> None:
        self._metrics.count("trader_errors_total", **{"class": placement.outcome.value})
        if placement.error is not None:
            self._events.error(event, placement.error, outcome=placement.outcome.value, **order.names)

    # -- a cancel

    async def cancel(self, client_id: str) -> None:
        """Ask for a cancel, once. It is a request: only the venue's word makes it final."""
        order = self.book.get(client_id)
        if order is None or order.state not in (OrderState.OPEN, OrderState.PARTIALLY_FILLED):
            return
        self._cancels_asked.add(client_id)
        self._move(order, Signal.CANCEL_SENT)
        answer = await self._gateway.cancel(order)
        if answer.found is Found.FOUND and answer.report is not None:
            self.report(answer.report)
        if order.final:
            self._metrics.count("trader_cancels_total", outcome="done")
            return
        # Not found may mean filled; an error may mean anything.
        self._metrics.count("trader_cancels_total", outcome="unresolved")
        if answer.found is Found.FAILED and answer.error is not None:
            self._metrics.count("trader_errors_total", **{"class": "cancel"})
            self._events.error("cancel_unresolved", answer.error, client_id=client_id)
        self.unproven(order)

    # -- what the venue tells

    def report(self, report: OrderReport) -> None:
        """Take the venue's word on an order, from an answer, a query or the stream."""
        order = self.book.get(report.client_id)
        if order is None:
            self.stranger(f"order {report.client_id} ({report.venue_order_id})")
            return
        before, venue_id = order.state, order.venue_order_id
        verdict = order.report(report)
        for fill in (*report.fills, *self._early.pop(report.venue_order_id, ())):
            self._book(order, fill)
        self._changed(order, verdict, changed=before is not order.state or venue_id != order.venue_order_id)
        if order.lacks_fills:
            self.behind(order)

    def fill(self, fill: Fill) -> bool:
        """Take one trade, from the stream or a query.

        Returns:
            Whether its order is in the book. If not, the trade is kept until a report names the order.
        """
        order = self.book.by_venue_id(fill.venue_order_id)
        if order is None:
            self._early.setdefault(fill.venue_order_id, []).append(fill)
            if len(self._early) > EARLY_KEPT:
                self._early.popitem(last=False)
            self.stranger(f"trade {fill.trade_id} of order {fill.venue_order_id}")
            return False
        self.fill_of(order, fill)
        return True

    def fill_of(self, order: Order, fill: Fill) -> None:
        """Take one trade of an order that the caller has found, for example in the journal."""
        before = order.state
        self._early.pop(fill.venue_order_id, None)
        self._book(order, fill)
        self._changed(order, Verdict.MOVED, changed=before is not order.state)

    def paid(self, payment: Payment) -> None:
        """Take one funding payment; the caller knows that it is new."""
        changes = {payment.asset: payment.amount}
        self.book.book_changes(changes, time.monotonic_ns())
        self._journal.later(records.funding(payment, changes))
        self._admission.paid(payment)

    def by_hand(self, fill: Fill) -> None:
        """Take one trade that a person made and has accepted; it is in the journal. The strategy is not told
        of it, but sees the position.
        """
        self.book.book_trade(fill, self.instruments[fill.symbol], time.monotonic_ns())
        self._admission.filled(fill)

    async def adopt(self, order: Order, report: OrderReport) -> None:
        """Take an order of ours whose record was lost, by the venue's word; its fills follow as any others.

        Raises:
            JournalError: it could not be written.
        """
        order.state = OrderState.SENT
        await self._journal.append(records.intent(order, adopted=True))
        self.book.add(order)
        self._events.emit("order_adopted", "warning", **order.names)
        self.report(report)

    def signal(self, order: Order, signal: Signal, reason: str = "") -> None:
        """What a resolution has proved without a report."""
        if reason:
            order.reason = reason
        self._move(order, signal)

    def _book(self, order: Order, fill: Fill) -> None:
        instrument = self.instruments[order.symbol]
        changes = self.book.book(order, fill, instrument, time.monotonic_ns())
        if changes is None:
            return
        self._journal.later(records.fill(order.client_id, fill, changes))
        self._metrics.count("trader_fills_total")
        self.slippage.filled(order.client_id, order.side, fill.price, time.monotonic())
        self._admission.filled(fill)
        if order.state is OrderState.REJECTED:
            self._contradicted(order)
        self.filled(fill)

    def _move(self, order: Order, signal: Signal) -> None:
        before = order.state
        verdict = order.signal(signal)
        self._changed(order, verdict, changed=before is not order.state)

    def _changed(self, order: Order, verdict: Verdict, *, changed: bool) -> None:
        if verdict is Verdict.CONTRADICTION:
            self._contradicted(order)
        if changed:
            self._journal.later(records.state(order))
        self.book.index(order)
        if order.final:
            asked = order.client_id in self._cancels_asked
            self._cancels_asked.discard(order.client_id)
            if changed and order.state is OrderState.CANCELED and not asked and order.price is not None:
                self.cancelled_elsewhere(order)

    def _contradicted(self, order: Order) -> None:
        """The venue has an order that we hold for rejected: nobody may trade on such books."""
        text = f"{order.client_id} is {order.state} here and exists at the venue"
        self._events.emit("contradiction", "error", **order.names, message=text)
        self._gate.halt("contradiction", text)


async def copied_at_once(sequence: int) -> bool:
    """Nothing is shipped."""
    return True


def _status(placement: Placement) -> int | None:
    """The HTTP status of the venue's no; None = it is our own."""
    status = getattr(placement.error, "http_status", None)
    return getattr(placement.error, "status", None) if status is None else status
