"""What is reported, and how often. Pure: time and chance are arguments."""

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

# A line about these is reported each time, at every sampling: orders, the account's money, what stops
# trading.
MONEY: Final = re.compile(
    r"order|cancel|fills?_|kill|latch|daily_loss|reconcil|difference|contradiction|journal|dead_man|baseline|drain|not_clean"
    r"|panic|peer_|crash|state_file|started_again"
)
FEED: Final = re.compile(r"stream|quotes|connection|disconnect|reconnect|clock|request")
LIBRARY: Final = "library"

# The share of each kind that is reported where the settings do not say.
SHARES: Final[Mapping[str, float]] = {"money": 1.0, "feed": 1.0, "library": 1.0, "other": 1.0}
PRODUCTION: Final[Mapping[str, float]] = {**SHARES, "feed": 0.25, "library": 0.25}

BURST: Final = 10
WINDOW_SECONDS: Final = 300.0
KEPT: Final = 1_000  # fingerprints; the one that was seen longest ago is forgotten


def kind_of(name: str) -> str:
    """money, feed, library or other, of an event's name."""
    if name == LIBRARY:
        return "library"
    if MONEY.search(name):
        return "money"
    return "feed" if FEED.search(name) else "other"


def is_reported(name: str, level: str) -> bool:
    """Errors are, and warnings about money; the rest are breadcrumbs."""
    return level in ("error", "critical") or (level == "warning" and kind_of(name) == "money")


def shares(environment: str, given: Mapping[str, float]) -> dict[str, float]:
    """The share of each kind that is reported, 0 to 1; money is always 1.

    Args:
        environment: "production" reports less of what comes in floods.
        given: shares that the settings say.
    """
    found = {**(PRODUCTION if environment == "production" else SHARES), **given}
    return found | {"money": 1.0}


class Storms:
    """So many events of one fingerprint in a window: a storm is one issue and not a bill."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, ...], tuple[float, int]] = OrderedDict()

    def passes(self, fingerprint: tuple[str, ...], now: float) -> tuple[bool, int]:
        """Whether it may go out, and how many of its kind were held back in the window before.

        Args:
            now: monotonic seconds.
        """
        begin, count = self._seen.pop(fingerprint, (now, 0))
        held_back = 0
        if now - begin >= WINDOW_SECONDS:
            held_back, begin, count = max(0, count - BURST), now, 0
        self._seen[fingerprint] = (begin, count + 1)
        if len(self._seen) > KEPT:
            self._seen.popitem(last=False)
        return count < BURST, held_back
