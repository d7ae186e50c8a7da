"""The circuit breaker: opens on failures and slow answers, lets one try again, never stops a cancel."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from trader.venue.breaker import Breaker, Breakers, Pass, Rules, State, is_failure
from trader.venue.budget import Priority
from trader.venue.endpoints import Endpoint
from trader.venue.slim_ccxt import errors
from trader.venue.wire_errors import (
    BreakerOpenError,
    BudgetError,
    LostAnswerError,
    NotSentError,
    RefusedError,
)

SECOND_NS = 1_000_000_000
RULES = Rules(
    consecutive_failures=3,
    window_calls=6,
    window_seconds=30,
    least_calls=4,
    failed_share=0.5,
    slow_seconds=1,
    slow_share=0.75,
    open_seconds=5,
)
GOOD, SLOW, FAILED = (False, 0.1), (False, 2.0), (True, 0.1)
RESULTS = st.sampled_from([GOOD, SLOW, FAILED])


class BreakerMachine(RuleBasedStateMachine):
    """Any requests, forced or not, that end well, slowly, badly or never, at any time and in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[State] = []
        self.breaker = Breaker(RULES, self.told.append)
        self.now_ns = SECOND_NS
        self.flying: list[tuple[Pass, int, bool]] = []  # the pass, how often it had opened, whether it probes
        self.opened = 0
        self.opened_ns: int | None = None
        self.results: list[tuple[int, bool, float]] = []

    @property
    def state(self) -> State:
        if self.opened_ns is None:
            return State.CLOSED
        return State.HALF_OPEN if self.now_ns - self.opened_ns >= 5 * SECOND_NS else State.OPEN

    def probing(self) -> bool:
        return any(probe and opened == self.opened for _, opened, probe in self.flying)

    @rule(milliseconds=st.integers(1, 6_000))
    def wait(self, milliseconds: int) -> None:
        self.now_ns += milliseconds * 1_000_000

    @rule()
    def forced(self) -> None:
        self.flying.append((self.breaker.admit(True, self.now_ns), self.opened, False))

    @rule()
    def ordinary(self) -> None:
        state = self.state
        if state is State.OPEN or (state is State.HALF_OPEN and self.probing()):
            with pytest.raises(BreakerOpenError):
                self.breaker.admit(False, self.now_ns)
        else:
            granted = self.breaker.admit(False, self.now_ns)
            self.flying.append((granted, self.opened, state is State.HALF_OPEN))

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.flying))
        self.flying.remove(entry)
        self.breaker.abandon(entry[0])

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), result=RESULTS)
    def end(self, data: st.DataObject, result: tuple[bool, float]) -> None:
        entry = data.draw(st.sampled_from(self.flying))
        self.flying.remove(entry)
        self.breaker.record(entry[0], *result, self.now_ns)
        if entry[1] == self.opened:
            self.count(*result)

    @rule(results=st.lists(RESULTS, min_size=1, max_size=6))
    def many(self, results: list[tuple[bool, float]]) -> None:
        for result in results:
            self.breaker.record(self.breaker.admit(True, self.now_ns), *result, self.now_ns)
            self.count(*result)

    def count(self, failed: bool, seconds: float) -> None:
        bad = failed or seconds > 1
        if self.opened_ns is None:
            self.results.append((self.now_ns, failed, seconds))
            bad = self.too_bad()
        if bad:
            self.opened, self.opened_ns = self.opened + 1, self.now_ns
        elif self.opened_ns is not None:
            self.opened_ns, self.results = None, []
            self.flying = [(granted, opened, False) for granted, opened, _ in self.flying]

    def too_bad(self) -> bool:
        if len(self.results) >= 3 and all(failed for _, failed, _ in self.results[-3:]):
            return True
        recent = [r for r in self.results[-6:] if r[0] >= self.now_ns - 30 * SECOND_NS]
        failed = [r for r in recent if r[1]]
        slow = [r for r in recent if r[2] > 1]
        return len(recent) >= 4 and (2 * len(failed) >= len(recent) or 4 * len(slow) >= 3 * len(recent))

    @invariant()
    def as_it_should_be(self) -> None:
        assert self.breaker.state(self.now_ns) is self.state

    @invariant()
    def each_change_is_told_once(self) -> None:
        assert all(a is not b for a, b in zip(self.told, self.told[1:], strict=False))


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)


class Clock:
    def __init__(self) -> None:
        self.now_ns = SECOND_NS

    def __call__(self) -> int:
        return self.now_ns

    def spend(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND_NS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def run(
    breakers: Breakers,
    error: BaseException | None,
    priority: Priority = Priority.NEW,
    spend: Callable[[], None] = lambda: None,
) -> None:
    with breakers.call(Endpoint.PLACE, priority):
        spend()
        if error is not None:
            raise error


def open_by_failures(breakers: Breakers) -> None:
    for _ in range(3):
        with pytest.raises(LostAnswerError):
            run(breakers, LostAnswerError("no answer"))


def test_it_opens_tries_once_and_closes(clock: Clock) -> None:
    told: list[tuple[Endpoint, State]] = []
    breakers = Breakers(RULES, lambda endpoint, state: told.append((endpoint, state)), clock)
    open_by_failures(breakers)
    assert breakers.states()[Endpoint.PLACE] is State.OPEN
    assert breakers.states()[Endpoint.CANCEL] is State.CLOSED, "each endpoint has its own"
    with pytest.raises(NotSentError):
        run(breakers, AssertionError("the block must not be entered"))
    clock.now_ns += 5 * SECOND_NS
    assert breakers.states()[Endpoint.PLACE] is State.HALF_OPEN
    with breakers.call(Endpoint.PLACE, Priority.NEW), pytest.raises(BreakerOpenError):
        run(breakers, None)
    assert told == [
        (Endpoint.PLACE, State.OPEN),
        (Endpoint.PLACE, State.HALF_OPEN),
        (Endpoint.PLACE, State.CLOSED),
    ]


@pytest.mark.parametrize("priority", [Priority.KILL, Priority.CANCEL])
def test_cancels_and_kills_pass_and_count(clock: Clock, priority: Priority) -> None:
    breakers = Breakers(RULES, clock_ns=clock)
    open_by_failures(breakers)
    with pytest.raises(BreakerOpenError):
        run(breakers, None, Priority.QUERY)
    with pytest.raises(LostAnswerError):
        run(breakers, LostAnswerError("still nothing"), priority)
    assert breakers.states()[Endpoint.PLACE] is State.OPEN
    run(breakers, None, priority)
    assert breakers.states()[Endpoint.PLACE] is State.CLOSED


def test_slow_answers_open_it(clock: Clock) -> None:
    breakers = Breakers(RULES, clock_ns=clock)
    for _ in range(4):
        with breakers.call(Endpoint.QUERY, Priority.QUERY):
            clock.now_ns += 2 * SECOND_NS
    assert breakers.states()[Endpoint.QUERY] is State.OPEN


def test_refusals_and_what_was_not_sent_do_not_open_it(clock: Clock) -> None:
    breakers = Breakers(RULES, clock_ns=clock)
    for error in [RefusedError(-2010, 400, "no money"), BudgetError("no room")] * 10:
        with pytest.raises(type(error)):
            run(breakers, error)
    assert breakers.states()[Endpoint.PLACE] is State.CLOSED


@pytest.mark.parametrize(("waited_seconds", "state"), [(0.5, State.HALF_OPEN), (2, State.OPEN)])
def test_a_probe_that_is_cancelled(clock: Clock, waited_seconds: float, state: State) -> None:
    breakers = Breakers(RULES, clock_ns=clock)
    open_by_failures(breakers)
    clock.now_ns += 5 * SECOND_NS
    with pytest.raises(asyncio.CancelledError):
        run(breakers, asyncio.CancelledError(), spend=lambda: clock.spend(waited_seconds))
    assert breakers.states()[Endpoint.PLACE] is state
    if state is State.HALF_OPEN:
        run(breakers, None)  # the next one may try


def test_a_probe_that_was_not_sent_leaves_its_place_to_the_next(clock: Clock) -> None:
    breakers = Breakers(RULES, clock_ns=clock)
    open_by_failures(breakers)
    clock.now_ns += 5 * SECOND_NS
    with pytest.raises(NotSentError):
        run(breakers, NotSentError("the connection is down"))
    assert breakers.states()[Endpoint.PLACE] is State.HALF_OPEN
    run(breakers, None)
    assert breakers.states()[Endpoint.PLACE] is State.CLOSED


def with_status(error: Any, status: int) -> BaseException:
    error.http_status = status
    assert isinstance(error, BaseException)
    return error


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (LostAnswerError("gone"), True),
        (RefusedError(-1007, 408, "timeout"), True),
        (RefusedError(-1001, 500, "internal"), True),
        (RefusedError(-2010, 400, "balance"), False),
        (RefusedError(-1003, 429, "too many"), False),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (aiohttp.ServerDisconnectedError(), True),
        (errors.RequestTimeout("slow"), True),
        (errors.ExchangeNotAvailable("away"), True),
        (with_status(errors.ExchangeNotAvailable("bad gateway"), 502), True),
        (with_status(errors.OperationFailed("-1001"), 500), True),
        (with_status(errors.InvalidOrder("price"), 400), False),
        (with_status(errors.ExchangeNotAvailable("odd"), 404), False),
        (with_status(errors.DDoSProtection("too many"), 418), False),
        (caused(errors.ExchangeError("cut"), aiohttp.ClientPayloadError()), True),
        (errors.InsufficientFunds("no"), False),
        (ValueError("not of the wire"), False),
    ],
    ids=repr,
)
def test_what_counts_as_a_failure(error: BaseException, failure: bool) -> None:
    assert is_failure(error) is failure


def test_results_of_long_ago_are_not_judged(clock: Clock) -> None:
    breaker = Breaker(RULES)
    for seconds in (0, 0, 0, 31):
        clock.spend(seconds)
        breaker.record(breaker.admit(False, clock.now_ns), *SLOW, clock.now_ns)
    assert breaker.state(clock.now_ns) is State.CLOSED
