"""The kill switch as the service holds it: the latch, its second witness in the journal, the gate."""

from trader.journal import Journal, Snapshot, records
from trader.kill_switch import Latch, LatchError, LatchStatus, ProvenFlat
from trader.orders.gate import LATCH, Gate
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics


class KillSwitch:
    """Trips and re-arms the latch; the gate asks the latch itself before every order."""

    def __init__(self, latch: Latch, journal: Journal, gate: Gate, metrics: Metrics, events: Events) -> None:
        self._latch = latch
        self._journal = journal
        self._gate = gate
        self._metrics = metrics
        self._events = events

    @property
    def status(self) -> LatchStatus:
        return self._latch.status

    def begin(self, snapshot: Snapshot) -> None:
        """Believe the journal where it remembers a trip that the latch's file does not know of."""
        witness = snapshot.latch
        if witness is not None and witness["state"] == "tripped" and not self._latch.tripped:
            self.trip(witness["by"], f"by the journal, not by its file: {witness['reason']}", "latch")
        self._metrics.set("trader_latch_tripped", int(self._latch.tripped))

    def trip(self, by: str, reason: str, trigger: str) -> None:
        """Stop trading until a person says otherwise. Holds in this process even if a disk fails."""
        known = self._latch.tripped
        try:
            status = self._latch.trip(by, reason, trigger)
        except LatchError as error:
            self._events.error("latch_not_written", error)
            status = self._latch.status
        self._gate.halt(LATCH, self.why() or reason)
        self._metrics.set("trader_latch_tripped", 1)
        if not known:
            self._events.emit("latch_tripped", "error", by=by, trigger=trigger, message=status.reason)
            if self._journal.error is None:
                self._journal.append(records.latch("tripped", status.by, status.reason))

    def why(self) -> str | None:
        """Why the latch is down; None while it is armed. Costs one stat(2)."""
        status = self._latch.status
        return f"kill switch tripped by {status.by}: {status.reason}" if status.tripped else None

    async def rearm(self, by: str, reason: str, proof: ProvenFlat) -> LatchStatus:
        """Arm it again; the journal's witness first, so that a crash in between leaves it tripped.

        Raises:
            LatchError: the latch refuses.
            JournalError: the journal cannot be written.
        """
        if not self._latch.tripped:
            return self._latch.status
        await self._journal.append(records.latch("armed", by, reason))
        try:
            status = self._latch.rearm(by, reason, proof)
        except LatchError:
            before = self._latch.status
            await self._journal.append(records.latch("tripped", before.by, before.reason))
            raise
        self._events.emit("latch_rearmed", "warning", by=by, message=reason)
        self._metrics.set("trader_latch_tripped", 0)
        self._gate.clear(LATCH)
        return status
