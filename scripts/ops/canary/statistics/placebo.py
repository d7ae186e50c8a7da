"""Placebo in time: how often had the past, without a release, what the soak has?

It needs no model of the noise: whatever memory or seasons the series has, its earlier windows have them too.
Source: the permutation test over time of the synthetic-control literature; A. Abadie, A. Diamond, J.
Hainmueller,
    Synthetic control methods, JASA 105 (2010).
"""

import numpy as np

from ops.canary.statistics.level import Series


def rank(past: Series, after: Series) -> tuple[float, int]:
    """Part of all windows, the soak among them, in which the level rose as much as in the soak.

    Args:
        past: d(t) before the change, oldest first.
        after: d(t) of the soak.
    Returns:
        The part, and the number of earlier windows; 1 and 0 when the past is shorter than two windows.
    """
    length = len(after)
    windows = len(past) // length if length else 0
    if windows < 2:
        return 1.0, 0
    means = past[len(past) - windows * length :].reshape(windows, length).mean(axis=1)
    centre = float(past.mean())
    rise = float(after.mean()) - centre
    as_much = int(np.sum(means - centre >= rise))
    return (1 + as_much) / (windows + 1), windows
