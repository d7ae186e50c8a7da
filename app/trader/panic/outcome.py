"""What came of it, for the exit code, for people and for programs."""

from dataclasses import dataclass
from typing import Any

from trader.panic.ways import Open

NAMED = 20  # orders that the line on stderr names; the rest is a number


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a panic.

    Args:
        left: orders that the last look showed; None = the venue never listed them in whole.
        cancelled: orders that were listed, are no more, and were not `already_gone`.
        already_gone: orders that the venue did not know any more when they were to be cancelled: filled, or
            cancelled by somebody else.
        seconds: since the command began.
        latch: as it lies on the disk; None = not this host's, or not written.
        latch_problem: why the latch is not tripped as it should be; None = it is, or was not to be.
        verified_twice: the venue has said zero twice.
        stopped_by: what ended it before that; "" = nothing.
    """

    left: frozenset[Open] | None
    cancelled: int
    already_gone: int
    seconds: float
    latch: dict[str, str | int] | None
    latch_problem: str | None
    verified_twice: bool
    stopped_by: str

    @property
    def good(self) -> bool:
        return self.verified_twice and self.latch_problem is None

    def fields(self) -> dict[str, Any]:
        """JSON-ready; `open_orders` is null when the venue never told."""
        return {
            "open_orders": None if self.left is None else len(self.left),
            "cancelled": self.cancelled,
            "already_gone": self.already_gone,
            "failed": sorted(map(str, self.left or ())),
            "seconds": round(self.seconds, 3),
            "latch": self.latch,
            "verified_twice": self.verified_twice,
        }

    def complaints(self) -> list[str]:
        """What is not as it should be, one line each."""
        lines = []
        if self.latch_problem is not None:
            lines.append(f"latch: {self.latch_problem}; trip it on this host or keep the service stopped")
        if not self.verified_twice:
            lines.append(f"{self._state()}; {self.stopped_by}")
        return lines

    def _state(self) -> str:
        if self.left is None:
            return "NOT VERIFIED: the venue did not list the open orders"
        if not self.left:
            return "NOT VERIFIED: no order was open at the last look, a second one is missing"
        names = sorted(map(str, self.left))
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        return f"{len(names)} ORDERS ARE STILL OPEN: {', '.join(names[:NAMED])}{more}"
