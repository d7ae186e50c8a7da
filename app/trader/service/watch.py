"""Looks at everything that trips the kill switch by itself, but for the day's loss (see `day`).

What is needed counts, and only then: data has an age while trading is on or an order of ours is out (open, in
flight or unknown). Before the first comparison with the venue, without a subscription or with a closed market
trading is off and nothing is out, so nothing trips at a start. The loop's own standstill is found at the gate
before (see `KillSwitch.why`), because this task may be the last to wake up.
"""

import asyncio
import time
from collections.abc import Callable

from trader.model.orders import Order
from trader.orders.admission import Admission
from trader.orders.gate import Gate
from trader.orders.manager import OrderManager
from trader.reconcile import Report
from trader.service.kill import KillSwitch
from trader.service.kill_settings import KillSwitchSettings
from trader.service.triggers import Age, Drift, Level, Window

LOOK_SECONDS = 0.1
US = "trader"  # who trips, in the latch


class Watch:
    """Runs beside trading.

    Args:
        quotes_age, account_age: of the data, in seconds; 0 = nothing is owed.
        stalls: seconds by which each part that must move is late, by its name.
        started_ns: UTC; orders from before are old ones, which others may have cancelled while we were away.
        timer_fired: whether the venue's dead man's timer may have cancelled orders of ours lately; that is no
            stranger.
    """

    def __init__(
        self,
        settings: KillSwitchSettings,
        kill_switch: KillSwitch,
        manager: OrderManager,
        admission: Admission,
        gate: Gate,
        quotes_age: Callable[[], float],
        account_age: Callable[[], float],
        stalls: Callable[[], dict[str, float]],
        started_ns: int,
        timer_fired: Callable[[], bool] = lambda: False,
    ) -> None:
        self._settings = settings
        self._kill_switch = kill_switch
        self._manager = manager
        self._admission = admission
        self._gate = gate
        self._data = {"quotes are": quotes_age, "the account's data is": account_age}
        self._stalls = stalls
        self._since_ns = started_ns
        self._timer_fired = timer_fired
        limit = settings.latency_ms / 1_000
        self._acks = Level(limit)
        self._ages = {name: Age(limit) for name in self._data}
        self._pnl_known_at = time.monotonic()
        self._pnl = Age(settings.pnl_unknown_seconds)
        self._parts: dict[str, Level] = {}
        self._drift = Drift(settings.drift_usd, settings.drift_times)
        self._rejects = Window(settings.rejects, settings.rejects_window_seconds)
        self._elsewhere = Window(settings.cancelled_elsewhere, settings.cancelled_elsewhere_window_seconds)
        manager.refused = self._refused
        manager.cancelled_elsewhere = self._cancelled_elsewhere
        kill_switch.rearmed = self.forget

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look(time.monotonic())
            await asyncio.sleep(LOOK_SECONDS)

    def look(self, now: float) -> None:
        """Look at everything once.

        Args:
            now: monotonic seconds.
        """
        self._kill_switch.why()  # the loop's own heartbeat
        needed = not self._gate.halted or bool(self._manager.book.live())
        latency = self._manager.acks.latency_seconds(now)
        if self._acks.update(latency):
            self._trip("latency", f"the venue has not answered a new order for {latency:.1f} s")
        for name, age in self._data.items():
            old = self._ages[name].update(now, now - age(), needed)
            if old is not None:
                self._trip("latency", f"{name} {old:.1f} s old")
        if self._admission.pnl_usd() is not None:
            self._pnl_known_at = now
        unknown = self._pnl.update(now, self._pnl_known_at, needed)
        if unknown is not None:
            self._trip("pnl", f"the day's P&L has not been known for {unknown:.0f} s")
        for part, late in self._stalls().items():
            level = self._parts.setdefault(part, Level(self._settings.heartbeat_seconds))
            if level.update(late):
                self._kill_switch.stalled(part, late)

    def compared(self, report: Report) -> None:
        """One comparison with the venue."""
        drift = report.drift_usd
        if self._drift.update(drift):
            worth = "of unknown value" if drift is None else f"of {drift:.2f} USD"
            text = f"unexplained differences {worth} in {self._settings.drift_times} comparisons in a row"
            self._trip("drift", text)

    def forget(self) -> None:
        """A person has re-armed: what was counted before is theirs now, and so are orders from before."""
        self._since_ns = time.time_ns()
        self._manager.acks.forget()
        self._rejects.forget()
        self._elsewhere.forget()

    def _refused(self, order: Order) -> None:
        if self._rejects.add(time.monotonic()):
            settings = self._settings
            text = f"{settings.rejects} orders refused within {settings.rejects_window_seconds:g} s, the last"
            self._trip("rejects", f"{text}: {order.reason}")

    def _cancelled_elsewhere(self, order: Order) -> None:
        if order.created_ns < self._since_ns or self._kill_switch.status.tripped or self._timer_fired():
            return
        if self._elsewhere.add(time.monotonic()):
            settings = self._settings
            seconds = settings.cancelled_elsewhere_window_seconds
            text = f"{settings.cancelled_elsewhere} orders cancelled by others within {seconds:g} s, the last"
            self._trip("cancelled_elsewhere", f"{text} {order.client_id}")

    def _trip(self, trigger: str, text: str) -> None:
        self._kill_switch.trip(US, text, trigger)
