"""The exposure-share test: of all events, do the canaries have more than their share?

Without an effect each event falls on a canary with the canaries' share of the exposure (orders, time). The
ratio of the two rates has a confidence sequence by the Beta-binomial mixture, valid at every look.
"""

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaln

from ops.canary.statistics.interval import Interval, unknown
from ops.canary.statistics.level import Series

# Krichevsky-Trofimov: loses half a logarithm of n against knowing the rate.
_PRIOR = 0.5
_EDGE = 1e-12


def ratio(events: float, others: float, share: float, alpha: float, clumping: float = 1.0) -> Interval:
    """Rate on the canaries as a multiple of the controls' rate.

    Args:
        events: on the canaries.
        others: events on the controls.
        share: the canaries' part of the exposure, between 0 and 1.
        alpha: probability that the intervals of any looks miss the ratio.
        clumping: how many events come together (`clumping`); so many are worth one.
    Source:
        M. Lindon, A. Malek, Anytime-valid inference for multinomial count data, NeurIPS 2022; the two-cell
        form.
    """
    total = (events + others) / clumping
    if not 0 < share < 1 or total <= 0:
        return unknown(1.0, events + others)
    mine = events / clumping
    evidence = float(betaln(_PRIOR + mine, _PRIOR + total - mine) - betaln(_PRIOR, _PRIOR))

    def excess(theta: float) -> float:
        return evidence - mine * math.log(theta) - (total - mine) * math.log1p(-theta) + math.log(alpha)

    middle = min(max(mine / total, _EDGE), 1 - _EDGE)
    low = float(brentq(excess, _EDGE, middle)) if mine > 0 and excess(_EDGE) > 0 else 0.0
    high = float(brentq(excess, middle, 1 - _EDGE)) if mine < total and excess(1 - _EDGE) > 0 else 1.0

    def multiple(theta: float) -> float:
        return math.inf if theta >= 1 else theta / (1 - theta) * (1 - share) / share

    return Interval(multiple(middle), multiple(low), multiple(high), 1.0, events + others, total)


def most(events: float, exposure: float, guess: float, alpha: float, clumping: float = 1.0) -> float:
    """Upper end of a rate's confidence sequence, in events per unit of exposure.

    Args:
        events, exposure: of the canaries.
        guess: a rate, fixed beforehand, near which the interval is to be short.
        alpha, clumping: as for `ratio`.
    Source:
        the Gamma mixture for Poisson counts; S. Howard, A. Ramdas et al., Time-uniform Chernoff bounds
        (2020).
    """
    if exposure <= 0:
        return math.inf
    seen, length = events / clumping, exposure  # in clumps
    weight = _PRIOR / (guess / clumping)

    def excess(rate: float) -> float:
        prior = _PRIOR * math.log(weight) - math.lgamma(_PRIOR)
        posterior = (_PRIOR + seen) * math.log(weight + length) - math.lgamma(_PRIOR + seen)
        return prior - posterior + rate * length - seen * math.log(rate) + math.log(alpha)

    start = max(seen, 1e-9) / length
    high = start * 2 + 1 / length
    while excess(high) < 0:
        high *= 2
    return clumping * (float(brentq(excess, start, high)) if excess(start) < 0 else start)


def clumping(counts: Series, exposures: Series) -> float:
    """Variance of the counts of blocks as a multiple of what chance alone makes, at least 1.

    Args:
        counts, exposures: of hosts without the release, hosts x blocks.
    Source:
        the quasi-Poisson dispersion: Pearson's chi-square by its degrees of freedom; McCullagh and Nelder,
        Generalized Linear Models, 6.2.
    """
    wanted = np.isfinite(counts) & np.isfinite(exposures) & (exposures > 0)
    free = int(wanted.sum()) - 1
    total = float(counts[wanted].sum())
    if free < 1 or total <= 0:
        return 1.0
    expected = exposures[wanted] * (total / float(exposures[wanted].sum()))
    chi_square = float(((counts[wanted] - expected) ** 2 / expected).sum())
    return max(1.0, chi_square / free)
