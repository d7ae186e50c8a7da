"""The one way to the venue: few requests at a time, silence when the venue wants it, growing patience."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from trader.telemetry.events import Events
from trader.venue.slim_ccxt import errors

T = TypeVar("T")
FIRST_TIMEOUT_MS = 2_000
LONGEST_TIMEOUT_MS = 10_000
FIRST_SILENCE_SECONDS = 0.5  # after a 429 that does not say how long
LONGEST_SILENCE_SECONDS = 8.0
SHORTEST_SILENCE_SECONDS = 0.05  # also where the venue says 0
TOLD_SILENCE_SECONDS = 0.1  # a shorter one is no news
REFUSED_SECONDS = 2.0  # a key that is refused for so long, and never served, is refused for good
_REFUSED_CODES = ('"code":-2014', '"code":-2015')  # ccxt takes these for a ban once the key has worked


class KeyRefusedError(Exception):
    """The venue does not take our key; repeating changes nothing."""


class Line:
    """Sends requests of one ccxt instance.

    The venue's word stops every request: `Retry-After` of a 429 or 418 is kept to the second. A timeout
    doubles the patience with those after it. A clock that the venue calls wrong is set by the venue's own.

    Args:
        together: requests that may be under way at a time.

    Attributes:
        served: requests that the venue served.
        last_limit: what it said when it last refused one for its rate; "" = it has not.
    """

    def __init__(self, exchange: Any, events: Events, together: int) -> None:
        self._exchange = exchange
        self._events = events
        self._free = asyncio.Semaphore(together)
        self._silent_until = 0.0
        self._silence_seconds = FIRST_SILENCE_SECONDS
        self._refused_since: dict[str, float] = {}
        self._timeout_raised = 0.0
        self._clock = asyncio.Lock()
        self._clock_asked = 0.0
        self.served = 0
        self.last_limit = ""
        exchange.timeout = FIRST_TIMEOUT_MS

    @property
    def silent_seconds(self) -> float:
        """How long the venue wants nothing from us."""
        return max(0.0, self._silent_until - asyncio.get_running_loop().time())

    async def send(self, kind: str, request: Callable[[], Awaitable[T]]) -> T:
        """Send one request when its turn has come; again only if the venue refused it for its rate.

        Args:
            kind: what it does; a key may be good for one kind and refused for another.

        Raises:
            KeyRefusedError: the key is refused for good.
            Exception: what ccxt raises.
        """
        async with self._free:
            while True:
                await self._turn()
                began = asyncio.get_running_loop().time()
                try:
                    answer = await request()
                    break
                except errors.InvalidNonce:
                    await self._set_clock(began)
                    raise
                except Exception as error:
                    if not self._is_limited(error):
                        self._learn(kind, error, began)
                        raise
        self.served += 1
        self._refused_since.pop(kind, None)
        self._silence_seconds = FIRST_SILENCE_SECONDS
        return answer

    async def _turn(self) -> None:
        seconds = self.silent_seconds
        if seconds > 0:
            await asyncio.sleep(seconds)
            await self._turn()  # the venue may have asked for more meanwhile

    def _is_limited(self, error: Exception) -> bool:
        """Whether a request was refused for its rate, which says that it was not done; then be silent."""
        told: int | None = getattr(error, "retry_after_seconds", None)
        limited = isinstance(error, errors.DDoSProtection | errors.RateLimitExceeded)
        if _refuses_key(error) or (told is None and not limited):
            return False
        self.last_limit = _line(error)
        if told is None:
            seconds = self._silence_seconds
            self._silence_seconds = min(seconds * 2, LONGEST_SILENCE_SECONDS)
        else:
            seconds = max(float(told), SHORTEST_SILENCE_SECONDS)
        until = asyncio.get_running_loop().time() + seconds
        if until > self._silent_until + TOLD_SILENCE_SECONDS:
            self._events.emit("venue_wants_silence", "warning", seconds=seconds, message=self.last_limit)
        self._silent_until = max(self._silent_until, until)
        return True

    def _learn(self, kind: str, error: Exception, began: float) -> None:
        now = asyncio.get_running_loop().time()
        if _refuses_key(error):
            if now - self._refused_since.setdefault(kind, began) >= REFUSED_SECONDS:
                raise KeyRefusedError(_line(error)) from error
        elif isinstance(error, errors.RequestTimeout) and began >= self._timeout_raised:
            self._timeout_raised = now  # once for all that were under way together
            self._exchange.timeout = min(self._exchange.timeout * 2, LONGEST_TIMEOUT_MS)

    async def _set_clock(self, began: float) -> None:
        """Take the venue's time for ours; requests that began before that fail once more and no further."""
        async with self._clock:
            if self._clock_asked > began:
                return
            self._clock_asked = asyncio.get_running_loop().time()
            try:
                offset_ms = await self._exchange.load_time_difference()
            except Exception as error:  # noqa: BLE001 - the venue's time was only a help
                self._events.error("clock_not_set", error)
                return
        self._events.emit("clock_set", "warning", ahead_ms=offset_ms)


def _refuses_key(error: Exception) -> bool:
    body = str(getattr(error, "http_body", "")).replace(" ", "")
    return isinstance(error, errors.AuthenticationError) or any(code in body for code in _REFUSED_CODES)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
