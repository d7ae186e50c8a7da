"""Funding: what holders of one side of a perpetual pay to those of the other.

A payment is position * mark price * rate, out of the wallet when that is above zero. With the setting
`funding_rate` it comes at 00:00, 08:00 and 16:00 UTC by the venue's clock, as at the real venue; by the
admin port's command at any time, with a rate of its own, and if wanted with an entry in the income history
that comes late: the wallet has moved, and the list does not say why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from venue_sim.model import ZERO, Account, floor_to_unit

INTERVAL_MS = 8 * 3_600_000


@dataclass(slots=True, frozen=True)
class FundingPayment:
    """One account's payment for one contract.

    Attributes:
        amount: the position that it was paid for.
        paid: what the wallet got; below zero when it paid.
        listed_ms: from when on it stands in the income history.
    """

    transaction_id: int
    account: Account
    symbol: str
    rate: Decimal
    mark: Decimal
    amount: Decimal
    paid: Decimal
    time_ms: int
    listed_ms: int


class Fundings:
    """All payments, oldest first.

    Args:
        rate: of the payments that come by themselves; zero: there are none.
        charge: books one on its account, and tells of it.
    """

    def __init__(self, rate: Decimal, charge: Callable[[FundingPayment], None]) -> None:
        self.rate = rate
        self._charge = charge
        self._paid: dict[str, list[FundingPayment]] = {}
        self._interval: int | None = None
        self.next_id = 1

    def of(self, account: Account, now_ms: int) -> Iterable[FundingPayment]:
        """An account's payments, as far as they are listed by now."""
        return [payment for payment in self._paid.get(account.name, ()) if payment.listed_ms <= now_ms]

    def due(self, now_ms: int) -> bool:
        """Whether a moment of payment has passed since the last call; none is made up for after a start."""
        interval, before = now_ms // INTERVAL_MS, self._interval
        self._interval = interval if before is None else max(interval, before)
        return bool(self.rate) and before is not None and interval > before

    def next_ms(self, now_ms: int) -> int:
        """The next moment of payment; 0: there is none."""
        return (now_ms // INTERVAL_MS + 1) * INTERVAL_MS if self.rate else 0

    def pay(
        self,
        account: Account,
        symbol: str,
        amount: Decimal,
        mark: Decimal,
        rate: Decimal,
        now_ms: int,
        listed_ms: int,
    ) -> FundingPayment | None:
        """Let one account pay or get; None when that comes to nothing."""
        paid = floor_to_unit(-amount * mark * rate)
        if paid == ZERO:
            return None
        payment = FundingPayment(self.next_id, account, symbol, rate, mark, amount, paid, now_ms, listed_ms)
        self.remember(payment)
        self._charge(payment)
        return payment

    def remember(self, payment: FundingPayment) -> None:
        """File a payment."""
        self.next_id = max(self.next_id, payment.transaction_id + 1)
        self._paid.setdefault(payment.account.name, []).append(payment)
