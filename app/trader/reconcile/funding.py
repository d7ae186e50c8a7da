"""Funding payments: each is booked once, by the venue's own id, whatever the list tells again."""

from trader.journal import FUNDING, FUNDING_OVERLAP_MS, Journal, Snapshot, records
from trader.model.values import Payment
from trader.orders.manager import OrderManager
from trader.telemetry.events import Events
from trader.venue.interface import Venue, now_ms

DAY_MS = (
    86_400_000  # the cursor follows by so much even when nothing is paid: lists do not reach back for ever
)


class FundingReader:
    """Asks from a cursor on, less an overlap: what the list showed late lies there.

    Args:
        snapshot: what the journal held at the start.
    """

    def __init__(
        self, journal: Journal, snapshot: Snapshot, venue: Venue, manager: OrderManager, events: Events
    ) -> None:
        self._journal = journal
        self._venue = venue
        self._manager = manager
        self._events = events
        self._known = dict(snapshot.payments)
        # A journal of a release that read no payments: they count from its baseline on, and what was paid in
        # the hour before is in it.
        began_ms = snapshot.baseline_ns // 1_000_000 + FUNDING_OVERLAP_MS
        self._cursor_ms = int(snapshot.cursors.get(FUNDING, began_ms))

    async def read(self) -> None:
        """Book every payment that is new.

        Raises:
            VenueError: the venue did not answer.
            JournalError: the journal cannot be written.
        """
        if self._is_spot():
            return
        asked_ms = now_ms()
        new = [paid for paid in await self._listed(self._cursor_ms) if paid.key not in self._known]
        for payment in new:
            self._known[payment.key] = payment.at_ms
            self._manager.paid(payment)
            self._events.emit(
                "funding",
                symbol=payment.symbol,
                asset=payment.asset,
                amount=str(payment.amount),
                at_ms=payment.at_ms,
            )
        if new or asked_ms - self._cursor_ms > DAY_MS:
            self._cursor_ms = max(self._cursor_ms, asked_ms)
            # After the payments themselves: the journal is written in order.
            await self._journal.append(records.cursor({FUNDING: str(self._cursor_ms)}))
            oldest_ms = self._cursor_ms - FUNDING_OVERLAP_MS
            self._known = {key: at_ms for key, at_ms in self._known.items() if at_ms >= oldest_ms}

    async def earlier(self, asked_ms: int) -> list[Payment]:
        """What the list holds when a baseline is taken: those are in it, and will be listed again.

        Raises:
            VenueError: the venue did not answer.
        """
        return [] if self._is_spot() else await self._listed(asked_ms)

    def begin(self, payments: list[Payment], asked_ms: int) -> dict[str, str]:
        """Note what the baseline holds.

        Returns:
            The cursor, for the baseline's own event.
        """
        for payment in payments:
            self._known[payment.key] = payment.at_ms
            self._journal.later(records.funding(payment, {}))
        self._cursor_ms = asked_ms
        return {} if self._is_spot() else {FUNDING: str(asked_ms)}

    async def _listed(self, cursor_ms: int) -> list[Payment]:
        return await self._venue.payments(cursor_ms - FUNDING_OVERLAP_MS)

    def _is_spot(self) -> bool:
        return all(instrument.settle is None for instrument in self._venue.instruments.values())
