"""Difference-in-differences of levels, with a confidence sequence that needs no known variance.

In each step t, d(t) is the mean of the logarithms of the canaries' levels less that of the controls: what
all hosts have in common falls out. The effect is the mean of d after the change less its mean before: what
the hosts differ by for good falls out. What is left depends on itself from step to step, so the steps are
averaged into blocks longer than that memory, which is measured before the change and not guessed.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ops.canary.statistics.interval import Interval, unknown

Series = NDArray[np.float64]
# Prior variance of the effect, in variances of a block: wide, since few blocks are the usual case.
_PRIOR = 10.0
# A correlation below this is none; of few points, one below what chance makes of none.
_FORGOTTEN = 0.1
_CHANCE = 1.64
_MEMORIES = 3


@dataclass(frozen=True)
class Level:
    """The effect on the logarithm of a level."""

    interval: Interval
    block_steps: int
    blocks_before: int
    blocks_after: int


def paired(canaries: Series, controls: Series) -> Series:
    """d(t), without the steps in which any host has no level.

    Args:
        canaries, controls: levels, hosts x steps; NaN where there is none.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = [np.log(np.where(one > 0, one, np.nan)) for one in (canaries, controls)]
    difference = logs[0].mean(axis=0) - logs[1].mean(axis=0)
    kept: Series = difference[np.isfinite(difference)]
    return kept


def block_steps(before: Series) -> int:
    """Steps of a block: three times the lag at which the series has forgotten itself.

    Args:
        before: d(t) before the change.
    """
    n = len(before)
    if n < 4:
        return 1
    centred = before - before.mean()
    power = float(centred @ centred)
    if power == 0:
        return 1
    limit = max(_FORGOTTEN, _CHANCE / math.sqrt(n))
    for lag in range(1, n // 2):
        if float(centred[:-lag] @ centred[lag:]) / power < limit:
            return 1 if lag == 1 else _MEMORIES * (lag - 1)
    return n


def difference(before: Series, after: Series, alpha: float) -> Level:
    """The effect and its interval, valid at every look.

    Args:
        before, after: d(t) before and after the change.
        alpha: probability that the intervals of any looks miss the effect.
    Source:
        the t-test as an e-process by a Gaussian prior on the standardised effect and the right Haar prior on
        location and scale: H. Wang, A. Ramdas, Anytime-valid t-tests and confidence sequences for Gaussian
        means with unknown variance (2025); two samples as in M. Gonen et al., The Bayesian two-sample t test,
        Am. Stat. 59 (2005).
    """
    size = block_steps(before)
    blocks = [_blocks(one, size) for one in (before, after)]
    counts = [len(one) for one in blocks]
    if min(counts) < 1 or sum(counts) < 3:
        return Level(unknown(0.0, float(len(after))), size, counts[0], counts[1])
    estimate = float(blocks[1].mean() - blocks[0].mean())
    free = sum(counts) - 2
    spread = math.sqrt(sum(float(((one - one.mean()) ** 2).sum()) for one in blocks) / free)
    n = counts[0] * counts[1] / sum(counts)
    half = spread / math.sqrt(n) * bound(n, free, alpha)
    interval = Interval(estimate, estimate - half, estimate + half, 0.0, float(len(after)), float(counts[1]))
    return Level(interval, size, counts[0], counts[1])


def bound(n: float, free: int, alpha: float) -> float:
    """The largest |t| that the confidence sequence still covers; infinite where the data are too few.

    Args:
        n: effective number of blocks.
        free: degrees of freedom of the variance.
        alpha: as for `difference`.
    """
    wide = 1 + n * _PRIOR
    ratio = (wide / alpha**2) ** (1 / (free + 1))
    return math.sqrt(free * (ratio - 1) / (1 - ratio / wide)) if ratio < wide else math.inf


def _blocks(series: Series, size: int) -> Series:
    count = len(series) // size
    # The newest steps count; what does not fill a block is the oldest.
    blocks: Series = series[len(series) - count * size :].reshape(count, size).mean(axis=1)
    return blocks
