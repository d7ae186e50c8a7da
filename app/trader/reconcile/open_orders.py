"""The open orders of journal and venue, one against the other."""

from dataclasses import dataclass

from trader.journal import Journal
from trader.model.identifiers import parse_client_id
from trader.model.orders import Order
from trader.model.transitions import Signal
from trader.model.values import OrderReport
from trader.orders.manager import OrderManager
from trader.reconcile.explain import Difference
from trader.telemetry.events import Events
from trader.venue.interface import Found, Venue, VenueError, describe

_ENDED = (Signal.FILLED, Signal.CANCELED, Signal.EXPIRED, Signal.REFUSED)


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

    def earlier(self, client_id: str) -> bool:
        """Whether an earlier epoch of this host gave an order this name."""
        parsed = parse_client_id(client_id)
        return parsed is not None and parsed.host == self.host and parsed.epoch < self.epoch


class OpenOrders:
    """Compares; it also adopts what it can explain."""

    def __init__(
        self, journal: Journal, gateway: Venue, manager: OrderManager, policy: Policy, events: Events
    ) -> None:
        self._journal = journal
        self._gateway = gateway
        self._manager = manager
        self._events = events
        self.policy = policy

    async def compare(self) -> list[Difference]:
        """Ask for what is open, and for each order of ours that should be and is not.

        Raises:
            VenueError: the venue did not answer.
        """
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
        name, policy = f"{report.client_id} ({report.venue_order_id})", self.policy
        parsed = parse_client_id(report.client_id)
        if parsed is None or parsed.host != policy.host:
            found = Difference("foreign_order", f"{name}: not an order of ours")
            cancel = policy.cancel_foreign
        elif policy.earlier(report.client_id):
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
