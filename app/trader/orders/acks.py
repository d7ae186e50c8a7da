"""How long the venue takes to answer new orders. Pure: time is an argument (monotonic seconds).

An order waits from its decision to the answer to its own request; that the stream or a query shows it
meanwhile says nothing of the answer. An answer that was waited for in vain stays late, and grows later,
until an order that was decided after it is answered: by then the venue answers again. One whose
connection broke is forgotten: that is told at once, and proves nothing of the time an answer takes.
"""

from dataclasses import dataclass

IN_VAIN_SECONDS = 1.0  # a connection that breaks does so sooner; a timeout is never that short


@dataclass(slots=True)
class _Wait:
    since: float
    lost: bool = False


class Acks:
    """The waits of one process's orders."""

    def __init__(self) -> None:
        self._waits: dict[str, _Wait] = {}
        self._slowest = 0.0

    def decided(self, client_id: str, at: float) -> None:
        """A new order passed the gate."""
        self._waits[client_id] = _Wait(at)

    def answered(self, client_id: str, at: float) -> None:
        """The venue has answered its request, with yes or with no."""
        wait = self._waits.pop(client_id, None)
        if wait is None:
            return
        self._slowest = max(self._slowest, at - wait.since)
        for name, other in list(self._waits.items()):
            if other.lost and other.since <= wait.since:
                del self._waits[name]

    def lost(self, client_id: str, at: float) -> None:
        """Its answer will not come any more."""
        wait = self._waits.get(client_id)
        if wait is None:
            return
        if at - wait.since < IN_VAIN_SECONDS:
            del self._waits[client_id]
        else:
            wait.lost = True

    def unsent(self, client_id: str) -> None:
        """It never left; nobody answers it."""
        self._waits.pop(client_id, None)

    def latency_seconds(self, now: float) -> float:
        """The slowest answer since the last call, or the longest wait that goes on; 0 = neither."""
        slowest, self._slowest = self._slowest, 0.0
        return max([slowest, *(now - wait.since for wait in self._waits.values())])

    def forget(self) -> None:
        """Begin anew, after a person has re-armed."""
        self._waits.clear()
        self._slowest = 0.0
