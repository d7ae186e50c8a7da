"""The steps of a drill in its evidence: one moment after the other."""

from collections.abc import Iterable
from typing import Any

from ops.times import utc_text_ns


def line_of(started_ns: int, moments: Iterable[tuple[str, int | None]], verdict: str) -> list[dict[str, Any]]:
    """Steps that each end at their moment; what did not happen is skipped, and the last bears the verdict.

    Args:
        started_ns: begin of the first (unix nanoseconds).
        moments: name and end of each; None = it did not happen.
    """
    steps = []
    since = started_ns
    for name, at in moments:
        until = max(since, at if at is not None else since)
        steps.append(
            {
                "name": name,
                "started_at": utc_text_ns(since),
                "ended_at": utc_text_ns(until),
                "result": "skipped" if at is None else "pass",
            }
        )
        since = until
    steps[-1]["result"] = verdict
    return steps
