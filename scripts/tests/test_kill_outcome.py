"""What counts as stopped. The wrong kind of mistake here is to say so of a host that is not."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.kill.outcome import HEADINGS, Word, conclude, read_answer, rows
from tests.kill_helpers import LATCH, STOPPED

words = st.one_of(
    st.none(),
    st.builds(
        Word,
        zero=st.booleans(),
        tripped=st.sampled_from([None, True, False]),
        left=st.sampled_from([None, 0, 2]),
        cancelled=st.integers(0, 9),
        problem=st.sampled_from(["", "no"]),
    ),
)


def test_a_whole_answer_is_believed() -> None:
    word = read_answer(["here", '{"event": "x"}', json.dumps(STOPPED)], 0, "")
    assert word == Word(zero=True, tripped=True, left=0, cancelled=3, seconds=0.1)
    assert conclude("a", word, None, 0.5).stopped


def test_an_answer_may_take_many_lines_and_be_followed_by_others() -> None:
    lines = [*json.dumps(STOPPED, indent=2).splitlines(), "Shared connection closed.", ""]
    assert read_answer(lines, 0, "").zero
    assert not read_answer(lines[:-3], 0, "").zero, "cut off"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 1),
        ({"open_orders": 1}, 0),
        ({"open_orders": None}, 0),
        ({"open_orders": "0"}, 0),
        ({"verified_twice": False}, 0),
        ({"verified_twice": 1}, 0),
        ({"verified_twice": None}, 0),
    ],
)
def test_anything_less_than_proof_is_no_zero(changes: dict[str, Any], status: int) -> None:
    word = read_answer([json.dumps(STOPPED | changes)], status, "")
    assert not word.zero
    assert word.problem
    assert not conclude("a", word, None, 0.5).stopped


@pytest.mark.parametrize("lines", [[], ["here"], ["{}"], ["[0]"], ["null"], ['{"open_orders": 0'], ["0"]])
def test_no_answer_is_no_zero(lines: list[str]) -> None:
    assert not read_answer(lines, 0, "").zero


def test_the_last_result_counts() -> None:
    first, second = json.dumps(STOPPED | {"open_orders": 4}), json.dumps(STOPPED)
    assert read_answer([first, second], 0, "").zero
    assert not read_answer([second, first], 0, "").zero


def test_the_problem_is_what_was_said_to_people() -> None:
    said = 'a\ntrader panic: 2 ORDERS ARE STILL OPEN\n{"at_ns": 1, "event": "panic_ended"}\n\n'
    assert read_answer([], 1, said).problem == "trader panic: 2 ORDERS ARE STILL OPEN"
    assert read_answer([], 7, "").problem == "ended with status 7 and no result"


@pytest.mark.parametrize("latch", [None, {}, "tripped", LATCH | {"state": "armed"}, {"state": None}])
def test_without_a_tripped_latch_it_is_not_stopped(latch: Any) -> None:
    outcome = conclude("a", read_answer([json.dumps(STOPPED | {"latch": latch})], 0, ""), None, 0.5)
    assert outcome.took == "host"
    assert not outcome.stopped
    assert "latch" in outcome.problem


def test_the_venue_alone_leaves_the_latch_unknown() -> None:
    lost = Word(problem="ssh: no route")
    outcome = conclude("a", lost, Word(zero=True, left=0, cancelled=5), 1.0)
    assert (outcome.took, outcome.latch, outcome.left, outcome.cancelled) == ("venue", "unknown", 0, 5)
    assert not outcome.stopped
    assert "ssh: no route" in outcome.problem
    assert "disable its API key" in outcome.problem


def test_a_host_that_tripped_and_a_venue_that_is_empty_are_a_stopped_host() -> None:
    half = Word(tripped=True, left=2, cancelled=1, problem="2 orders left")
    assert conclude("a", half, Word(zero=True, left=0, cancelled=2), 1.0).stopped


@given(by_host=words, by_venue=words)
def test_stopped_needs_both_a_zero_and_the_latch(by_host: Word | None, by_venue: Word | None) -> None:
    outcome = conclude("a", by_host, by_venue, 1.0)
    zero = any(word is not None and word.zero for word in (by_host, by_venue))
    tripped = by_host is not None and by_host.tripped is True
    assert outcome.stopped == (zero and tripped)
    assert outcome.fields()["stopped"] == outcome.stopped
    if not outcome.took:
        assert outcome.left != 0 or any(w is not None and w.left == 0 for w in (by_host, by_venue))


def test_the_table_says_what_is_not_known() -> None:
    lost = conclude("a", Word(problem="gone"), None, 1.25).fields()
    assert rows([lost]) == [HEADINGS, ("a", "unknown", "0", "?", "nobody", "1.25", "gone")]
