"""The judge on the past: windows in which nothing was released, judged as if something had been.

What it calls a failure there is a false alarm, of this fleet's own noise. It is also what a release would
have to do to be seen: the effect that each phase can detect at the traffic that there was.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ops.canary import contrast
from ops.canary.judge import judge
from ops.canary.layout import Phase
from ops.canary.plan import Contrast, Criterion, Plan, render
from ops.canary.prometheus import Answer, Prometheus, QueryError
from ops.canary.statistics import share


@dataclass(frozen=True)
class Row:
    """One contrast in one phase over the past windows.

    `detectable` is the smallest effect that would have been called a failure in half of them, in the unit of
    the margin; None where the windows were too short for any.
    """

    contrast: str
    phase: int
    windows: int
    failed: int
    inconclusive: int
    alpha: float
    detectable: float | None

    @property
    def alarming(self) -> bool:
        """Whether it failed more often than its share of the budget lets chance explain."""
        if self.windows == 0:
            return False
        # P(failed or more | alpha), from the binomial; 1 in 100 is taken for chance.
        tail = sum(
            math.comb(self.windows, k) * self.alpha**k * (1 - self.alpha) ** (self.windows - k)
            for k in range(self.failed, self.windows + 1)
        )
        return self.failed > 0 and tail < 0.01


@dataclass(frozen=True)
class Room:
    """How far a criterion is from its bound: what a release would have to do on the worst host to be seen.

    `value` is the worst of the hosts over the last soak's length; None: no data. `factor` is the bound as a
    multiple of it, or None where that says nothing. `samples` of `needed` is the host with the fewest.
    """

    criterion: Criterion
    phase: int
    host: str
    value: float | None
    factor: float | None
    samples: float | None

    @property
    def enough(self) -> bool:
        """Whether the traffic gives the samples that a pass needs."""
        needed = self.criterion.minimum_samples
        return self.value is not None and (needed is None or (self.samples or 0.0) >= needed)


def rooms(plan: Plan, prometheus: Prometheus) -> list[Room]:
    """The room of every criterion in every phase, at the traffic of the moment.

    Raises:
        PrometheusError: no usable answer.
    """
    now = prometheus.now()
    found = []
    for phase in plan.phases:
        for one in plan.criteria:
            result = judge(
                one,
                phase.updated,
                _ask(prometheus, one.query, phase, now),
                None
                if one.minimum_samples_query is None
                else _ask(prometheus, one.minimum_samples_query, phase, now),
            )
            worst = result.worst
            counts = [host.samples for host in result.hosts]
            factor = None
            if worst.value and one.kind != "min" and one.bound > 0:
                factor = one.bound / worst.value
            fewest = None if None in counts else min(count for count in counts if count is not None)
            found.append(Room(one, phase.number, worst.host, worst.value, factor, fewest))
    return found


def _ask(prometheus: Prometheus, query: str, phase: Phase, now: float) -> Answer | str:
    try:
        return prometheus.query(render(query, phase.updated, phase.soak_seconds), now)
    except QueryError as error:
        return str(error)


def judge_past(
    plan: Plan, prometheus: Prometheus, hours: float, say: Callable[[str], None] = lambda line: None
) -> list[Row]:
    """Judge every contrast of every phase on windows that follow each other, back from now.

    Args:
        plan: of the release that might go out.
        prometheus: where the past is.
        hours: how far back windows may begin.
        say: receives a line for each phase.
    Raises:
        PrometheusError: it has no clock to give.
    """
    now = prometheus.now()
    alpha = contrast.error_share(plan)
    rows = []
    for phase in plan.phases:
        if not plan.controls(phase):
            continue
        say(
            f"phase {phase.number}: judging the last {hours:g} h as if {', '.join(phase.updated)} had changed"
        )
        for one in plan.contrasts:
            rows.append(_row(plan, phase, one, prometheus, now, hours, alpha))
    return rows


def _row(
    plan: Plan, phase: Phase, one: Contrast, prometheus: Prometheus, now: float, hours: float, alpha: float
) -> Row:
    count = max(1, int(hours * 3600 / phase.soak_seconds))
    verdicts: list[str] = []
    effects: list[float] = []
    for index in range(count):
        end = now - index * phase.soak_seconds
        start = end - phase.soak_seconds
        hosts = [*phase.updated, *plan.controls(phase)]
        spans = contrast.spans_of(plan, hosts, prometheus, start, start, end)
        data = contrast.gather(plan, phase, one, prometheus, spans)
        found = contrast.judge_one(plan, phase, one, data, alpha)
        if found["interval"] is None:
            continue  # there was no past then
        verdicts.append(found["verdict"])
        effect = _detectable(one, found)
        if effect is not None:
            effects.append(effect)
    return Row(
        one.name,
        phase.number,
        len(verdicts),
        verdicts.count("fail"),
        verdicts.count("inconclusive"),
        alpha,
        float(np.median(effects)) if effects else None,
    )


def _detectable(one: Contrast, found: dict[str, Any]) -> float | None:
    """The smallest effect that half of the windows like this one would call a failure."""
    interval = found["interval"]
    if one.kind == "level":
        if interval["lower"] is None or interval["estimate"] is None:
            return None
        # As wide below as the estimate is above its lower end, on the logarithm.
        reach = (1 + interval["estimate"]) / (1 + interval["lower"]) - 1
        return float(max(one.margin, reach))
    exposure, part, rate = found["exposure"], found["share"], found["rate"]
    if rate <= 0:
        rate = 1 / max(exposure, 1.0)
    for multiple in np.geomspace(1.05, 100, 120):
        mine, others = rate * multiple * exposure * part, rate * exposure * (1 - part)
        ratio = share.ratio(mine, others, part, found["alpha"], found["clumping"])
        if ratio.lower > 1 and multiple > one.margin:
            return float(multiple)
    return None
