"""How fast one host is stopped, from the command to the last cancel acknowledged, by the venue's record."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ops import paths
from ops.bench.figures import Figure
from ops.bench.program import measure

FOLDER = paths.VAR / "bench" / "kill"
KILLS, STORMS, COMMANDS, PANICS = 100, 20, 20, 20
"""p99 is by nearest rank: of a hundred the second slowest. Of twenty the slowest is held to the bound."""
LAST_CANCEL_MS, IN_STORM_MS = 300, 2_000
PANIC_FIRST_MS, PANIC_LAST_MS = 1_000, 1_500


def kill() -> Sequence[Figure]:
    """Measure one program after the other: 200 open orders on 10 symbols each time.

    Raises:
        OperatorError: a program failed; also because an order was left, or was placed after the trip.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    disk, before = f"--disk={FOLDER}", os.getloadavg()[0]
    return [
        Figure("load average of the machine before", before, ""),
        *service(measure("kill", FOLDER, disk, f"--kills={KILLS}")),
        *storm(measure("kill", FOLDER, disk, f"--kills={STORMS}", "--storm", kept_as="storm")),
        *command(measure("kill", FOLDER, disk, f"--kills={COMMANDS}", "--command", kept_as="command")),
        *panic(measure("panic", FOLDER, disk, f"--panics={PANICS}")),
    ]


def service(found: Mapping[str, Any]) -> Iterator[Figure]:
    """By the service."""
    yield from _spread("kill to last cancel", found["last_cancel"], p99=LAST_CANCEL_MS)
    yield from _spread("kill to the venue's second zero", found["verified"])


def storm(found: Mapping[str, Any]) -> Iterator[Figure]:
    """By the service while the venue refuses every second request."""
    yield from _spread("in a 429 storm, kill to last cancel", found["last_cancel"], slowest=IN_STORM_MS)
    yield Figure("  requests refused in each", found["refused"], "", at_least=1)


def command(found: Mapping[str, Any]) -> Iterator[Figure]:
    """What a fleet's kill starts on each host."""
    yield from _spread("trader kill, exec to last cancel", found["last_cancel"])


def panic(found: Mapping[str, Any]) -> Iterator[Figure]:
    """With the service dead."""
    first, last = found["first_cancel"], found["last_cancel"]
    yield from _spread("trader panic, exec to first cancel on the wire", first, slowest=PANIC_FIRST_MS)
    yield from _spread("trader panic, exec to last cancel", last, slowest=PANIC_LAST_MS)


def _spread(
    title: str, row: Mapping[str, float], p99: float | None = None, slowest: float | None = None
) -> Iterator[Figure]:
    yield Figure(f"{title}, p50 of {row['count']}", row["p50"], "ms")
    yield Figure(f"{title}, p99", row["p99"], "ms", at_most=p99)
    yield Figure(f"{title}, slowest", row["max"], "ms", at_most=slowest)
