"""Our clock against the venue's: the estimate is right within its uncertainty; only a good clock is OK."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trader.venue.clock import Reading, Sample, VenueClock, Verdict, take_sample

MS_NS = 1_000_000
SECOND_NS = 1_000 * MS_NS
BORN_NS = 1_700_000_000 * SECOND_NS


class World:
    """A venue and a host whose clocks are set at will; time passes only when told."""

    def __init__(self, behind_ms: float = 0) -> None:
        self.monotonic_ns = 5 * SECOND_NS
        self.behind_ns = int(behind_ms * MS_NS)  # of the local wall clock

    def now(self) -> Reading:
        return Reading(BORN_NS + self.monotonic_ns - self.behind_ns, self.monotonic_ns)

    def sample(self, there_ms: float = 1, back_ms: float = 1) -> Sample:
        sent_ns = self.monotonic_ns
        self.monotonic_ns += int(there_ms * MS_NS)
        server_ms = (BORN_NS + self.monotonic_ns) // MS_NS
        self.monotonic_ns += int(back_ms * MS_NS)
        return Sample(sent_ns, server_ms, self.monotonic_ns)

    def add_to(self, clock: VenueClock, *delays_ms: float) -> Verdict:
        sample = self.sample(*delays_ms)
        return clock.add(sample, self.now())


DELAY_MS = st.floats(0, 2_000)
BEHIND_MS = st.floats(-10_000, 10_000)


@given(st.lists(st.tuples(DELAY_MS, DELAY_MS, st.floats(0, 9_000), BEHIND_MS), min_size=1, max_size=20))
def test_the_true_offset_is_within_the_uncertainty(steps: list[tuple[float, float, float, float]]) -> None:
    """Whatever the network does, and however often the local clock is set."""
    world, clock, trips = World(), VenueClock(), list[float]()
    for there_ms, back_ms, pause_ms, behind_ms in steps:
        world.behind_ns = int(behind_ms * MS_NS)
        world.add_to(clock, there_ms, back_ms)
        trips.append(there_ms + back_ms)
        world.monotonic_ns += int(pause_ms * MS_NS)
        estimate = clock.estimate(world.now())
        assert estimate is not None
        assert abs(estimate.offset_ns - world.behind_ns) <= estimate.uncertainty_ns
        assert estimate.uncertainty_ns <= (min(trips[-4:]) / 2 + 0.5) * MS_NS + 1, (
            "the best of the last is used"
        )


def test_a_good_clock() -> None:
    world, clock = World(behind_ms=100), VenueClock()
    assert clock.check(world.now()) is Verdict.UNKNOWN
    assert world.add_to(clock) is Verdict.OK
    assert world.add_to(clock, 300, 1) is Verdict.OK


@pytest.mark.parametrize("behind_ms", [-600, 600])
def test_it_halts_at_the_limit_and_clears_below_it_after_some_samples(behind_ms: float) -> None:
    world, clock = World(behind_ms), VenueClock(limit_ms=500, clear_ms=250, clear_samples=3)
    assert world.add_to(clock) is Verdict.BEYOND
    world.behind_ns = 400 * MS_NS * (1 if behind_ms > 0 else -1)
    assert [world.add_to(clock) for _ in range(5)] == [Verdict.BEYOND] * 5, "not yet low enough"
    world.behind_ns = 200 * MS_NS
    assert [world.add_to(clock) for _ in range(2)] == [Verdict.BEYOND] * 2
    world.behind_ns = 400 * MS_NS
    assert world.add_to(clock) is Verdict.BEYOND, "the count begins anew"
    world.behind_ns = 200 * MS_NS
    verdicts = [world.add_to(clock) for _ in range(3)]
    assert verdicts == [Verdict.BEYOND, Verdict.BEYOND, Verdict.OK]
    world.behind_ns = 400 * MS_NS
    assert world.add_to(clock) is Verdict.OK, "between the bounds it stays as it is"


def test_a_step_of_the_local_clock_is_told_and_judged_before_the_next_sample() -> None:
    steps: list[int] = []
    world, clock = World(), VenueClock(step_ms=50, stepped=steps.append)
    assert [world.add_to(clock) for _ in range(3)] == [Verdict.OK] * 3
    world.behind_ns = 40 * MS_NS
    assert clock.check(world.now()) is Verdict.OK
    assert steps == []
    world.behind_ns -= 2_000 * MS_NS
    assert clock.check(world.now()) is Verdict.BEYOND
    assert clock.check(world.now()) is Verdict.BEYOND
    assert steps == [2_000]
    world.behind_ns = 0
    assert clock.check(world.now()) is Verdict.BEYOND, "samples must show that it is right again"
    assert steps == [2_000, -1_960]
    assert [world.add_to(clock) for _ in range(3)] == [Verdict.BEYOND, Verdict.BEYOND, Verdict.OK]


def test_without_samples_it_becomes_unknown() -> None:
    world, clock = World(), VenueClock(stale_seconds=60)
    world.add_to(clock)
    world.monotonic_ns += 60 * SECOND_NS
    assert clock.check(world.now()) is Verdict.OK
    world.monotonic_ns += 1
    assert clock.check(world.now()) is Verdict.UNKNOWN
    assert world.add_to(clock) is Verdict.OK


def test_beyond_is_not_forgotten_while_it_is_unknown() -> None:
    world, clock = World(behind_ms=600), VenueClock()
    world.add_to(clock)
    world.monotonic_ns += 61 * SECOND_NS
    assert clock.check(world.now()) is Verdict.UNKNOWN
    world.behind_ns = 0
    assert world.add_to(clock) is Verdict.BEYOND


def test_a_sample_that_took_too_long_proves_nothing() -> None:
    world, clock = World(), VenueClock(limit_ms=500)
    assert world.add_to(clock, 1_400, 0) is Verdict.UNKNOWN
    assert world.add_to(clock, 1, 1) is Verdict.OK


def test_samples_that_contradict_each_other_start_anew() -> None:
    """The venue's clock was set: the old samples, however exact, tell of what is over."""
    world, clock = World(), VenueClock()
    world.add_to(clock, 0, 0)
    late = world.sample(5, 5)
    verdict = clock.add(Sample(late.sent_ns, late.server_ms + 700, late.received_ns), world.now())
    assert verdict is Verdict.BEYOND


async def test_a_sample_is_taken_around_the_question() -> None:
    asked_ns: list[int] = []

    async def ask() -> int:
        asked_ns.append(time.monotonic_ns())
        return 1_700_000_000_000

    sample = await take_sample(ask)
    assert sample.sent_ns <= asked_ns[0] <= sample.received_ns
    assert sample.server_ms == 1_700_000_000_000


def test_a_reading_is_of_both_clocks() -> None:
    before = time.time_ns(), time.monotonic_ns()
    reading = Reading.take()
    assert before[0] <= reading.wall_ns <= time.time_ns()
    assert before[1] <= reading.monotonic_ns <= time.monotonic_ns()
