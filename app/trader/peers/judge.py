"""Is a host lost? Pure: it is told the time and what was seen.

What counts is the newest heartbeat that any way has shown. A way shows a mark that is another one after each
beat, and only a mark that has changed is a beat: neither the host's clock nor ours can make an old one look
new, or a new one old. Its age is counted by us, from the look that first showed it.

A host is lost when no way has shown a new beat for `lost_seconds`, in looks that followed each other. After a
break in the looks (we were suspended, stopped, starved, or have just begun) the count begins anew: what we
have not watched we do not know. A host whose service has ended in order and has left nothing open is not lost
as long as it says so itself; one that cannot be asked any more says nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

DOUBT_SHARE = 1 / 3  # of `lost_seconds`: so long a heartbeat may be away before it is called a doubt


class State(StrEnum):
    SEEN = "seen"
    STOPPED = "stopped"  # in order, with nothing of it open
    DOUBT = "doubt"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Sight:
    """What one way showed at one look.

    Args:
        mark: another one after each heartbeat; None = no heartbeat was shown.
        stopped: the service says that it has ended in order and left nothing open; the mark is of that word.
        problem: why there is no mark; "" = there is one.
    """

    mark: str | None = None
    stopped: bool = False
    problem: str = ""


class Judge:
    """Judges one host.

    Args:
        lost_seconds: age of the newest heartbeat that makes it lost.
        gap_seconds: looks that are farther apart are not one watch.
    """

    def __init__(self, lost_seconds: float, gap_seconds: float) -> None:
        self._lost_seconds = lost_seconds
        self._gap_seconds = gap_seconds
        self._marks: dict[str, str] = {}
        self._last_word: str | None = None
        self._refuted: str | None = None
        self._beat_at: float | None = None
        self._looked_at = 0.0

    def unseen_seconds(self, now: float) -> float:
        """Age of the newest heartbeat, as far as we have watched."""
        return 0.0 if self._beat_at is None else now - self._beat_at

    def look(self, now: float, sights: Mapping[str, Sight]) -> State:
        """Take one look.

        Args:
            now: seconds of a clock that also counts the time in which we did not run.
            sights: by the way's name.
        """
        broken = self._beat_at is None or not 0 <= now - self._looked_at <= self._gap_seconds
        self._looked_at = now
        beat = self._beats(sights)
        stopped = self._stopped(sights, beat)
        if broken or beat or stopped:
            self._beat_at = now
        if stopped:
            return State.STOPPED
        unseen = self.unseen_seconds(now)
        if unseen >= self._lost_seconds:
            return State.LOST
        return State.SEEN if unseen < self._lost_seconds * DOUBT_SHARE else State.DOUBT

    def _beats(self, sights: Mapping[str, Sight]) -> bool:
        new = {
            way: sight.mark
            for way, sight in sights.items()
            if sight.mark is not None and not sight.stopped and sight.mark != self._marks.get(way)
        }
        self._marks |= new
        return bool(new)

    def _stopped(self, sights: Mapping[str, Sight], beat: bool) -> bool:
        """Whether it says so, and is right: who goes on beating beside its own last word has begun anew."""
        word = next((sight.mark for sight in sights.values() if sight.stopped), None)
        # At the first look the beats may be from just before it.
        if beat and word is not None and word == self._last_word:
            self._refuted = word
        self._last_word = word
        return not beat and word is not None and word != self._refuted
