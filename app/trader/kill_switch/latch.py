"""The latch: ARMED or TRIPPED, in a small file of its own that is readable without the journal.

One way: anybody may trip it, from any process; it is re-armed only with the proof that no order is open at
the venue. Whatever is doubtful about the file means TRIPPED. Only the standard library is needed here,
because `trader panic` must start at once.
"""

import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from trader.kill_switch import files
from trader.kill_switch.files import LatchError

HISTORY = 100  # the last changes that are kept in the file
PROOF_SECONDS = 10.0
FILE_NAME = "latch.json"
METRIC_FILE = "breakwater_latch.prom"


class LatchState(StrEnum):
    ARMED = "armed"
    TRIPPED = "tripped"


@dataclass(frozen=True, slots=True)
class LatchStatus:
    """The state, and who made it so.

    Args:
        at_ns: UTC.
        by: the person, or the part of the service.
        trigger: what tripped it, for example pnl, latency, heartbeat, manual; "" when armed.
        doubtful: no file says so; it is taken for TRIPPED because the file is missing, corrupt or unreadable.
    """

    state: LatchState
    at_ns: int
    by: str
    reason: str
    trigger: str
    doubtful: bool = False

    @property
    def tripped(self) -> bool:
        return self.state is LatchState.TRIPPED

    def fields(self) -> dict[str, str | int]:
        """JSON-ready."""
        return {
            "state": self.state.value,
            "at_ns": self.at_ns,
            "by": self.by,
            "reason": self.reason,
            "trigger": self.trigger,
        }


@dataclass(frozen=True, slots=True)
class ProvenFlat:
    """What the venue answered just before a re-arm; only who has asked may make one.

    Args:
        open_orders: all of the account, ours or not.
        asked: monotonic seconds, when the venue was asked.
    """

    open_orders: int
    asked: float


class Latch:
    """One latch file; make one with `load`.

    `status` sees at once what another process did. This object itself never falls: once it has seen TRIPPED,
    only its own `rearm` ends that, whatever the file says later.
    """

    def __init__(self, path: Path, status: LatchStatus, textfiles: Path | None) -> None:
        self._path = path
        self._textfiles = textfiles
        self._status = status
        self._seen = files.identity(path)

    @classmethod
    def load(cls, path: Path, has_traded: bool, textfiles: Path | None = None) -> "Latch":
        """Read the file, or make it.

        Args:
            has_traded: whether this host's journal holds any intent. Only a host that never traded gets a new
                latch ARMED.
            textfiles: node_exporter's textfile folder.

        Raises:
            LatchError: the file cannot be read or written.
        """
        with files.locked(path, required=False):
            stored = _stored(path)
            latch = cls(path, stored or _doubt(path), textfiles)
            if stored is not None:
                latch._export()
            elif path.exists():
                files.put_aside(path)
                latch._become(latch._status)
            elif has_traded:
                latch._become(latch._status)
            else:
                first = "first start on this host"
                latch._become(LatchStatus(LatchState.ARMED, time.time_ns(), "trader", first, ""))
        return latch

    @property
    def status(self) -> LatchStatus:
        """The state now; costs one stat(2), so that it can be asked before every order."""
        if not self._status.tripped and (seen := files.identity(self._path)) != self._seen:
            self._seen, self._status = seen, read(self._path)
        return self._status

    @property
    def tripped(self) -> bool:
        return self.status.tripped

    @property
    def history(self) -> list[dict[str, str | int]]:
        """The last changes, oldest first; empty when the file cannot be read."""
        content = files.read(self._path)
        return [] if content is None else list(content.get("history", ()))

    def hold(self, by: str, reason: str, trigger: str) -> LatchStatus:
        """Trip it in this process alone, without touching a disk, which may hang; `trip` makes it durable."""
        if not self.tripped:
            self._status = LatchStatus(LatchState.TRIPPED, time.time_ns(), by, _line(reason), trigger)
        return self._status

    def trip(self, by: str, reason: str, trigger: str) -> LatchStatus:
        """Trip it. A latch that is tripped stays as it is: the first reason counts.

        Returns:
            The state, which holds in this process even if an error follows.

        Raises:
            LatchError: it holds here, but the file or the metric could not be written.
        """
        self.hold(by, reason, trigger)
        # Without the lock too, should its holder hang: to stop is more urgent than to be in order.
        with files.locked(self._path, required=False):
            there = read(self._path)
            if there.tripped and not there.doubtful:
                self._status = there  # also when another process was first
                self._export()
            else:
                self._become(self._status)
        return self._status

    def rearm(self, by: str, reason: str, proof: ProvenFlat) -> LatchStatus:
        """Arm it again.

        Args:
            by: a person's name.
            proof: the venue's answer, at most `PROOF_SECONDS` old.

        Raises:
            LatchError: no name, no reason, an open order, an old proof, or the file cannot be written; the
                latch stays tripped then.
        """
        if not by.strip() or not reason.strip():
            raise LatchError("re-arming needs a person's name and a reason")
        if proof.open_orders != 0:
            raise LatchError(f"{proof.open_orders} orders are open at the venue; cancel them, then re-arm")
        if not 0 <= time.monotonic() - proof.asked <= PROOF_SECONDS:
            raise LatchError("the venue was asked for open orders too long ago; ask again, then re-arm")
        if not self.tripped:
            return self._status
        armed = LatchStatus(LatchState.ARMED, time.time_ns(), by.strip(), _line(reason), "")
        with files.locked(self._path, required=True):
            self._become(armed)
        return self._status

    def _become(self, status: LatchStatus) -> None:
        """Make a state durable. ARMED holds only once it is; TRIPPED holds at once."""
        if status.tripped:
            self._status = status
        try:
            files.write(self._path, self._content(status))
        except OSError as error:
            self._write_in_place()
            raise LatchError(f"{self._path}: {error.strerror}; the latch is {self._status.state}") from error
        self._status = status
        self._seen = files.identity(self._path)
        self._export()

    def _content(self, status: LatchStatus) -> dict[str, object]:
        return {**status.fields(), "history": [*self.history, status.fields()][-HISTORY:]}

    def _write_in_place(self) -> None:
        """A full disk has no room for a second file. If this is cut off, the file is corrupt: TRIPPED too."""
        try:
            files.overwrite(self._path, self._content(self._status))
        except OSError as error:
            raise LatchError(
                f"{self._path}: {error.strerror}; the latch is {self._status.state} in this process only,"
                " keep the service stopped until the disk is mended"
            ) from error

    def _export(self) -> None:
        """Tell node_exporter, which tells it with the service dead."""
        if self._textfiles is None:
            return
        status = self._status
        text = (
            "# HELP trader_latch_tripped 1 while the kill switch is tripped.\n"
            "# TYPE trader_latch_tripped gauge\n"
            f"trader_latch_tripped {int(status.tripped)}\n"
            "# HELP trader_latch_changed_timestamp_seconds When the kill switch last changed (UTC).\n"
            "# TYPE trader_latch_changed_timestamp_seconds gauge\n"
            f"trader_latch_changed_timestamp_seconds {status.at_ns / 1e9:.3f}\n"
        )
        try:
            files.replace(self._textfiles / METRIC_FILE, text.encode(), mode=0o644)
        except OSError as error:
            raise LatchError(
                f"{self._textfiles}: {error.strerror}; the latch is {status.state}, its metric is not"
            ) from error


def read(path: Path) -> LatchStatus:
    """The state by the file alone, for those that only look; TRIPPED when it is doubtful."""
    try:
        return _stored(path) or _doubt(path)
    except LatchError as error:
        return _doubt(path, str(error))


def _stored(path: Path) -> LatchStatus | None:
    """What the file says; None = it is missing or corrupt.

    Raises:
        LatchError: it may not be read.
    """
    content = files.read(path)
    if content is None:
        return None
    try:
        return LatchStatus(
            state=LatchState(content["state"]),
            at_ns=int(content["at_ns"]),
            by=str(content["by"]),
            reason=str(content["reason"]),
            trigger=str(content["trigger"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _doubt(path: Path, reason: str = "") -> LatchStatus:
    reason = reason or f"{path} is {'corrupt' if path.exists() else 'missing'}"
    return LatchStatus(LatchState.TRIPPED, time.time_ns(), "trader", reason, "latch", doubtful=True)


def _line(text: str) -> str:
    return " ".join(text.split())
