"""A study of the canary's judge by simulation: how often it turns back what is good, and finds what is bad.

Each rollout goes through the phases of the usual plan (10, 25, 50, 75, 100 % with half an hour's soak, an
hour at most), on hosts that differ for good, share the market's shocks, and have noise of their own that
remembers itself. It is judged by the very functions that judge a rollout (ops.canary.contrast).
"""

import functools
import math
import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass

import click
import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from ops.bench import kayenta
from ops.bench.figures import Figure
from ops.canary.contrast import judge_count, judge_level
from ops.canary.judge import overall
from ops.canary.layout import Share, lay_out
from ops.canary.plan import Contrast

Array = NDArray[np.float64]

BUDGET = 0.05
STEP_SECONDS = 15
_BEFORE = 3600 // STEP_SECONDS
_SOAK = 1800 // STEP_SECONDS
_LONGEST = 2 * _SOAK
_SHARES = [Share(percent, None, 1800, 3600, 1.0) for percent in (10, 25, 50, 75, 100)]
# Noise on the logarithm of the latency: the hosts' own, the market's, and how much hosts differ for good.
_OWN, _MARKET, _OFFSET = 0.1, 0.15, 0.3
_ORDERS = 2 * STEP_SECONDS  # a host's in one step
_ERRORS = 0.005  # of the orders
_ERROR_OFFSET = 0.2
_LATENCY = Contrast("latency", "", "level", "", None, None, 0.2)
_COUNT = Contrast("errors", "", "count", "", "", 0.01, 1.5)
_FALSE_ALARM_RUNS = 2000
_POWER_RUNS = 200
_FLEETS = (3, 10, 20)


@dataclass(frozen=True)
class Case:
    """One kind of rollout: `latency` and `errors` are what the release multiplies them by."""

    hosts: int
    memory: float
    latency: float = 1.0
    errors: float = 1.0
    beside: bool = False


def judge() -> Sequence[Figure]:
    """The figures of docs/judge.md."""
    figures = []
    with multiprocessing.Pool() as pool:
        for memory in (0.0, 0.3, 0.6, 0.9):
            case = Case(10, memory, beside=True)
            ends = _run(pool, case, _FALSE_ALARM_RUNS)
            what = f"false alarms, 10 hosts, autocorrelation {memory:g}"
            figures.append(Figure(f"{what}", _part(ends, "fail"), "of rollouts", at_most=BUDGET))
            figures.append(Figure(f"{what}, held for a person", _part(ends, "inconclusive"), "of rollouts"))
            figures.append(
                Figure(f"{what}, Mann-Whitney", sum(one[1] for one in ends) / len(ends), "of rollouts")
            )
        for hosts in _FLEETS:
            for name, latency, errors in (
                ("errors x2", 1.0, 2.0),
                ("errors x5", 1.0, 5.0),
                ("latency +10 %", 1.1, 1.0),
                ("latency +30 %", 1.3, 1.0),
                ("latency +100 %", 2.0, 1.0),
            ):
                case = Case(hosts, 0.6, latency, errors, beside=latency > 1)
                ends = _run(pool, case, _POWER_RUNS)
                figures.append(
                    Figure(f"{name}, {hosts} hosts, turned back", _part(ends, "fail"), "of rollouts")
                )
                figures.append(Figure(f"{name}, {hosts} hosts, passed", _part(ends, "pass"), "of rollouts"))
                if case.beside:
                    found = sum(one[1] for one in ends) / len(ends)
                    figures.append(Figure(f"{name}, {hosts} hosts, Mann-Whitney", found, "of rollouts"))
    return figures


def _run(pool: "multiprocessing.pool.Pool", case: Case, runs: int) -> list[tuple[str, bool]]:
    click.echo(
        f"{runs} rollouts on {case.hosts} hosts, autocorrelation {case.memory:g}, "
        f"latency x{case.latency:g}, errors x{case.errors:g}",
        err=True,
    )
    return pool.map(functools.partial(rollout, case), range(runs), chunksize=20)


def _part(ends: Sequence[tuple[str, bool]], verdict: str) -> float:
    return sum(one[0] == verdict for one in ends) / len(ends)


def rollout(case: Case, seed: int) -> tuple[str, bool]:
    """One rollout's end, and whether the Mann-Whitney judge would have turned it back.

    Args:
        case: hosts, noise and effect.
        seed: of its random numbers; the same seed is the same rollout.
    """
    random = np.random.default_rng([seed, case.hosts, round(100 * case.memory)])
    phases, _ = lay_out(_SHARES, tuple(f"h{number}" for number in range(case.hosts)))
    judged = [phase for phase in phases if len(phase.updated) < case.hosts]
    alpha = BUDGET / (2 * len(judged))
    steps = _BEFORE + len(judged) * _LONGEST
    offsets = random.normal(scale=_OFFSET, size=(case.hosts, 1))
    levels = offsets + _OWN * _memory(random, case.memory, (case.hosts, steps))
    levels = np.exp(levels + _MARKET * _memory(random, 0.9, (1, steps))) * 0.02
    rates = _ERRORS * np.exp(random.normal(scale=_ERROR_OFFSET, size=(case.hosts, 1)))
    orders = random.poisson(_ORDERS, size=(case.hosts, steps)).astype(float)
    beside = False
    held = False
    for index, phase in enumerate(judged):
        updated = len(phase.updated)
        start = _BEFORE + index * _LONGEST
        effect = np.ones((case.hosts, 1))
        effect[:updated] = case.latency
        more = np.ones((case.hosts, 1))
        more[:updated] = case.errors
        errors = random.poisson(rates * orders * more).astype(float)
        errors[:, :_BEFORE] = random.poisson(rates * orders[:, :_BEFORE])
        if case.beside:
            points = (levels * effect)[:, start : start + _SOAK]
            beside = beside or kayenta.high(points[:updated].ravel(), points[updated:].ravel())
        verdict = "inconclusive"
        for length in (_SOAK, _LONGEST):
            if verdict == "inconclusive":
                verdict = _look(levels, effect, errors, orders, updated, start, length, alpha)
        if verdict == "fail":
            return "fail", beside
        held = held or verdict == "inconclusive"
    return ("inconclusive" if held else "pass"), beside


def _look(
    levels: Array,
    effect: Array,
    errors: Array,
    orders: Array,
    updated: int,
    start: int,
    length: int,
    alpha: float,
) -> str:
    """The verdict of one look at a soak of so many steps."""

    def split(rows: Array, first: int, count: int) -> tuple[Array, Array]:
        window = rows[:, first : first + count]
        return window[:updated], window[updated:]

    spans = (("before", 0, _BEFORE), ("after", start, length))
    latency = {
        ("query", span): split(levels * effect if span == "after" else levels, first, count)
        for span, first, count in spans
    }
    counts = {
        (field, span): split(rows, first, count)
        for field, rows in (("query", errors), ("exposure_query", orders))
        for span, first, count in spans
    }
    verdicts = (
        judge_level(_LATENCY, latency, alpha)["verdict"],
        judge_count(_COUNT, counts, alpha)["verdict"],
    )
    return overall(verdicts)


def _memory(random: np.random.Generator, memory: float, shape: tuple[int, int]) -> Array:
    """Noise with spread 1 in which a step is worth `memory` of the one before it."""
    warm = 200
    fresh = random.normal(size=(shape[0], shape[1] + warm)) * math.sqrt(1 - memory**2)
    noise: Array = lfilter([1.0], [1.0, -memory], fresh, axis=1)[:, warm:]
    return noise
