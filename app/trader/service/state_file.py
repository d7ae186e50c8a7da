"""What must be known of this host's money when the service is dead: in node_exporter's textfile folder."""

import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from trader.kill_switch.text_file import TextFile
from trader.telemetry.events import Events

FILE_NAME: Final = "breakwater_trader.prom"
EVERY_SECONDS: Final = 10.0
LEAST_SECONDS: Final = 1.0
_PREFIX: Final = "trader_state_"
_ABOUT: Final = {
    "daily_loss_share": "Loss since midnight UTC as a share of risk.max_daily_loss_usd; below 0 = a profit.",
    "drift_usd": "Value of what nothing explains at the last reconciliation.",
    "unknown_since_timestamp_seconds": "Since when an order has no proven outcome (UTC); 0 = there is none.",
    "reconciled_timestamp_seconds": "When journal and venue last agreed (UTC).",
}


@dataclass(frozen=True, slots=True)
class State:
    """None = not known now; the file keeps what was known last, also from before a restart."""

    daily_loss_share: float | None = None
    drift_usd: float | None = None
    unknown_since_timestamp_seconds: float | None = None
    reconciled_timestamp_seconds: float | None = None


class StateFile:
    """Written on a change, at most once a second, and every `EVERY_SECONDS`.

    Args:
        folder: None = it is not exported.
    """

    def __init__(self, folder: Path | None, events: Events) -> None:
        path = None if folder is None else folder / FILE_NAME
        self._file = TextFile(path, events, "state_file_not_written")
        self._known = {} if path is None else _read(path)
        self._written: dict[str, float] = {}
        self._written_at = -EVERY_SECONDS

    def tell(self, state: State, now: float) -> None:
        """Take the present state (monotonic seconds)."""
        self._known |= {name: value for name, value in asdict(state).items() if value is not None}
        due = now - self._written_at
        if self._file.busy or due < LEAST_SECONDS or (self._known == self._written and due < EVERY_SECONDS):
            return
        self._written, self._written_at = dict(self._known), now
        self._file.write(text(self._known, time.time()))


def text(known: dict[str, float], now: float) -> str:
    """In Prometheus' format.

    Args:
        now: UTC seconds.
    """
    values = [(name, about, known[name]) for name, about in _ABOUT.items() if name in known]
    values.append(("written_timestamp_seconds", "When this file was written (UTC).", now))
    return "".join(
        f"# HELP {_PREFIX}{name} {about}\n# TYPE {_PREFIX}{name} gauge\n{_PREFIX}{name} {value:.15g}\n"
        for name, about, value in values
    )


def _read(path: Path) -> dict[str, float]:
    """What the last process knew; a file that is not there or not ours tells nothing."""
    try:
        content = path.read_text()
    except (OSError, UnicodeDecodeError):
        return {}
    found = re.findall(rf"^{_PREFIX}(\w+) (-?[0-9.e+-]+)$", content, re.MULTILINE)
    return {name: float(value) for name, value in found if name in _ABOUT}
