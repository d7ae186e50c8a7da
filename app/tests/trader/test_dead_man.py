"""When the venue's timer is set, stopped or left, and what is believed of it."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from trader.model.values import TradingState
from trader.orders.gate import Gate
from trader.preflight.checks import Verdict
from trader.preflight.dead_man import dead_man
from trader.service.dead_man_settings import DeadManSettings
from trader.service.dead_man_state import Act, Moment, TimerState, decide
from trader.venue.venues import rule_of

FACTS = ("moves", "tripped", "draining", "trades", "live")


def at(seconds: float) -> Moment:
    return Moment(seconds, 1_700_000_000 + seconds)


@pytest.mark.parametrize("values", list(product([False, True], repeat=len(FACTS))))
def test_what_becomes_of_it(values: tuple[bool, ...]) -> None:
    facts = dict(zip(FACTS, values, strict=True))
    act = decide(**facts)
    if not facts["moves"] or facts["tripped"]:
        assert act is Act.LEAVE, "the venue shall cancel"
    elif facts["live"] or facts["trades"]:
        assert act is Act.SET
    else:
        assert act is (Act.LEAVE if facts["draining"] else Act.STOP)


# -- the venue may have received each request at any moment between its leaving and the end of its life

REQUESTS = st.lists(
    st.tuples(
        st.floats(0, 12),  # pause before it
        st.floats(0, 5),  # until it is answered or given up
        st.sampled_from(["confirmed", "lost", "refused"]),
        st.booleans(),  # a lost one: whether the venue took it
        st.floats(0, 1),  # when the venue took it, as a share of that time
    ),
    max_size=12,
)


class Venue:
    """The timer as the venue has it."""

    def __init__(self) -> None:
        self.due: float | None = None
        self.fired = False  # since the last confirmation

    def runs_to(self, now: float) -> None:
        if self.due is not None and now >= self.due:
            self.due, self.fired = None, True

    def takes(self, now: float) -> None:
        self.runs_to(now)
        self.due = now + 30


@given(requests=REQUESTS, sleep=st.floats(0, 60))
def test_it_never_fires_unnoticed(
    requests: list[tuple[float, float, str, bool, float]], sleep: float
) -> None:
    state, venue, now = TimerState(30), Venue(), 0.0
    for pause, duration, end, taken, share in requests:
        now += pause
        venue.runs_to(now)
        assert state.may_have_fired(at(now)) or not venue.fired
        sent = at(now)
        state.asked(sent)
        if end == "confirmed" or (end == "lost" and taken):
            venue.takes(now + duration * share)
        now += duration
        venue.runs_to(now)
        if end == "confirmed":
            assert state.confirmed(sent, at(now)) or not venue.fired
            venue.fired = False  # told
        else:
            if end == "refused":
                state.refused(sent)
            assert state.may_have_fired(at(now)) or not venue.fired
    venue.runs_to(now + sleep)
    assert state.may_have_fired(at(now + sleep)) or not venue.fired


@given(st.floats(0.001, 29.9))
def test_it_says_for_how_long_it_runs_at_least(seconds: float) -> None:
    state = TimerState(30)
    state.asked(at(0))
    assert (state.seconds_left(at(1)), state.certain(at(1))) == (0, False), "nothing has confirmed it"
    assert not state.confirmed(at(0), at(1))
    assert state.seconds_left(at(seconds)) == pytest.approx(30 - seconds)
    assert state.certain(at(seconds))
    assert (state.seconds_left(at(30)), state.may_have_fired(at(30))) == (0, True)


def test_a_refusal_undoes_only_its_own_request() -> None:
    state = TimerState(30)
    lost, refused = at(0), at(5)
    state.asked(lost)
    state.asked(refused)
    state.refused(refused)
    assert state.may_have_fired(at(30)), "the first one may have been taken"
    state = TimerState(30)
    state.asked(refused)
    state.refused(refused)
    assert state.off
    state.asked(lost)
    state.confirmed(lost, at(1))
    state.refused(lost)
    assert not state.off


def test_a_stop_is_over_when_the_venue_says_so() -> None:
    state = TimerState(30)
    state.asked(at(0))
    state.confirmed(at(0), at(1))
    assert not state.stopped(at(29))
    assert state.off
    assert not state.may_have_fired(at(1_000))


def test_a_sleep_shows_on_either_clock() -> None:
    state = TimerState(30)
    state.asked(Moment(0, 0))
    state.confirmed(Moment(0, 0), Moment(0, 0))
    assert state.may_have_fired(Moment(30, 1)), "suspended"
    assert state.may_have_fired(Moment(1, 30)), "a virtual machine was paused"
    assert not state.may_have_fired(Moment(29, 29))


def test_the_gate_asks_before_every_order() -> None:
    changes: list[tuple[TradingState, dict[str, str]]] = []
    gate = Gate(lambda state, reasons: changes.append((state, reasons)), "starting")
    answer: list[str | None] = [None]
    gate.ask("dead_man", lambda: answer[0])
    gate.clear("start")
    assert not gate.halted
    answer[0] = "it may have fired"
    assert gate.state is TradingState.HALTED
    assert gate.halts == {"dead_man": "it may have fired"}
    assert changes[-1] == (TradingState.HALTED, gate.halts)
    answer[0] = None
    assert gate.halted, "only who has put the question takes the reason away"
    gate.clear("dead_man")
    assert gate.state is TradingState.ACTIVE


# -- settings and preflight


def test_three_calls_must_fit() -> None:
    assert DeadManSettings(timeout_seconds=30, refresh_seconds=10).refresh_seconds == 10
    with pytest.raises(ValidationError, match=r"refresh_seconds: 3 times 10\.1 s do not fit"):
        DeadManSettings(timeout_seconds=30, refresh_seconds=10.1)


def test_what_the_venue_does_not_take_is_named() -> None:
    short = DeadManSettings(timeout_seconds=9, refresh_seconds=3)
    assert short.wrong_at("okx") == "dead_man.timeout_seconds: okx takes 10 to 120"
    assert short.wrong_at("binanceusdm") is None
    assert short.wrong_at("coinbase") is None, "there is none"


@pytest.mark.parametrize(
    ("venue", "symbols", "refresh", "watched_by", "verdict", "words"),
    [
        ("binance", 1, 10, (), Verdict.WARN, "no host watches this one"),
        ("binance", 1, 10, ("trader-02",), Verdict.OK, "watched by trader-02"),
        ("bybit", 1, 10, (), Verdict.WARN, "DCP"),
        ("coinbase", 1, 10, (), Verdict.WARN, "has no timer"),
        ("kraken", 10, 10, (), Verdict.OK, "stays off until it is set again"),
        ("okx", 30, 10, (), Verdict.OK, "has a timer"),
        ("binanceusdm", 10, 10, (), Verdict.OK, "has a timer"),  # 600 of 2400 in a minute
        ("binanceusdm", 11, 10, (), Verdict.WARN, "takes 28% of the rate limit"),
        ("binanceusdm", 11, 20, (), Verdict.OK, "has a timer"),
    ],
)
def test_somebody_must_cancel_when_this_host_is_gone(
    venue: str, symbols: int, refresh: float, watched_by: tuple[str, ...], verdict: Verdict, words: str
) -> None:
    found = dead_man(rule_of(venue), symbols, refresh, watched_by)
    assert (found.verdict, words in found.detail) == (verdict, True), found
    assert bool(found.next_step) is (verdict is Verdict.WARN)
