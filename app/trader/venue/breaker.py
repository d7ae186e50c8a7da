"""Circuit breaker per endpoint: after failures or slow answers requests fail at once, until one has tried.

Cancels and kills always pass: a cancel that may fail is better than one that is not sent. What becomes of
them counts. The breaker of one endpoint is pure: time is an argument (monotonic).
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum

import aiohttp

from trader.venue.budget import Priority
from trader.venue.endpoints import Endpoint
from trader.venue.slim_ccxt import errors as ccxt_errors
from trader.venue.wire_errors import BreakerOpenError, LostAnswerError, NotSentError, RefusedError

SECOND_NS = 1_000_000_000
REQUEST_TIMEOUT = 408  # Binance's status for "the backend did not answer" (-1007)
CONNECTION_ERRORS = (OSError, TimeoutError, aiohttp.ClientError)
CCXT_CONNECTION_ERRORS = (ccxt_errors.RequestTimeout, ccxt_errors.ExchangeNotAvailable)


class State(IntEnum):
    """The values are those of the metric."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass(frozen=True, slots=True)
class Rules:
    """When a breaker opens, and for how long.

    Args:
        consecutive_failures: so many in a row open it.
        window_calls, window_seconds: the shares are those of the last so many results, none older than that.
        least_calls: with fewer results no share is judged.
        failed_share: of the results; from there on it opens.
        slow_seconds: an answer that takes longer is slow.
        slow_share: of the results; from there on it opens.
        open_seconds: how long it stays open before one request may try.
    """

    consecutive_failures: int = 5
    window_calls: int = 20
    window_seconds: float = 60.0
    least_calls: int = 10
    failed_share: float = 0.5
    slow_seconds: float = 1.0
    slow_share: float = 0.8
    open_seconds: float = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """One request that was let through; `opened` is how often the breaker had opened by then."""

    opened: int


@dataclass(frozen=True, slots=True)
class _Result:
    at_ns: int
    failed: bool
    slow: bool


class Breaker:
    """The breaker of one endpoint.

    Args:
        changed: called with the new state.
    """

    def __init__(self, rules: Rules, changed: Callable[[State], None] = lambda state: None) -> None:
        self._rules = rules
        self._changed = changed
        self._results: deque[_Result] = deque(maxlen=rules.window_calls)
        self._failures = 0
        self._opened = 0
        self._opened_ns: int | None = None
        self._probe: Pass | None = None
        self._told = State.CLOSED

    def state(self, now_ns: int) -> State:
        """Closed; open; or half-open: one request may try, or is trying."""
        if self._opened_ns is None:
            return State.CLOSED
        waited = now_ns - self._opened_ns >= self._rules.open_seconds * SECOND_NS
        return State.HALF_OPEN if waited else State.OPEN

    def admit(self, always: bool, now_ns: int) -> Pass:
        """Let a request through.

        Args:
            always: it passes whatever the state is.

        Raises:
            BreakerOpenError: it may not be sent.
        """
        state = self.state(now_ns)
        self._tell(state)
        granted = Pass(self._opened)
        if state is State.CLOSED or always:
            return granted
        if state is State.OPEN or self._probe is not None:
            raise BreakerOpenError("the endpoint has failed or was slow too often, it is left alone for now")
        self._probe = granted
        return granted

    def record(self, granted: Pass, failed: bool, seconds: float, now_ns: int) -> None:
        """What became of a request that was let through, after how long."""
        self._free(granted)
        if granted.opened != self._opened:
            return  # sent before the breaker opened: the trouble that it tells of is known
        result = _Result(now_ns, failed, seconds > self._rules.slow_seconds)
        if self._opened_ns is not None:
            if failed or result.slow:
                self._open(now_ns)
            else:
                self._close()
            return
        self._results.append(result)
        self._failures = self._failures + 1 if failed else 0
        if self._too_bad(now_ns):
            self._open(now_ns)

    def abandon(self, granted: Pass) -> None:
        """The request was given up before anything could be known of it."""
        self._free(granted)

    def _free(self, granted: Pass) -> None:
        if self._probe is granted:
            self._probe = None

    def _too_bad(self, now_ns: int) -> bool:
        if self._failures >= self._rules.consecutive_failures:
            return True
        since_ns = now_ns - self._rules.window_seconds * SECOND_NS
        recent = [result for result in self._results if result.at_ns >= since_ns]
        if len(recent) < self._rules.least_calls:
            return False
        failed = sum(result.failed for result in recent) / len(recent)
        slow = sum(result.slow for result in recent) / len(recent)
        return failed >= self._rules.failed_share or slow >= self._rules.slow_share

    def _open(self, now_ns: int) -> None:
        self._opened += 1
        self._opened_ns = now_ns
        self._probe = None
        self._tell(State.OPEN)

    def _close(self) -> None:
        self._opened_ns = None
        self._probe = None
        self._results.clear()
        self._failures = 0
        self._tell(State.CLOSED)

    def _tell(self, state: State) -> None:
        if state is not self._told:
            self._told = state
            self._changed(state)


class Breakers:
    """One breaker for each endpoint, with a clock.

    Args:
        changed: called with the endpoint and its new state.
    """

    def __init__(
        self,
        rules: Rules,
        changed: Callable[[Endpoint, State], None] = lambda endpoint, state: None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._rules = rules
        self._clock_ns = clock_ns

        def tell(endpoint: Endpoint) -> Callable[[State], None]:
            return lambda state: changed(endpoint, state)

        self._breakers = {endpoint: Breaker(rules, tell(endpoint)) for endpoint in Endpoint}

    @contextmanager
    def call(self, endpoint: Endpoint, priority: Priority) -> Iterator[None]:
        """Around one request, once it has its place in the budget; takes its result from how the block ends.

        Raises:
            BreakerOpenError: the block was not entered, nothing was sent.
        """
        breaker, began_ns = self._breakers[endpoint], self._clock_ns()
        granted = breaker.admit(priority <= Priority.CANCEL, began_ns)

        def record(failed: bool) -> None:
            now_ns = self._clock_ns()
            breaker.record(granted, failed, (now_ns - began_ns) / SECOND_NS, now_ns)

        try:
            yield
        except Exception as error:
            if isinstance(error, NotSentError):
                breaker.abandon(granted)
            else:
                record(is_failure(error))
            raise
        except BaseException:
            # Cancelled. If it had waited long, that is a slow answer, whoever lost patience.
            if self._clock_ns() - began_ns > self._rules.slow_seconds * SECOND_NS:
                record(failed=True)
            else:
                breaker.abandon(granted)
            raise
        record(failed=False)

    def states(self) -> dict[Endpoint, State]:
        """For metrics."""
        now_ns = self._clock_ns()
        return {endpoint: breaker.state(now_ns) for endpoint, breaker in self._breakers.items()}


def is_failure(error: BaseException) -> bool:
    """Whether an error says that the endpoint does not work: no answer, or 5xx. A refusal is an answer."""
    if isinstance(error, LostAnswerError):
        return True
    status = error.status if isinstance(error, RefusedError) else getattr(error, "http_status", None)
    if status is not None:
        return bool(status >= 500 or status == REQUEST_TIMEOUT)
    if isinstance(error, CCXT_CONNECTION_ERRORS):
        return True
    # ccxt wraps what aiohttp raises, a truncated answer even in a plain ExchangeError.
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, CONNECTION_ERRORS):
        cause = cause.__cause__
    return cause is not None
