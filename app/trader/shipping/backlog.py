"""What is committed here and not yet acknowledged by the vault: how many records, how old, and who waits."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

TIMES_KEPT = 100_000  # moments of commits; with more outstanding the oldest one's is what counts


class Backlog:
    """Counts in records (sequence numbers of the journal) and seconds.

    Args:
        clock: monotonic seconds.

    Attributes:
        committed: the last record that is durable here.
        acknowledged: the last one that is durable there; None = the vault has not said yet.
    """

    def __init__(self, committed: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: deque[tuple[int, float]] = deque()
        self._waiting: deque[tuple[int, asyncio.Future[bool]]] = deque()
        self._since = clock()
        self.committed = committed
        self.acknowledged: int | None = None

    @property
    def records(self) -> int:
        """How many the vault lacks; all of them until it has said what it has."""
        return max(0, self.committed - (self.acknowledged or 0))

    @property
    def seconds(self) -> float:
        """How old the oldest is that it lacks; 0 = it lacks none."""
        if self.records == 0:
            return 0.0
        return self._clock() - (self._times[0][1] if self._times else self._since)

    def commit(self, sequence: int) -> None:
        """Records up to this one are durable here."""
        self.committed = sequence
        if len(self._times) < TIMES_KEPT:
            self._times.append((sequence, self._clock()))

    def acknowledge(self, sequence: int) -> float | None:
        """Records up to this one are durable there.

        Returns:
            For how long the newest of them had been waiting, in seconds; None = its moment is not known.
        """
        self.acknowledged = max(self.acknowledged or 0, sequence)
        waited = None
        while self._times and self._times[0][0] <= sequence:
            waited = self._clock() - self._times.popleft()[1]
        if not self._times:
            self._since = self._clock()
        while self._waiting and self._waiting[0][0] <= sequence:
            future = self._waiting.popleft()[1]
            if not future.done():
                future.set_result(True)
        return waited

    async def wait(self, sequence: int, seconds: float) -> bool:
        """Whether a record is durable there within so long. Those who wait come in the journal's order."""
        if self.acknowledged is not None and self.acknowledged >= sequence:
            return True
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((sequence, future))
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            return False
