"""A run of a drill, and what the judge says of it."""

from pathlib import Path
from typing import Any

from ops.drills.kill_switch import Run, judge
from ops.evidence.catalogue import catalogue
from ops.evidence.record import GENESIS, check, complete, seal
from tests.venue_script import ACCOUNT, TRIP_NS, Script, at

LATCH = {"state": "tripped", "at_ns": TRIP_NS, "by": "ops", "trigger": "manual"}


def run(**changes: Any) -> Run:
    known: dict[str, Any] = {
        "account": ACCOUNT,
        "host": ACCOUNT,
        "started_ns": at(-6000),
        "act_ns": at(-50),
        "trip_ns": TRIP_NS,
        "until_ns": at(6000),
        "clock_difference_seconds": 0.002,
        "latch": LATCH,
        "venue_open": 0,
    }
    return Run(**known | changes)


def judged(script: Script, drill: str = "kill_switch.on", **changes: Any) -> dict[str, Any]:
    """The judge's answer, which must also be a record that ./scripts/evidence takes."""
    found = judge(catalogue().entry(drill), run(**changes), script.entries)
    about = {
        "name": drill,
        "inventory": "lab-test",
        "hosts": [ACCOUNT],
        "release": {"id": "trader-1.2.3-aaaaaaaaaaaa", "sha256": "a" * 64},
    }
    record = seal(complete(about | found, Path("/nowhere"), "ops@control"), GENESIS)
    check(record, at(60_000) / 1e9)
    return record


def figures(record: dict[str, Any]) -> dict[str, float | None]:
    return {one["name"]: one["value"] for one in record["values"]}
