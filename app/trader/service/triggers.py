"""What trips the kill switch, as pure logic: values and times are arguments, nothing is asked here.

Each trigger fires once and then waits until its cause has gone: a level until the value has been at half of
its limit or below, a window until it is empty again by itself or was emptied. So who re-arms before the
cause is mended is not tripped by the same finding again, and a value that swings around its limit is one
finding. None of this lowers the latch.
"""

from collections import deque
from decimal import Decimal


class Level:
    """A value that must stay below a limit.

    Args:
        limit: at or above it the trigger fires.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._fired = False

    def update(self, value: float) -> bool:
        """Take the present value; whether the trigger fires now."""
        if value <= self._limit / 2:
            self._fired = False
        if value < self._limit or self._fired:
            return False
        self._fired = True
        return True


class Age:
    """Data that must come. It ages only while it is needed and only from when it was needed.

    So nothing fires at a start without a subscription, or while the market is closed and nothing of ours is
    out: what is not needed has no age. Once it is needed, its absence counts, never a value in its place.

    Args:
        limit_seconds: at or above it the trigger fires.
    """

    def __init__(self, limit_seconds: float) -> None:
        self._level = Level(limit_seconds)
        self._needed_since: float | None = None

    def update(self, now: float, fresh_at: float, needed: bool) -> float | None:
        """Look once.

        Args:
            now: seconds of a monotonic clock, as `fresh_at`.
            fresh_at: when the last data came, or when it was last known to be good.
            needed: whether anything depends on it.

        Returns:
            The age in seconds if the trigger fires now, else None.
        """
        if not needed:
            self._needed_since = None
            self._level.update(0.0)
            return None
        if self._needed_since is None:
            self._needed_since = now
        age = now - max(fresh_at, self._needed_since)
        return age if self._level.update(age) else None


class Owed:
    """Data that is owed: every acknowledged order shows on the account's stream."""

    def __init__(self) -> None:
        self._since: float | None = None

    def age_seconds(self, now: float, heard_at: float, sent_at: float | None) -> float:
        """How long the stream has owed an event; 0 = it owes none.

        Args:
            now: monotonic seconds, as the other two.
            heard_at: of the stream's last event.
            sent_at: of the last acknowledged order; None = there was none. The event may come before the
                answer, never before the order.
        """
        if sent_at is None or heard_at >= sent_at:
            self._since = None
            return 0.0
        if self._since is None or heard_at >= self._since:
            self._since = sent_at
        return now - self._since


class Window:
    """Events of one kind: so many within so many seconds fire.

    Args:
        count: that many.
        seconds: of the window.
    """

    def __init__(self, count: int, seconds: float) -> None:
        self._count = count
        self._seconds = seconds
        self._times: deque[float] = deque()

    def add(self, now: float) -> bool:
        """One more event (monotonic seconds); whether the trigger fires now. What fired is spent."""
        self._times.append(now)
        while self._times[0] <= now - self._seconds:
            self._times.popleft()
        if len(self._times) < self._count:
            return False
        self._times.clear()
        return True

    def forget(self) -> None:
        """Begin anew."""
        self._times.clear()


class Drift:
    """Unexplained differences, comparison after comparison.

    Args:
        limit_usd: above it a comparison counts.
        times: so many in a row fire.
    """

    def __init__(self, limit_usd: Decimal, times: int) -> None:
        self._limit_usd = limit_usd
        self._times = times
        self._row = 0
        self._fired = False

    def update(self, drift_usd: Decimal | None) -> bool:
        """Take one comparison; whether the trigger fires now.

        Args:
            drift_usd: of all that is unexplained; None = a part of it cannot be valued, which counts as above
                the limit: an unknown value is never taken for a small one.
        """
        if drift_usd is not None and drift_usd <= self._limit_usd:
            self._row = 0
            if drift_usd <= self._limit_usd / 2:
                self._fired = False
            return False
        self._row += 1
        if self._row < self._times or self._fired:
            return False
        self._fired = True
        return True
