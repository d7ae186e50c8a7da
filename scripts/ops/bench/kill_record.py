"""What the venue's record says of a fleet that was stopped; it is read from a mark on, not in whole."""

from collections.abc import Sequence

from ops.drills.admin import Admin
from ops.drills.venue_record import look
from ops.errors import OperatorError


class FleetRecord:
    """The record by the emulator's admin port.

    Args:
        admin: the port.
        accounts: of the fleet, at the venue.
    """

    def __init__(self, admin: Admin, accounts: Sequence[str]) -> None:
        self._admin = admin
        self._accounts = accounts
        self._mark = 0

    def mark(self) -> None:
        """What is read later begins here."""
        self._mark = self._admin.last_entry()

    def open_orders(self) -> dict[str, int]:
        """How many orders of each account the venue lists as open."""
        return {account: len(self._admin.open_orders(account)) for account in self._accounts}

    def last_ack_ns(self, since_ns: int) -> int:
        """When the last cancel was answered that took away an order of any account (UTC, ns).

        Orders that are older than the mark begin with their cancel here, which is all that is asked of them.

        Raises:
            OperatorError: an account had no order to cancel: its host was not measured.
        """
        entries, _ = self._admin.record_since(self._accounts, self._mark)
        acks = [look(found, account, since_ns).last_ack_ns for account, found in entries.items()]
        without = [account for account, ack in zip(entries, acks, strict=True) if ack is None]
        if without:
            raise OperatorError(f"{' '.join(without)}: no order was cancelled; nothing was measured there")
        return max(ack for ack in acks if ack is not None)
