"""The kill switch as the service holds it: the latch, its second witness in the journal, the gate."""

import asyncio
from collections.abc import Callable

from trader.journal import Journal, Snapshot, records
from trader.kill_switch import Latch, LatchError, LatchStatus, ProvenFlat
from trader.orders.gate import LATCH, Gate
from trader.service.pulse import Pulse, boot_ns
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics

HEARTBEAT = "heartbeat"
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
        self._writing: asyncio.Task[None] | None = None
        self.tripped: Callable[[], None] = lambda: None
        self.rearmed: Callable[[], None] = lambda: None

    @property
    def status(self) -> LatchStatus:
        return self._latch.status

    def begin(self, snapshot: Snapshot) -> None:
        """Believe the journal where it remembers a trip that the latch's file does not know of."""
        witness = snapshot.latch
        if witness is not None and witness["state"] == "tripped" and not self._latch.tripped:
            self.trip(witness["by"], f"by the journal, not by its file: {witness['reason']}", "latch")
        self._metrics.set("trader_latch_tripped", 0)
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
        self._latch.hold(by, reason, trigger)
        self._take(by, reason, trigger)
        self._write(by, reason, trigger)

    def look(self) -> bool:
        """Whether it is tripped; takes over what another process has tripped. Costs one stat(2)."""
        status = self._latch.status
        if status.tripped and not self._taken:
            self._take(status.by, status.reason, status.trigger)
            if status.doubtful:
                self._write(status.by, status.reason, status.trigger)
        return status.tripped

    def why(self) -> str | None:
        """Why the latch is down; None while it is armed. Trips first if the loop has stood still."""
        if not self._latch.tripped:
            gap = self._pulse.gap_seconds(boot_ns())
            if gap >= self._heartbeat_seconds:
                self.stalled("the event loop", gap)
        status = self._latch.status
        return f"kill switch tripped by {status.by}: {status.reason}" if status.tripped else None

    def stalled(self, what: str, seconds: float) -> None:
        """A heartbeat was lost."""
        self.trip("trader", f"no heartbeat of {what} for {seconds:.1f} s", HEARTBEAT)

    async def durable(self) -> None:
        """Wait until what was tripped is on the disk, or could not be written (an event has told)."""
        if self._writing is not None:
            await asyncio.shield(self._writing)

    async def rearm(self, by: str, reason: str, proof: ProvenFlat) -> LatchStatus:
        """Arm it again; the journal's witness first, so that a crash in between leaves it tripped.

        Raises:
            LatchError: the latch refuses.
            JournalError: the journal cannot be written.
        """
        if not self._latch.tripped:
            return self._latch.status
        await self.durable()
        await self._journal.append(records.latch("armed", by, reason))
        try:
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

    def _take(self, by: str, reason: str, trigger: str) -> None:
        """All that follows from a trip, once."""
        if self._taken:
            return
        self._stop_trading(reason)
        self._metrics.count("trader_kills_total", trigger=trigger if trigger in TRIGGERS else "other")
        reason = self._latch.status.reason
        self._events.emit("latch_tripped", "error", by=by, trigger=trigger, message=reason)
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

    def _write(self, by: str, reason: str, trigger: str) -> None:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._make_durable(by, reason, trigger), name="latch")

    async def _make_durable(self, by: str, reason: str, trigger: str) -> None:
        try:
            await asyncio.to_thread(self._latch.trip, by, reason, trigger)
        except (LatchError, OSError) as error:
            self._events.error("latch_not_written", error)
