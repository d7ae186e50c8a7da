"""The judge of Spinnaker's Kayenta, as far as the study needs it: one metric, direction `increase`.

Source: kayenta-judge, MannWhitney.scala and MetricClassifier: a Mann-Whitney test with a 98 % interval of the
    Hodges-Lehmann shift, and a tolerance of a quarter of the estimated shift itself.
"""

import math

import numpy as np
from numpy.typing import NDArray

_Z = 2.3263478740408408  # 98 %, two-sided
_TOLERANCE = 0.25


def high(experiment: NDArray[np.float64], control: NDArray[np.float64]) -> bool:
    """Whether the metric is classified High.

    Args:
        experiment, control: every point of either side, of all hosts together.
    """
    differences = np.subtract.outer(experiment, control).ravel()
    m, n = len(experiment), len(control)
    spread = math.sqrt(m * n * (m + n + 1) / 12)
    rank = math.floor(m * n / 2 - _Z * spread - 0.5)
    middle = m * n // 2
    if rank < 0:
        lower, estimate = float(differences.min()), float(np.median(differences))
    else:
        parts = np.partition(differences, (rank, middle))
        lower, estimate = float(parts[rank]), float(parts[middle])
    return lower > _TOLERANCE * abs(estimate)
