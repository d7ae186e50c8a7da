"""The table is monotone: whatever is told, in whatever order, nothing that is closed comes alive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trader.model.transitions import (
    FINAL,
    IN_FLIGHT,
    TRANSITIONS,
    WORKING,
    OrderState,
    Signal,
    Verdict,
    step,
)

NAMED_CORRECTIONS = {
    (OrderState.CANCELED, OrderState.FILLED),
    (OrderState.EXPIRED, OrderState.FILLED),
}


def test_every_state_is_of_one_kind_and_in_the_table() -> None:
    assert set(TRANSITIONS) == set(OrderState)
    assert set(OrderState) == FINAL | WORKING | IN_FLIGHT
    assert not FINAL & WORKING
    assert not (FINAL | WORKING) & IN_FLIGHT


def test_the_only_ways_out_of_a_final_state_are_the_named_corrections() -> None:
    ways = {(state, target) for state in FINAL for target in TRANSITIONS[state].values()}
    assert ways == NAMED_CORRECTIONS


@given(st.lists(st.sampled_from(Signal)))
def test_no_final_state_becomes_live_again(signals: list[Signal]) -> None:
    state = OrderState.PENDING
    for signal in signals:
        after, verdict = step(state, signal)
        assert (verdict is Verdict.MOVED) == (signal in TRANSITIONS[state])
        if state in FINAL and after is not state:
            assert (state, after) in NAMED_CORRECTIONS
        if state not in IN_FLIGHT:
            assert after not in IN_FLIGHT, "a proven order never becomes unproven"
        state = after


@given(st.sampled_from(OrderState), st.sampled_from(Signal))
def test_the_same_signal_twice_is_the_same_as_once(state: OrderState, signal: Signal) -> None:
    once, _ = step(state, signal)
    twice, _ = step(once, signal)
    assert once is twice


@pytest.mark.parametrize("signal", [Signal.OPENED, Signal.PARTLY_FILLED, Signal.FILLED, Signal.CANCELED])
def test_a_rejected_order_that_the_venue_has_is_a_contradiction(signal: Signal) -> None:
    assert step(OrderState.REJECTED, signal) == (OrderState.REJECTED, Verdict.CONTRADICTION)


def test_absence_proves_nothing_about_an_order_that_was_seen() -> None:
    assert step(OrderState.OPEN, Signal.ABSENT) == (OrderState.OPEN, Verdict.UNCHANGED)
    assert step(OrderState.UNKNOWN, Signal.ABSENT) == (OrderState.REJECTED, Verdict.MOVED)
