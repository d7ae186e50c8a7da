"""What we know of the venue's timer, and what to do about it. Pure: time is an argument."""

import time
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Moment:
    """Seconds by two clocks: one that goes on while the machine is suspended, and the wall clock (UTC)."""

    boot: float
    wall: float

    @staticmethod
    def now() -> "Moment":
        return Moment(time.clock_gettime(time.CLOCK_BOOTTIME), time.time())

    def since(self, earlier: "Moment") -> float:
        """By the clock that says more: a virtual machine that was paused may show it on one of them alone."""
        return max(self.boot - earlier.boot, self.wall - earlier.wall)


class Act(StrEnum):
    SET = "set"  # let it run anew
    STOP = "stop"  # there is nothing that it should cancel
    LEAVE = "leave"  # let it run out


def decide(*, moves: bool, tripped: bool, draining: bool, trades: bool, live: bool) -> Act:
    """What becomes of the timer.

    Args:
        moves: loop, strategy timer and journal make progress.
        tripped: the kill switch; the venue shall cancel what we may fail to.
        trades: nothing halts trading, but for the timer itself.
        live: orders of ours may be open.
    """
    if tripped or not moves:
        return Act.LEAVE
    if live or trades:
        return Act.SET
    # At the end it costs nothing to let it run out, and what we have missed would be cancelled.
    return Act.LEAVE if draining else Act.STOP


class TimerState:
    """The earliest moment at which the venue can cancel, whatever became of our requests.

    Args:
        timeout_seconds: what the timer is set to.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout = timeout_seconds
        self._since: Moment | None = None  # when the request left by which it runs, or may run
        self._confirmed = False

    @property
    def off(self) -> bool:
        """It does not run for certain."""
        return self._since is None

    def asked(self, sent: Moment) -> None:
        """A request to set it is about to leave; it counts even if its answer is lost."""
        if self._since is None:
            self._since = sent

    def refused(self, sent: Moment) -> None:
        """That request was not taken, provably."""
        if self._since is sent and not self._confirmed:
            self._since = None

    def confirmed(self, sent: Moment, answered: Moment) -> bool:
        """The venue has confirmed it.

        Returns:
            Whether it may have fired before.
        """
        fired = self.may_have_fired(answered)
        self._since, self._confirmed = sent, True
        return fired

    def stopped(self, answered: Moment) -> bool:
        """The venue has confirmed that it is off.

        Returns:
            Whether it may have fired before.
        """
        fired = self.may_have_fired(answered)
        self._since, self._confirmed = None, False
        return fired

    def may_have_fired(self, now: Moment) -> bool:
        return self._since is not None and now.since(self._since) >= self._timeout

    def certain(self, now: Moment) -> bool:
        """We know whether it runs, and that it has not fired since we know."""
        return self.off or (self._confirmed and not self.may_have_fired(now))

    def seconds_left(self, now: Moment) -> float:
        """For how long it runs at least; 0 = it does not run, or nothing has confirmed it."""
        if self._since is None or not self._confirmed:
            return 0.0
        return max(0.0, self._timeout - now.since(self._since))
