"""How late an answer is: measured, or growing while it does not come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trader.orders.acks import IN_VAIN_SECONDS, Acks

NAMES = ("a", "b", "c", "d")


def test_an_answer_is_as_late_as_it_took_and_told_once() -> None:
    acks = Acks()
    acks.decided("a", 1.0)
    assert acks.latency_seconds(3.0) == pytest.approx(2.0), "it waits"
    acks.answered("a", 5.0)
    assert acks.latency_seconds(5.1) == pytest.approx(4.0)
    assert acks.latency_seconds(5.2) == 0.0


def test_an_answer_between_two_looks_is_not_overlooked() -> None:
    acks = Acks()
    acks.decided("a", 0.0)
    acks.answered("a", 6.0)
    acks.decided("b", 6.0)
    acks.answered("b", 6.1)
    assert acks.latency_seconds(6.2) == pytest.approx(6.0)


def test_an_answer_waited_for_in_vain_grows_until_a_later_order_is_answered() -> None:
    acks = Acks()
    acks.decided("a", 0.0)
    acks.lost("a", 2.0)
    assert acks.latency_seconds(4.0) == pytest.approx(4.0)
    acks.decided("b", 4.0)
    acks.answered("b", 4.1)
    assert acks.latency_seconds(9.0) == pytest.approx(0.1), "the venue answers again"


def test_the_answer_of_an_earlier_order_says_nothing_of_a_later_one() -> None:
    acks = Acks()
    acks.decided("a", 0.0)
    acks.decided("b", 0.5)
    acks.lost("b", 2.5)
    acks.answered("a", 3.0)
    assert acks.latency_seconds(6.0) == pytest.approx(5.5)


def test_a_connection_that_breaks_is_no_latency() -> None:
    acks = Acks()
    acks.decided("a", 0.0)
    acks.lost("a", IN_VAIN_SECONDS / 2)
    acks.decided("b", 0.0)
    acks.unsent("b")
    assert acks.latency_seconds(60.0) == 0.0


def test_what_was_never_decided_is_passed_over() -> None:
    acks = Acks()
    acks.answered("x", 1.0)
    acks.lost("x", 1.0)
    acks.unsent("x")
    assert acks.latency_seconds(2.0) == 0.0


@given(st.lists(st.tuples(st.sampled_from(("answered", "lost", "unsent")), st.floats(0, 20)), max_size=4))
def test_whoever_waits_is_counted_in_full(ends: list[tuple[str, float]]) -> None:
    """Against the definition, for orders that were decided together at 0."""
    acks, waiting, slowest = Acks(), dict.fromkeys(NAMES, False), 0.0
    for name in NAMES:
        acks.decided(name, 0.0)
    for name, (end, at) in zip(NAMES, sorted(ends, key=lambda pair: pair[1]), strict=False):
        if end == "answered":
            acks.answered(name, at)
            slowest = max(slowest, at)
            waiting = {n: lost for n, lost in waiting.items() if n != name and not lost}
        elif end == "lost":
            acks.lost(name, at)
            if at < IN_VAIN_SECONDS:
                del waiting[name]
            else:
                waiting[name] = True
        else:
            acks.unsent(name)
            del waiting[name]
    assert acks.latency_seconds(30.0) == (30.0 if waiting else slowest)
