"""The latch is tripped first, by a thread: a disk that hangs must not keep an order alive."""

import threading
import time
from pathlib import Path

from trader.kill_switch import Latch, LatchError, LatchState, LatchStatus
from trader.kill_switch.latch import FILE_NAME

PATIENCE_SECONDS = 0.2
"""How long the first cancel waits for the latch; a good disk is done long before ccxt is loaded."""
LAST_PATIENCE_SECONDS = 2.0


class Latching:
    """Trips the latch of this host, beginning at once.

    Args:
        folder: where the latch lies; None = the settings do not tell.
        textfiles: of its metric.
    """

    def __init__(
        self, folder: Path | None, textfiles: Path | None, by: str, reason: str, trigger: str
    ) -> None:
        self._problem: str | None = None
        self._status: LatchStatus | None = None
        if folder is None:
            self._problem = "journal.path: missing in the settings, so the latch was not found"
        self._thread = threading.Thread(
            target=self._trip, args=(folder, textfiles, by, reason, trigger), name="latch", daemon=True
        )
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait until it is tripped, but no longer than this."""
        self._thread.join(seconds)

    @property
    def status(self) -> LatchStatus | None:
        """The latch as it lies on the disk; None = not written."""
        return self._status

    @property
    def problem(self) -> str | None:
        """Why it is not tripped, or not all of it; None = it is."""
        if self._thread.is_alive():
            return "the latch could not be written yet; its disk hangs"
        return self._problem

    def _trip(self, folder: Path | None, textfiles: Path | None, by: str, reason: str, trigger: str) -> None:
        if folder is None:
            return
        # Not `Latch.load`, which would make a missing latch: ARMED for a moment, or tripped by nobody. `trip`
        # reads what is on the disk: if that is tripped, its first reason stays.
        before = LatchStatus(LatchState.ARMED, time.time_ns(), by, reason, "")
        try:
            self._status = Latch(folder / FILE_NAME, before, textfiles).trip(by, reason, trigger)
        except (LatchError, OSError) as error:
            self._problem = str(error)
