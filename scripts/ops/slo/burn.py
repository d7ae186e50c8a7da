"""Burn-rate alerts that are right at low traffic, and how fast they find a total outage.

A window counts only when its bad events reach a floor and the Wilson score interval (Wilson 1927, one-sided
95 %) is above the
threshold: "we are 95 % sure that the budget burns `factor` times too fast". One failure among six orders is
no page.
"""

import math
from collections.abc import Iterable

from ops.slo.model import Alert, Condition, Objective, Policy, number, seconds

Z = 1.6449  # one-sided 95 %
COUNT_SECONDS = 60  # the counts are recorded once a minute
COUNTED = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
WILSON = ("1h", "6h", "1d", "3d")
NAMES = {"page": "BurnPage", "ticket": "BurnTicket"}


def wilson_lower(bad: float, total: float) -> float:
    """Lower end of the Wilson score interval of a ratio; 0 without events."""
    if total <= 0:
        return 0.0
    share, z2 = bad / total, Z * Z
    root = math.sqrt((share * (1 - share) + z2 / (4 * total)) / total)
    return (share + z2 / (2 * total) - Z * root) / (1 + z2 / total)


def records() -> list[dict[str, str]]:
    """Recording rules over all objectives at once: sums of the counts per window, and Wilson's lower bound
    of the long ones."""
    rules = [
        {
            "record": f"slo:{kind}:increase{window}",
            "expr": f"sum_over_time(slo:{kind}:increase1m[{span(window)}])",
        }
        for kind in ("bad", "total")
        for window in COUNTED
    ]
    rules += [{"record": f"slo:bad_ratio:wilson{window}", "expr": _wilson(window)} for window in WILSON]
    return rules


def span(window: str) -> str:
    """A range that holds as many of the counts as the window has minutes: both ends of a range belong to
    it."""
    return f"{seconds(window) - COUNT_SECONDS // 2}s"


def counts(objective: Objective) -> list[dict[str, object]]:
    """What happened in the last minute, per host."""
    labels = {"slo": objective.slug}
    return [
        {"record": "slo:bad:increase1m", "expr": bad_increase(objective, "1m"), "labels": labels},
        {"record": "slo:total:increase1m", "expr": _increase(objective.total, "1m"), "labels": labels},
    ]


def alerts(objective: Objective) -> list[Alert]:
    """The symptom page, the page of both fast rows, the ticket of both slow rows."""
    return [_symptom(objective), *(_burn(objective, severity) for severity in NAMES)]


def bad_increase(objective: Objective, window: str) -> str:
    """PromQL: bad events per host in the window."""
    if objective.bad:
        return _increase(objective.bad, window)
    return f"{_increase(objective.total, window)} - {_increase(objective.good, window)}"


def _increase(selector: str, window: str) -> str:
    return f"sum by (host) (increase({selector}[{window}]))"


def _wilson(window: str) -> str:
    bad, total = f"slo:bad:increase{window}", f"(slo:total:increase{window} > 0)"
    z2 = Z * Z
    # bad may exceed total by the extrapolation of increase(); a root of a negative number would be NaN.
    share = f"clamp_max(clamp_min({bad} / {total}, 0), 1)"
    spread = f"({share} * (1 - {share}) + {number(z2 / 4)} / {total}) / {total}"
    low = f"{share} + {number(z2 / 2)} / {total} - {number(Z)} * sqrt({spread})"
    return f"({low}) / (1 + {number(z2)} / {total})"


def _symptom(objective: Objective) -> Alert:
    rule = objective.policy.symptom
    bad, total = bad_increase(objective, rule.window), _increase(objective.total, rule.window)
    expr = f"({bad}) / ({total} > 0) > {number(rule.bad_ratio)} and on (host) round({bad}) >= {rule.min_bad}"
    return Alert(
        f"{objective.name}Symptom",
        expr,
        rule.bad_ratio,
        "page",
        "objectives",
        "{{ $labels.host }}: {{ $value | humanizePercentage }} of the last minutes' events are bad; "
        f"objective: {objective.title}",
        for_=rule.for_,
        objective=objective,
    )


def _burn(objective: Objective, severity: str) -> Alert:
    rows = rows_of(objective.policy, severity)
    return Alert(
        f"{objective.name}{NAMES[severity]}",
        " or ".join(_row(objective, row) for row in rows),
        min(row.factor for row in rows) * objective.budget,
        severity,
        "objectives",
        "{{ $labels.host }}: the error budget burns too fast, {{ $value | humanizePercentage }} bad; "
        f"objective: {objective.title}",
        objective=objective,
    )


def rows_of(policy: Policy, severity: str) -> list[Condition]:
    """The policy's rows of one severity, the fastest first."""
    return sorted(
        (row for row in policy.conditions if row.severity == severity), key=lambda row: seconds(row.long)
    )


def _row(objective: Objective, row: Condition) -> str:
    slo = f'{{slo="{objective.slug}"}}'
    limit = number(row.factor * objective.budget)
    terms = [
        f"slo:bad_ratio:wilson{row.long}{slo} > {limit}",
        f"slo:bad:increase{row.short} / (slo:total:increase{row.short} > 0) > {limit}",
        f"round(slo:bad:increase{row.long}) >= {row.min_bad}",
    ]
    if row.min_total:
        terms.append(f"round(slo:total:increase{row.long}) >= {row.min_total}")
    return " and ".join(terms)


def detection_seconds(objective: Objective, row: Condition, per_minute: float) -> float:
    """Time from the begin of a total outage (every event bad, at the rate before it) until the row fires.

    Args:
        per_minute: events a minute and host; all were good for the whole long window before.

    Returns:
        Seconds, in steps of the minute in which the counts are recorded; infinity = never.
    """
    limit, long, short = row.factor * objective.budget, seconds(row.long), seconds(row.short)
    for elapsed in range(COUNT_SECONDS, 2 * long + COUNT_SECONDS, COUNT_SECONDS):
        bad = min(elapsed, long) / 60 * per_minute
        total = long / 60 * per_minute
        short_ratio = min(elapsed, short) / short
        enough = round(bad) >= row.min_bad and round(total) >= row.min_total
        if enough and short_ratio > limit and wilson_lower(bad, total) > limit:
            return float(elapsed)
    return math.inf


def symptom_seconds(objective: Objective, per_minute: float) -> float:
    """The same for the symptom: more than its share of the window, its floor, and its `for`."""
    rule = objective.policy.symptom
    window = seconds(rule.window)
    bad_share = math.ceil(window * rule.bad_ratio) + 1
    floor = rule.min_bad / per_minute * 60
    if floor > window:
        return math.inf
    return max(bad_share, floor) + seconds(rule.for_)


def detection_table(objectives: Iterable[Objective], rates: tuple[float, ...]) -> list[dict[str, object]]:
    """One row per alert, severity and window: when a total outage is found, per events a minute."""
    table: list[dict[str, object]] = []
    for objective in objectives:
        times = {rate: symptom_seconds(objective, rate) for rate in rates}
        table.append(
            {"alert": f"{objective.name}Symptom", "window": objective.policy.symptom.window, **_key(times)}
        )
        for row in objective.policy.conditions:
            times = {rate: detection_seconds(objective, row, rate) for rate in rates}
            name = f"{objective.name}{NAMES[row.severity]}"
            table.append({"alert": name, "window": f"{row.long}/{row.short}", **_key(times)})
    return table


def _key(times: dict[float, float]) -> dict[str, object]:
    return {number(rate): (None if math.isinf(time) else time) for rate, time in times.items()}
