"""Proves progress: the loop turns, the strategy's timer turns, the journal does not hang in the disk."""

import asyncio
import time
from collections.abc import Callable

from trader.service.heap import resident_bytes
from trader.service.notify import Notifier
from trader.telemetry.metrics import Metrics

BEAT_SECONDS = 1.0


class Heart:
    """Pets systemd's watchdog while every part has beaten lately.

    Args:
        beat: called with every turn.
        stalled: names what does not move although the loop does; empty = all moves.
    """

    def __init__(
        self,
        notifier: Notifier,
        metrics: Metrics,
        stalled: Callable[[float], list[str]],
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._notifier = notifier
        self._metrics = metrics
        self._stalled = stalled
        self._beat = beat

    async def run(self) -> None:
        """Beat until cancelled."""
        limit = self._notifier.watchdog_seconds
        beat = min(BEAT_SECONDS, BEAT_SECONDS if limit is None else limit / 2)
        due = time.monotonic()
        while True:
            self._metrics.set("trader_loop_lag_seconds", max(0.0, time.monotonic() - due))
            self._metrics.set("trader_resident_memory_bytes", resident_bytes())
            self._beat()
            if limit is not None and not self._stalled(limit):
                self._notifier.send(WATCHDOG=1)
            due = time.monotonic() + beat
            await asyncio.sleep(beat)
