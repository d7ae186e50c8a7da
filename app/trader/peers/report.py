"""What this host sees of its peers, in node_exporter's textfile folder: also who watches must be watched."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trader.kill_switch.text_file import TextFile
from trader.peers.judge import State
from trader.telemetry.events import Events

FILE_NAME = "breakwater_peers.prom"
EVERY_SECONDS = 10.0
_CODES = {State.SEEN: 0, State.STOPPED: 1, State.DOUBT: 2, State.LOST: 3}


@dataclass(frozen=True, slots=True)
class Told:
    """One peer as it is told.

    Args:
        ways: whether each way showed a heartbeat at the last look, by its name.
        held: it is lost and nothing is cancelled, because we do not see the venue or any other host.
        fired, cancelled: panics that succeeded and orders that they cancelled since we began.
    """

    peer: str
    state: State = State.SEEN
    ways: dict[str, bool] = field(default_factory=dict)
    held: bool = False
    fired: int = 0
    cancelled: int = 0


class Report:
    """Written when it changes, and every `EVERY_SECONDS`; beside the loop, and one at a time.

    Args:
        folder: None = it is not exported.
    """

    def __init__(self, folder: Path | None, events: Events) -> None:
        self._file = TextFile(None if folder is None else folder / FILE_NAME, events, "report_not_written")
        self._told: Sequence[Told] = ()
        self._due = 0.0

    def tell(self, told: Sequence[Told], now: float) -> None:
        """Take what is to be told (monotonic seconds)."""
        if self._file.busy or (told == self._told and now < self._due):
            return
        self._told, self._due = told, now + EVERY_SECONDS
        self._file.write(text(told, time.time()))


def text(told: Sequence[Told], now: float) -> str:
    """In Prometheus' format.

    Args:
        now: UTC seconds.
    """
    lines: list[str] = []

    def add(name: str, kind: str, about: str, values: Sequence[tuple[str, float]]) -> None:
        lines.extend((f"# HELP {name} {about}", f"# TYPE {name} {kind}"))
        lines.extend(f"{name}{labels} {value:.15g}" for labels, value in values)

    add("trader_peers_timestamp_seconds", "gauge", "When the peers were last looked at (UTC).", [("", now)])
    add(
        "trader_peer_state",
        "gauge",
        "0 seen, 1 stopped in order, 2 in doubt, 3 lost.",
        [(_labels(one), _CODES[one.state]) for one in told],
    )
    add(
        "trader_peer_way_seen",
        "gauge",
        "1 while this way shows a heartbeat of the peer.",
        [(_labels(one, way), int(seen)) for one in told for way, seen in one.ways.items()],
    )
    add(
        "trader_peer_held",
        "gauge",
        "1 while the peer is lost and nothing is cancelled: we do not see the venue, or no other host.",
        [(_labels(one), int(one.held)) for one in told],
    )
    add(
        "trader_peer_panics_total",
        "counter",
        "Panics for the peer after which the venue said twice that nothing is open.",
        [(_labels(one), one.fired) for one in told],
    )
    add(
        "trader_peer_cancelled_orders_total",
        "counter",
        "Orders of the peer's account that they cancelled.",
        [(_labels(one), one.cancelled) for one in told],
    )
    return "\n".join(lines) + "\n"


def _labels(told: Told, way: str = "") -> str:
    return f'{{peer="{told.peer}",way="{way}"}}' if way else f'{{peer="{told.peer}"}}'
