"""How far today's loss has come: each level is told once, a loss that swings around a level tells nothing."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

from trader.risk.codes import RejectCode, Rejection, show
from trader.risk.limits import Limits


class LossLevel(StrEnum):
    WARN_50 = "warn_50"
    WARN_80 = "warn_80"
    TRIP = "trip"  # trading ends for the day


SHARES: Final = {
    LossLevel.WARN_50: Decimal("0.5"),
    LossLevel.WARN_80: Decimal("0.8"),
    LossLevel.TRIP: Decimal(1),
}
RECOVERY: Final = Decimal(
    "0.1"
)  # of the limit: a warning may come again after the loss fell this far below it


class DailyLoss:
    """The level reached today. TRIP stays until the next day, whatever the market does then."""

    def __init__(self) -> None:
        self._day: date | None = None
        self._told: LossLevel | None = None

    @property
    def tripped(self) -> bool:
        return self._told is LossLevel.TRIP

    def update(self, day: date, pnl_usd: Decimal | None, limit_usd: Decimal) -> LossLevel | None:
        """Take the present P&L.

        Args:
            day: UTC, that the P&L belongs to.
            pnl_usd: None = not known now; nothing changes then.
            limit_usd: positive (`max_daily_loss_usd`).

        Returns:
            A level that was reached just now, the highest if several were; None = nothing new.
        """
        if day != self._day:
            self._day, self._told = day, None
        if pnl_usd is None or self.tripped:
            return None
        reached = _reached(-pnl_usd, limit_usd)
        if _above(reached, self._told):
            self._told = reached
            return reached
        # Recovered only when the level would not be reached with the margin added to the loss.
        kept = _reached(-pnl_usd + RECOVERY * limit_usd, limit_usd)
        if _above(self._told, kept):
            self._told = kept
        return None


def check_loss(pnl_usd: Decimal | None, limits: Limits) -> Rejection | None:
    """Today's loss is known and below its limit."""
    if pnl_usd is None:
        return Rejection(RejectCode.NO_PNL, "today's P&L is not known", "risk.max_daily_loss_usd")
    if -pnl_usd >= limits.max_daily_loss_usd:
        text = (
            f"today's loss of USD {show(-pnl_usd)} is at or above risk.max_daily_loss_usd"
            f" {show(limits.max_daily_loss_usd)}"
        )
        return Rejection(RejectCode.DAILY_LOSS, text, "risk.max_daily_loss_usd")
    return None


def _reached(loss_usd: Decimal, limit_usd: Decimal) -> LossLevel | None:
    return max(
        (level for level, share in SHARES.items() if loss_usd >= share * limit_usd),
        key=_rank,
        default=None,
    )


def _above(one: LossLevel | None, other: LossLevel | None) -> bool:
    return _rank(one) > _rank(other)


def _rank(level: LossLevel | None) -> Decimal:
    return Decimal(0) if level is None else SHARES[level]
