"""Margin in cross mode: what an account's positions and open orders hold back of its wallet."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

from venue_sim.model import UNIT, ZERO

MAINTENANCE_RATE = Decimal("0.004")


@dataclass(slots=True)
class Exposure:
    """Notional values of one contract: of the position (signed, at the mark price) and of open orders.

    Orders that only reduce count for nothing.
    """

    position: Decimal = ZERO
    bids: Decimal = ZERO
    asks: Decimal = ZERO

    def initial(self, leverage: int) -> Decimal:
        """Initial margin: of the larger of the positions that one side's fills could lead to."""
        return _share(max(abs(self.position + self.bids), abs(self.position - self.asks)), leverage)

    def of_position(self, leverage: int) -> Decimal:
        """The part of it that the position alone needs."""
        return _share(abs(self.position), leverage)

    @property
    def maintenance(self) -> Decimal:
        """Maintenance margin of the position."""
        return (abs(self.position) * MAINTENANCE_RATE).quantize(UNIT)


@dataclass(slots=True)
class Margin:
    """An account's wallet and what is held back of it."""

    wallet: Decimal
    unrealised: Decimal = ZERO
    initial: Decimal = ZERO
    positions: Decimal = ZERO
    maintenance: Decimal = ZERO

    @property
    def balance(self) -> Decimal:
        """The wallet with the profit of open positions."""
        return self.wallet + self.unrealised

    @property
    def orders(self) -> Decimal:
        """The part of the initial margin that open orders hold back."""
        return self.initial - self.positions

    @property
    def left(self) -> Decimal:
        """What is not held back; below zero when losses have eaten into the margin."""
        return self.balance - self.initial

    @property
    def available(self) -> Decimal:
        """What new orders may use."""
        return max(self.left, ZERO)


def _share(notional: Decimal, leverage: int) -> Decimal:
    return (notional / leverage).quantize(UNIT, rounding=ROUND_UP)
