"""What came of it, host by host: pure, from the words of the host and of the venue."""

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Word:
    """What one way to stop a host answered.

    Args:
        zero: the venue said twice that no order of the account is open.
        tripped: the host's latch; None = this way does not know.
        left: open orders when it gave up; None = not known.
        cancelled: how many orders it cancelled.
        seconds: how long it worked, by its own clock.
        problem: one line; "" = none.
    """

    zero: bool = False
    tripped: bool | None = None
    left: int | None = None
    cancelled: int = 0
    seconds: float = 0
    problem: str = ""


@dataclass(frozen=True)
class Outcome:
    """One host at the end.

    Args:
        took: who brought the venue to zero: "host", "venue", "" = nobody.
        latch: "tripped", "armed" or "unknown".
        seconds: from the start of the kill to the last word of it.
    """

    host: str
    took: str
    latch: str
    cancelled: int
    left: int | None
    seconds: float
    problem: str

    @property
    def stopped(self) -> bool:
        """Nothing is open and nothing can be placed: both, or it is not stopped."""
        return self.took != "" and self.latch == "tripped"

    def fields(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self) | {"stopped": self.stopped}


def read_answer(lines: list[str], status: int, complaint: str) -> Word:
    """The word of `trader kill --json` or `trader panic --json`.

    Args:
        lines: its output. Events may come before the result; the last result counts.
        status: its exit status. Only success is believed to be zero, whatever the text says.
        complaint: what it wrote to stderr; of that the last line that is no event.
    """
    result: dict[str, Any] = next(
        (found for found in reversed(_objects(lines)) if "open_orders" in found), {}
    )
    latch = result.get("latch")
    left = result.get("open_orders")
    zero = status == 0 and left == 0 and result.get("verified_twice") is True
    spoken = [line.strip() for line in complaint.splitlines() if line.strip() and not line.startswith("{")]
    problem = "" if zero else spoken[-1] if spoken else f"ended with status {status} and no result"
    return Word(
        zero=zero,
        tripped=latch.get("state") == "tripped" if isinstance(latch, dict) else None,
        left=left if isinstance(left, int) else None,
        cancelled=int(_number(result.get("cancelled"))),
        seconds=_number(result.get("seconds")),
        problem=problem,
    )


def _objects(lines: list[str]) -> list[dict[str, Any]]:
    """Every JSON object that begins a line, whether it takes one line or many."""
    found: list[dict[str, Any]] = []
    text, end = "\n".join(lines), 0
    for begins in re.finditer(r"^\{", text, re.MULTILINE):
        if begins.start() >= end:
            with contextlib.suppress(ValueError):  # other text is no result
                value, end = _DECODER.raw_decode(text, begins.start())
                found.append(value)
    return found


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def conclude(host: str, by_host: Word | None, by_venue: Word | None, seconds: float) -> Outcome:
    """Put the two words together.

    Args:
        by_host: None = the host was not asked.
        by_venue: None = the venue was not asked from here.
    """
    words = [word for word in (by_host, by_venue) if word is not None]
    took = "host" if by_host and by_host.zero else "venue" if by_venue and by_venue.zero else ""
    tripped = by_host.tripped if by_host else None
    left = 0 if took else next((word.left for word in reversed(words) if word.left is not None), None)
    problems = [word.problem for word in words if word.problem]
    if took and tripped is False:
        problems.append("its latch is armed: it may trade on; kill it again")
    if took and tripped is None:
        problems.append(
            "its latch is not known: it may trade on; disable its API key at the venue, or reach the host"
        )
    return Outcome(
        host=host,
        took=took,
        latch="unknown" if tripped is None else "tripped" if tripped else "armed",
        cancelled=sum(word.cancelled for word in words),
        left=left,
        seconds=round(seconds, 3),
        problem="; ".join(problems),
    )


HEADINGS = ("host", "latch", "cancelled", "left", "by", "seconds", "problem")


def rows(outcomes: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The table of outcomes (in the form of `Outcome.fields`), its headings first."""
    found = [
        (
            str(outcome["host"]),
            str(outcome["latch"]),
            str(outcome["cancelled"]),
            "?" if outcome["left"] is None else str(outcome["left"]),
            str(outcome["took"] or "nobody"),
            f"{outcome['seconds']:.2f}",
            str(outcome["problem"]),
        )
        for outcome in outcomes
    ]
    return [HEADINGS, *found]
