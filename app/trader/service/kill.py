"""The kill switch as the service holds it: the latch, its second witness in the journal, the gate."""

import asyncio
import math
import time
from collections.abc import Callable

from trader.journal import Journal, Snapshot, records
from trader.kill_switch import Latch, LatchError, LatchStatus, ProvenFlat
from trader.orders.gate import LATCH, Gate
from trader.service.pulse import Pulse, boot_ns
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics

HEARTBEAT = "heartbeat"
WRITE_AGAIN_SECONDS = 1.0
DURABLE_SECONDS = 2.0
TRIGGERS = frozenset(
    {"manual", "pnl", "latency", "heartbeat", "drift", "rejects", "cancelled_elsewhere", "latch"}
)


class KillSwitch:
    """Trips and re-arms the latch; the gate asks here before every order.

    Args:
        pulse: of the event loop.
        heartbeat_seconds: a gap in it from there on trips.

    Attributes:
        tripped: called once for each trip, whoever tripped it.
        rearmed: called after each re-arm.
    """

    def __init__(
        self,
        latch: Latch,
        journal: Journal,
        gate: Gate,
        metrics: Metrics,
        events: Events,
        pulse: Pulse,
        heartbeat_seconds: float,
    ) -> None:
        self._latch = latch
        self._journal = journal
        self._gate = gate
        self._metrics = metrics
        self._events = events
        self._pulse = pulse
        self._heartbeat_seconds = heartbeat_seconds
        self._taken = False
        self._pulled_at = -math.inf
        self._failed_at: float | None = None  # when the latch could last not be written
        self._writing: asyncio.Task[None] | None = None
        self.tripped: Callable[[], None] = lambda: None
        self.rearmed: Callable[[], None] = lambda: None

    @property
    def status(self) -> LatchStatus:
        return self._latch.status

    def begin(self, snapshot: Snapshot) -> None:
        """Believe the journal where it remembers a trip that the latch's file does not know of."""
        self._metrics.set("trader_latch_tripped", 0)
        witness = snapshot.latch
        if witness is not None and witness["state"] == "tripped" and not self._latch.tripped:
            self.trip(witness["by"], f"by the journal, not by its file: {witness['reason']}", "latch")
        status = self._latch.status
        if status.tripped and not self._taken:
            self._stop_trading(status.reason)
            self._events.emit("latch_is_tripped", "warning", by=status.by, message=status.reason)
            if witness is None or witness["state"] != "tripped":
                self._bear_witness()

    def trip(self, by: str, reason: str, trigger: str) -> None:
        """Stop trading until a person says otherwise.

        It holds in this process at once. The file is written beside: a disk that hangs must not keep the
        cancels from going out.
        """
        self._pulled_at = time.monotonic()
        first = self._latch.hold(by, reason, trigger)  # another process may have been before us
        self._take(first)
        self._write(first)

    def look(self) -> bool:
        """Whether it is tripped; takes over what another process has tripped. Costs one stat(2).

        A trip that could not be written is written again and again: a restart must find it.
        """
        status = self._latch.status
        if status.tripped and not self._taken:
            self._take(status)
            if status.doubtful:
                self._write(status)
        elif self._failed_at is not None and time.monotonic() - self._failed_at >= WRITE_AGAIN_SECONDS:
            self._write(status)
        return status.tripped

    def why(self) -> str | None:
        """Why the latch is down; None while it is armed. Trips first if the loop has stood still."""
        if not self._latch.tripped:
            gap = self._pulse.gap_seconds(boot_ns())
            if gap >= self._heartbeat_seconds:
                self.stalled("the event loop", gap)
        status = self._latch.status
        return f"kill switch tripped by {status.by}: {status.reason}" if status.tripped else None

    def beat(self) -> None:
        """The loop turns. The gap is looked at before it ends: this may be the first to run after a sleep."""
        self.why()
        self._pulse.beat(boot_ns())

    def stalled(self, what: str, seconds: float) -> None:
        """A heartbeat was lost."""
        self.trip("trader", f"no heartbeat of {what} for {seconds:.1f} s", HEARTBEAT)

    async def durable(self, patience_seconds: float = DURABLE_SECONDS) -> bool:
        """Wait for the disk, but not for long: one that hangs must not keep anything from its end.

        Returns:
            Whether what was tripped is on the disk; no: it holds in this process, and an event has told.
        """
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=patience_seconds)
        return self._failed_at is None and (self._writing is None or self._writing.done())

    async def rearm(self, by: str, reason: str, proof: ProvenFlat) -> LatchStatus:
        """Arm it again; the journal's witness first, so that a crash in between leaves it tripped.

        Raises:
            LatchError: the latch refuses, its disk hangs, or it was pulled since the venue was asked.
            JournalError: the journal cannot be written.
        """
        if not self._latch.tripped:
            return self._latch.status
        if not await self.durable():
            raise LatchError("the latch could not be written when it was tripped; see the log, mend the disk")
        await self._journal.append(records.latch("armed", by, reason))
        try:
            if self._pulled_at > proof.asked:
                raise LatchError("it was pulled again while the venue was asked; look why, then re-arm")
            status = self._latch.rearm(by, reason, proof)
        except LatchError:
            before = self._latch.status
            await self._journal.append(records.latch("tripped", before.by, before.reason))
            raise
        self._taken = False
        self._events.emit("latch_rearmed", "warning", by=by, message=reason)
        self._metrics.set("trader_latch_tripped", 0)
        self.rearmed()
        self._gate.clear(LATCH)
        return status

    def _take(self, status: LatchStatus) -> None:
        """All that follows from a trip, once."""
        if self._taken:
            return
        self._stop_trading(status.reason)
        trigger = status.trigger if status.trigger in TRIGGERS else "other"
        self._metrics.count("trader_kills_total", trigger=trigger)
        self._events.emit(
            "latch_tripped", "error", by=status.by, trigger=status.trigger, message=status.reason
        )
        self._bear_witness()

    def _stop_trading(self, reason: str) -> None:
        self._taken = True
        self.tripped()
        self._gate.halt(LATCH, self.why() or reason)
        self._metrics.set("trader_latch_tripped", 1)

    def _bear_witness(self) -> None:
        status = self._latch.status
        if self._journal.error is None:
            self._journal.append(records.latch("tripped", status.by, status.reason))

    def _write(self, status: LatchStatus) -> None:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._make_durable(status), name="latch")

    async def _make_durable(self, status: LatchStatus) -> None:
        try:
            await asyncio.to_thread(self._latch.trip, status.by, status.reason, status.trigger)
        except (LatchError, OSError) as error:
            if self._failed_at is None:
                self._events.error("latch_not_written", error)
            self._failed_at = time.monotonic()
        else:
            self._failed_at = None
