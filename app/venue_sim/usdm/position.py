"""A position in one-way mode: what fills make of it. It is kept as its cost, not as an average: exact."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from venue_sim.model import UNIT, ZERO


@dataclass(slots=True)
class Position:
    """What an account holds of a contract.

    Attributes:
        amount: contracts, below zero when short; the sum of all fills.
        cost: what the open part was bought for (sold for: below zero).
        realised: profit of what was closed so far, before commission.
    """

    symbol: str
    amount: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO
    updated_ms: int = 0

    @property
    def entry_price(self) -> Decimal:
        """Average price of the open part, to eight decimals; zero when flat."""
        return (self.cost / self.amount).quantize(UNIT) if self.amount else ZERO

    def unrealised(self, mark: Decimal) -> Decimal:
        """Profit of the open part at a mark price."""
        return self.amount * mark - self.cost

    def fill(self, amount: Decimal, price: Decimal) -> Decimal:
        """Take in a fill.

        Args:
            amount: contracts bought, or sold when below zero.
            price: of the fill.

        Returns:
            The profit that it realised, before commission: zero when it opened or added.
        """
        realised = ZERO
        if self.amount * amount < 0:
            closed = min(abs(amount), abs(self.amount)).copy_sign(amount)
            released = self._release(closed)
            realised = -closed * price - released
            self.amount += closed
            self.cost -= released
            self.realised += realised
            amount -= closed
        self.amount += amount
        self.cost += amount * price
        return realised

    def _release(self, closed: Decimal) -> Decimal:
        """The cost of the part that is closed; of all when all is closed, so that no rounding is left."""
        if -closed == self.amount:
            return self.cost
        return (self.cost * -closed / self.amount).quantize(UNIT)
