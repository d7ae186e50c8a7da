"""Watches the day's loss, and keeps the day's state in the journal."""

import asyncio
import time

from trader.journal import Journal, JournalError, records
from trader.orders.admission import Admission
from trader.risk import LossLevel
from trader.service.kill import KillSwitch
from trader.telemetry.events import Events

CHECK_SECONDS = 0.5
KEEP_SECONDS = 600.0  # a start reads the fills after the last state: not more than these minutes hold


class Day:
    """Runs beside trading."""

    def __init__(
        self, admission: Admission, journal: Journal, kill_switch: KillSwitch, events: Events
    ) -> None:
        self._admission = admission
        self._journal = journal
        self._kill_switch = kill_switch
        self._events = events

    async def run(self) -> None:
        """Watch until cancelled."""
        kept, kept_at = None, 0.0
        while True:
            level = self._admission.loss_level()
            if level is not None:
                self._reached(level)
            day = self._admission.day
            if day is not None and (day != kept or time.monotonic() - kept_at > KEEP_SECONDS):
                kept, kept_at = day, time.monotonic()
                await self._keep()
            await asyncio.sleep(CHECK_SECONDS)

    async def _keep(self) -> None:
        body = self._admission.day_body()
        if body is None or self._journal.error is not None:
            return
        try:
            await self._journal.append(records.day(body))
        except JournalError:
            return  # it has halted trading by itself

    def _reached(self, level: LossLevel) -> None:
        pnl, limit = self._admission.pnl_usd(), self._admission.limits.max_daily_loss_usd
        text = f"P&L of the day {pnl:.2f} USD, limit -{limit} USD"
        severity = "error" if level is LossLevel.TRIP else "warning"
        self._events.emit("daily_loss", severity, reached=level, message=text)
        if level is LossLevel.TRIP:
            self._kill_switch.trip("trader", text, "pnl")
