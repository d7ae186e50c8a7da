"""What the evidence says of each name now: the last run, the last success, and if that is too old. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ops.evidence.catalogue import Catalogue, Entry
from ops.times import parse_time

# never: no record; stale: the last run passed, too long ago to prove anything.
Standing = Literal["pass", "stale", "fail", "inconclusive", "never"]
DAY_SECONDS = 86400.0


@dataclass(frozen=True)
class Latest:
    """One name of the catalogue."""

    entry: Entry
    runs: tuple[dict[str, Any], ...]
    success: dict[str, Any] | None
    standing: Standing
    age_seconds: float | None

    @property
    def last(self) -> dict[str, Any] | None:
        return self.runs[-1] if self.runs else None


def latest(records: Sequence[dict[str, Any]], catalogue: Catalogue, now_seconds: float) -> list[Latest]:
    """One entry for each name of the catalogue, in its order; `age_seconds` is of the last run.

    Args:
        records: of one fleet, as they were added.
        catalogue: the names.
        now_seconds: unix seconds.
    """
    found = []
    for entry in catalogue.entries.values():
        runs = tuple(sorted((one for one in records if one["name"] == entry.name), key=ended_seconds))
        success = next((one for one in reversed(runs) if one["verdict"] == "pass"), None)
        age = now_seconds - ended_seconds(runs[-1]) if runs else None
        standing: Standing = runs[-1]["verdict"] if runs else "never"
        if standing == "pass" and age is not None and age > entry.max_age_days * DAY_SECONDS:
            standing = "stale"
        found.append(Latest(entry, runs, success, standing, age))
    return found


def ended_seconds(record: dict[str, Any]) -> float:
    """When a record's run ended (unix seconds)."""
    seconds = parse_time(record["ended_at"])
    assert seconds is not None, "records are checked before they are written"
    return seconds
