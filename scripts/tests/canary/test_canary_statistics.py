"""The mathematics of the judge: what it must never do by chance, and what it must see."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter

from ops.bench import judge as study
from ops.bench import kayenta
from ops.canary.statistics import level, share
from ops.canary.statistics.interval import Interval, unknown

ALPHA = 0.01


def noise(random: np.random.Generator, memory: float, hosts: int, steps: int) -> level.Series:
    fresh = random.normal(size=(hosts, steps + 100)) * math.sqrt(1 - memory**2)
    made: level.Series = lfilter([1.0], [1.0, -memory], fresh, axis=1)[:, 100:]
    return made


@pytest.mark.parametrize(
    ("interval", "margin", "verdict"),
    [
        (Interval(0.0, -0.1, 0.1, 0.0, 9, 9), 0.2, "pass"),
        (Interval(0.5, 0.3, 0.7, 0.0, 9, 9), 0.2, "fail"),
        (Interval(0.3, 0.1, 0.5, 0.0, 9, 9), 0.2, "fail"),  # harm is certain, and likely too much
        (Interval(0.15, 0.1, 0.25, 0.0, 9, 9), 0.2, "inconclusive"),
        (Interval(0.3, -0.1, 0.7, 0.0, 9, 9), 0.2, "inconclusive"),
        (Interval(1.0, 0.5, 1.9, 1.0, 9, 9), 2.0, "pass"),
        (Interval(2.5, 1.1, 9.0, 1.0, 9, 9), 2.0, "fail"),
        (unknown(0.0), 0.2, "inconclusive"),
        (Interval(0.0, -math.inf, math.inf, 0.0, 9, 9), 0.2, "inconclusive"),
    ],
)
def test_the_three_verdicts(interval: Interval, margin: float, verdict: str) -> None:
    assert interval.verdict(margin) == verdict


def test_what_hosts_share_and_differ_by_falls_out() -> None:
    random = np.random.default_rng(1)
    market = np.exp(random.normal(size=200))
    canaries = np.array([[0.02]]) * market
    controls = np.array([[0.5], [0.01]]) * market
    d = level.paired(canaries, controls)
    assert np.ptp(d) < 1e-9
    d = level.paired(canaries * 1.3, controls)
    assert np.isclose(d[0] - level.paired(canaries, controls)[0], math.log(1.3))


def test_a_step_that_one_host_has_no_level_in_is_left_out() -> None:
    canaries = np.array([[1.0, np.nan, 1.0, 0.0, -1.0]])
    assert len(level.paired(canaries, np.ones((2, 5)))) == 2


@pytest.mark.parametrize("memory", [0.0, 0.6, 0.9])
def test_no_effect_is_seldom_taken_for_one(memory: float) -> None:
    random = np.random.default_rng(7)
    missed = 0
    for _ in range(300):
        d = noise(random, memory, 1, 480)[0]
        found = level.difference(d[:240], d[240:], ALPHA).interval
        missed += not found.lower <= 0 <= found.upper
    assert missed <= 6  # 3 are what alpha allows, at every look together


def test_blocks_are_longer_than_the_memory() -> None:
    random = np.random.default_rng(3)
    sizes = [
        np.median([level.block_steps(noise(random, memory, 1, 240)[0]) for _ in range(40)])
        for memory in (0.0, 0.6, 0.9)
    ]
    assert sizes[0] == 1
    assert sizes[1] >= 6
    assert sizes[2] >= 24


def test_an_effect_is_found_and_measured() -> None:
    d = noise(np.random.default_rng(5), 0.3, 1, 480)[0] * 0.05
    d[240:] += math.log(1.3)
    found = level.difference(d[:240], d[240:], ALPHA).interval
    assert 0.2 < found.lower < math.log(1.3) < found.upper < 0.32


@pytest.mark.parametrize(("before", "after"), [(0, 9), (9, 0), (1, 1)])
def test_too_few_blocks_say_nothing(before: int, after: int) -> None:
    found = level.difference(np.zeros(before), np.ones(after), ALPHA)
    assert math.isinf(found.interval.upper)
    assert found.interval.verdict(0.2) == "inconclusive"


def test_few_blocks_are_never_better_than_many() -> None:
    bounds = [level.bound(n, free, ALPHA) for n, free in ((0.9, 2), (2.0, 9), (3.0, 15), (20.0, 50))]
    assert math.isinf(bounds[0])
    assert bounds[1] > bounds[2] > bounds[3] > 2.5


def test_a_constant_level_is_judged_by_what_it_is() -> None:
    found = level.difference(np.zeros(50), np.full(20, 0.5), ALPHA).interval
    assert (found.lower, found.upper) == (0.5, 0.5)


@given(st.integers(0, 400), st.integers(0, 400), st.floats(0.05, 0.95))
def test_the_ratio_is_within_its_interval(events: int, others: int, part: float) -> None:
    found = share.ratio(events, others, part, ALPHA)
    if events + others == 0:
        assert math.isnan(found.estimate)
        return
    assert found.lower <= found.estimate <= found.upper
    assert found.lower >= 0


def test_looking_at_every_event_does_not_raise_false_alarms() -> None:
    random = np.random.default_rng(11)
    part, alarms = 1 / 6, 0
    for _ in range(300):
        mine = np.cumsum(random.random(300) < part)
        for n in range(5, 301, 5):
            if share.ratio(float(mine[n - 1]), float(n - mine[n - 1]), part, ALPHA).lower > 1:
                alarms += 1
                break
    assert alarms <= 6


def test_a_few_events_on_the_canaries_alone_are_enough() -> None:
    # 1 canary of 6: four or five, all on it (measured in the literature for the same mixture).
    needed = next(n for n in range(1, 20) if share.ratio(n, 0, 1 / 6, 0.01).lower > 1)
    assert needed in (4, 5)


def test_events_that_come_together_count_once() -> None:
    random = np.random.default_rng(13)
    exposures = np.full((5, 40), 100.0)
    assert share.clumping(random.poisson(2.0, (5, 40)).astype(float), exposures) < 1.4
    bursts = 10.0 * random.poisson(0.2, (5, 40)).astype(float)
    assert share.clumping(bursts, exposures) > 6
    assert share.clumping(np.zeros((5, 40)), exposures) == 1
    alone = share.ratio(40, 40, 0.2, ALPHA)
    together = share.ratio(40, 40, 0.2, ALPHA, clumping=10)
    assert together.lower < alone.lower
    assert together.upper > alone.upper


def test_the_largest_rate_that_few_events_allow() -> None:
    assert share.most(0, 0, 0.01, ALPHA) == math.inf
    none = share.most(0, 2_000, 0.01, ALPHA)
    assert 0.002 < none < 0.01
    assert share.most(0, 20_000, 0.01, ALPHA) < none / 5
    assert share.most(20, 2_000, 0.01, ALPHA) > 0.01


def test_that_rate_is_seldom_exceeded() -> None:
    random = np.random.default_rng(17)
    exceeded = sum(
        share.most(float(random.poisson(0.01 * 1_500)), 1_500, 0.01, 0.05) < 0.01 for _ in range(500)
    )
    assert exceeded <= 25


def test_the_peer_beside_it_sees_a_shift_and_calls_offsets_one() -> None:
    random = np.random.default_rng(19)
    control = random.normal(10, 1, 200)
    assert kayenta.high(random.normal(12, 1, 60), control)
    assert not kayenta.high(random.normal(10, 1, 60), control)


@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_the_study_turns_back_hardly_any_good_release(memory: float) -> None:
    ends = [study.rollout(study.Case(10, memory), seed)[0] for seed in range(40)]
    assert ends.count("fail") <= 2


def test_the_study_finds_bad_releases_and_never_passes_them() -> None:
    for case in (study.Case(10, 0.6, latency=1.3), study.Case(3, 0.6, errors=5.0)):
        ends = [study.rollout(case, seed)[0] for seed in range(20)]
        assert ends.count("fail") >= 18
        assert ends.count("pass") == 0


def test_the_same_seed_is_the_same_rollout() -> None:
    case = study.Case(3, 0.6, latency=1.1)
    assert study.rollout(case, 4) == study.rollout(case, 4)
