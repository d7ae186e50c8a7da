"""What trips: at the limit and not below it, once, and again only after the cause has gone."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trader.service.pulse import Pulse, boot_ns
from trader.service.triggers import Age, Drift, Level, Owed, Window

VALUES = st.lists(st.floats(0, 10), max_size=40)
LIMIT = 4.0


def test_a_level_fires_at_its_limit_once_until_it_has_been_at_half() -> None:
    level = Level(LIMIT)
    values = [3.9, 4.0, 9.0, 3.0, 4.0, 2.0, 4.0]
    assert [level.update(value) for value in values] == [False, True, False, False, False, False, True]


@given(VALUES)
def test_a_level_by_its_definition(values: list[float]) -> None:
    level, armed = Level(LIMIT), True
    for value in values:
        assert level.update(value) == (armed and value >= LIMIT)
        armed = value <= LIMIT / 2 or (armed and value < LIMIT)


def test_what_is_not_needed_has_no_age() -> None:
    """A start without a subscription, and a closed market while nothing of ours is out."""
    age = Age(LIMIT)
    assert [age.update(now, 0.0, needed=False) for now in (0.0, 100.0, 1_000.0)] == [None] * 3
    assert age.update(1_000.1, 0.0, needed=True) is None, "it counts from when it is needed"
    assert age.update(1_004.0, 0.0, needed=True) is None
    assert age.update(1_004.2, 0.0, needed=True) == pytest.approx(4.1)


def test_data_that_stays_away_trips_and_data_that_comes_does_not() -> None:
    age = Age(LIMIT)
    assert [age.update(now, now - 0.5, needed=True) for now in range(10)] == [None] * 10
    assert age.update(12.9, 9.0, needed=True) is None
    assert age.update(13.0, 9.0, needed=True) == pytest.approx(4.0)
    assert age.update(20.0, 9.0, needed=True) is None, "once"
    assert age.update(21.0, 20.9, needed=True) is None
    assert age.update(26.0, 21.0, needed=True) == pytest.approx(5.0), "anew after it was fresh"


@given(st.lists(st.tuples(st.floats(0.01, 3), st.booleans(), st.booleans()), max_size=40))
def test_an_age_never_fires_early(steps: list[tuple[float, bool, bool]]) -> None:
    age, now, fresh_at, needed_since = Age(LIMIT), 100.0, 0.0, None
    for seconds, fresh, needed in steps:
        now += seconds
        fresh_at = now if fresh else fresh_at
        needed_since = (now if needed_since is None else needed_since) if needed else None
        fired = age.update(now, fresh_at, needed)
        if fired is not None:
            assert needed_since is not None
            assert fired == pytest.approx(now - max(fresh_at, needed_since))
            assert fired >= LIMIT


def test_the_stream_owes_what_was_sent_and_not_seen() -> None:
    owed = Owed()
    assert owed.age_seconds(50.0, 0.0, None) == 0.0, "no order, nothing owed"
    assert owed.age_seconds(50.0, 49.0, 48.9) == 0.0, "the event may come before the answer"
    assert owed.age_seconds(51.0, 49.0, 50.0) == pytest.approx(1.0)
    assert owed.age_seconds(54.0, 49.0, 53.0) == pytest.approx(4.0), "a later order does not renew it"
    assert owed.age_seconds(54.0, 53.5, 53.0) == 0.0
    assert owed.age_seconds(56.0, 53.5, 55.0) == pytest.approx(1.0), "anew"


def test_a_window_counts_what_lies_in_it() -> None:
    window = Window(3, 10.0)
    assert [window.add(at) for at in (0.0, 5.0, 10.0, 14.9, 15.1, 15.2)] == [
        False,
        False,
        False,  # the first is ten seconds old
        True,
        False,  # spent
        False,
    ]
    assert window.add(16.0)
    window.forget()
    assert not window.add(16.1)


@given(st.lists(st.floats(0, 3), max_size=60), st.integers(1, 5))
def test_a_window_by_its_definition(pauses: list[float], count: int) -> None:
    window, now, kept = Window(count, 6.0), 0.0, list[float]()
    for pause in pauses:
        now += pause
        kept = [at for at in kept if at > now - 6.0] + [now]
        assert window.add(now) == (len(kept) >= count)
        kept = [] if len(kept) >= count else kept


def drift(*values: int | None) -> list[bool]:
    trigger = Drift(Decimal(100), 2)
    return [trigger.update(None if value is None else Decimal(value)) for value in values]


def test_drift_needs_two_comparisons_in_a_row_above_its_limit() -> None:
    assert drift(101, 100, 101, 101) == [False, False, False, True]
    assert drift(101, 0, 101, 0) == [False] * 4


def test_what_cannot_be_valued_is_never_taken_for_small() -> None:
    assert drift(None, None) == [False, True]
    assert drift(150, None) == [False, True]


def test_drift_fires_again_only_after_it_was_small() -> None:
    assert drift(101, 101, 101, 101, 90, 101, 101, 40, 101, 101) == [
        False, True, False, False, False, False, False, False, False, True,
    ]  # fmt: skip


def test_a_pulse_has_no_gap_before_its_first_beat() -> None:
    pulse = Pulse()
    assert pulse.gap_seconds(10**18) == 0.0
    pulse.beat(5 * 10**9)
    assert pulse.gap_seconds(36 * 10**9) == pytest.approx(31.0)


def test_the_clock_counts_what_the_monotonic_one_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks: list[int] = []

    def asked(clock: int) -> int:
        clocks.append(clock)
        return 7

    monkeypatch.setattr("time.clock_gettime_ns", asked)
    assert boot_ns() == 7
    assert clocks == [7], "CLOCK_BOOTTIME of linux/time.h"
