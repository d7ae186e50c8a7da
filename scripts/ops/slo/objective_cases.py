"""Rule tests of the burn-rate alerts, made from the objective's own figures.

They replay the recorded counts, not 3 days of scrapes; that the counts are right is a test of its own
(`count_tests`). The slow rows are replayed in steps of ten minutes: a window holds the same share of them.
"""

from collections.abc import Sequence

from ops.slo import burn, cases
from ops.slo.cases import STEP, RuleTest
from ops.slo.model import Alert, Condition, Objective, number, seconds

HOST = "trader-01"
RATE = 50  # events a step in the window that is judged
MANY = 100_000  # events a step before it, so that a slower row sees no ratio worth naming
INSTANCES = {"192.0.2.1": 0.25, "192.0.2.2": 0.75}  # the host's address changed; each saw its part
KINDS = ("Symptom", *burn.NAMES.values())
# An order that is too slow for the second objective is too slow for the first.
ALSO = {"OrderLatencyP99": ("OrderLatencyP95", "OrderLatencyP99")}
MARGIN = 0.002  # of the threshold, on either side of Wilson's bound


def step_seconds(alert: Alert) -> int:
    """Time between two samples of the replay."""
    return 600 if alert.severity == "ticket" else 60


def burn_tests(objective: Objective, alert: Alert) -> list[RuleTest]:
    """Every row: fires just above, silent just below, ends with the short window, and its floors."""
    severity = alert.severity
    found: list[RuleTest] = []
    rows = burn.rows_of(objective.policy, severity)
    for row in rows:
        found += [_boundary(objective, alert, row, True), _boundary(objective, alert, row, False)]
        found.append(_drained(objective, alert, row))
        found += [_short(objective, alert, row, True), _short(objective, alert, row, False)]
        least = max(row.min_total, row.min_bad)
        # Of a high limit the bound says more than the floor.
        if burn.wilson_lower(row.min_bad, least) > _limit(objective, row):
            found += [_floor(objective, alert, row, row.min_bad, least, True)]
        elif burn.wilson_lower(row.min_bad + 0.45, least - 0.4) > _limit(objective, row):
            found += [_rounded(objective, alert, row, row.min_bad, least)]
        found += [_floor(objective, alert, row, row.min_bad - 1, max(row.min_total, row.min_bad - 1), False)]
        if row.min_total:
            found += [_floor(objective, alert, row, row.min_total, row.min_total, True)]
            found += [_floor(objective, alert, row, row.min_total - 1, row.min_total - 1, False)]
    found.append(_counts_end(objective, alert))
    return found


def outage_test(objective: Objective) -> RuleTest:
    """One host's events all turn bad in the healthy fleet: the objective's alerts fire and no other."""
    start, end = 900, 2_700
    base = cases.healthy()
    changes = {name: cases.Value(rate=rate) for name, rate in _outage(objective).items()}
    test = RuleTest(
        f"{objective.name}: its alerts fire, and no other",
        cases.series(base, [(0, {}), (start, changes), (end, {})]),
        whole=True,
    )
    names = [f"{one}{kind}" for one in ALSO.get(objective.name, (objective.name,)) for kind in KINDS]
    test.checks.append((start - STEP, *cases.others(())))
    test.checks.append((end - STEP, *cases.others(names)))
    return test


def _outage(objective: Objective) -> dict[str, float]:
    """Series of the healthy fleet and their new rates."""
    host = f'job="trader",host="{HOST}"'
    match objective.slug:
        case "order-errors":
            name = f"trader_orders_total{{{host},outcome="
            return {f'{name}"acknowledged"}}': 0, f'{name}"rejected"}}': 0.5}
        case "feed-availability":
            name = f"trader_feed_seconds_total{{{host},feed="
            return {f'{name}"fresh"}}': 0, f'{name}"stale"}}': 1}
        case _:
            name = f"trader_order_latency_seconds_bucket{{{host},le="
            slow = {f'{name}"0.1"}}': 0.0}
            return slow | ({f'{name}"0.5"}}': 0.0} if 'le="0.5"' in objective.good else {})


def _counts_end(objective: Objective, alert: Alert) -> RuleTest:
    """All bad, and then nothing is counted: it resolves when the short windows are empty."""
    step = step_seconds(alert)
    short = max(seconds(row.short) for row in burn.rows_of(objective.policy, alert.severity)) // step
    last = 2 * short - 1
    values = series(objective, [(2 * short, RATE, RATE)], ends=True)
    test = RuleTest(f"{alert.name} without data resolves", values, without_data=True)
    test.checks.append((step * last, _firing(alert), fired(alert)))
    test.checks.append((step * (last + short - 1), _firing(alert), fired(alert)))
    test.checks.append((step * (last + short + 1), _firing(alert), []))
    return test


def _least_bad(limit: float, total: float) -> float:
    """The number of bad events among `total` at which Wilson's lower bound reaches the limit, by
    bisection."""
    low, high = 0.0, total
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (low, middle) if burn.wilson_lower(middle, total) > limit else (middle, high)
    return high


def _limit(objective: Objective, row: Condition) -> float:
    return row.factor * objective.budget


def _boundary(objective: Objective, alert: Alert, row: Condition, fires: bool) -> RuleTest:
    before, inside = _windows(objective, alert, row)
    # One event a step: of many the bound says hardly more than the ratio.
    bad = _least_bad(_limit(objective, row), inside) / inside * (1 + MARGIN * (1 if fires else -1))
    word = "just above" if fires else "just below"
    name = f"{alert.name} {row.long}: {word}"
    return _at_the_end(objective, alert, name, [(before, 0, MANY), (inside, bad, 1)], fires)


def _at_the_end(
    objective: Objective, alert: Alert, name: str, phases: Sequence[tuple[int, float, float]], fires: bool
) -> RuleTest:
    """One look, at the last sample, and the rules run only there: each run takes promtool a while."""
    last = sum(length for length, _, _ in phases)
    test = RuleTest(name, series(objective, [(1, RATE, MANY), *phases]), every=last)
    test.checks.append((step_seconds(alert) * last, _firing(alert), fired(alert) if fires else []))
    return test


def _drained(objective: Objective, alert: Alert, row: Condition) -> RuleTest:
    """All bad for a while, then all good: it ends when the short window is clean enough, long before the
    long one is."""
    step = step_seconds(alert)
    short = seconds(row.short) // step
    test = RuleTest(
        f"{alert.name} {row.long}: ends with the short window",
        series(objective, [(2 * short, RATE, RATE), (short + 2, 0, RATE)]),
    )
    limit = _limit(objective, row)
    others = [one for one in burn.rows_of(objective.policy, row.severity) if one != row]
    if any(seconds(one.short) > seconds(row.short) for one in others):
        # The slower row still fires then; the expression of this row alone is looked at.
        last = _alone(objective, row)
    else:
        last = _firing(alert)
    over = int(short * (1 - limit)) + 1  # steps after which the short window's ratio is at most the limit
    test.checks.append((step * (2 * short - 1), _firing(alert), fired(alert)))
    test.checks.append((step * (2 * short - 1 + over), last, []))
    return test


def _alone(objective: Objective, row: Condition) -> str:
    slo = f'slo="{objective.slug}"'
    limit = number(_limit(objective, row))
    short = f"slo:bad:increase{row.short}{{{slo}}} / (slo:total:increase{row.short}{{{slo}}} > 0)"
    return f"{short} > {limit}"


def _short(objective: Objective, alert: Alert, row: Condition, fires: bool) -> RuleTest:
    """The long window is bad beyond doubt; the short one decides."""
    step = step_seconds(alert)
    short = seconds(row.short) // step
    ratio = _limit(objective, row) * (1 + MARGIN * (1 if fires else -1))
    before, inside = _windows(objective, alert, row)
    phases = [(before, 0, MANY), (inside - short, RATE, RATE), (short, ratio * RATE, RATE)]
    word = "above" if fires else "below"
    return _at_the_end(objective, alert, f"{alert.name} {row.long}: short window just {word}", phases, fires)


def _floor(objective: Objective, alert: Alert, row: Condition, bad: int, total: int, fires: bool) -> RuleTest:
    """So few events; all but one of the bad ones where a faster row looks no more.

    The last one is part of one, as increase() extrapolates: the sum is rounded to the whole number.
    """
    before, inside = _windows(objective, alert, row)
    last = 0.6 if fires else 1.4
    # Just before the window there were enough.
    phases: list[tuple[int, float, float]] = [(before - 1, 0, MANY), (1, RATE, MANY)] if before else []
    phases += [(1, bad - 1, total - 1), (inside - 2, 0, 0), (1, last, last)]
    return _at_the_end(objective, alert, f"{alert.name} {row.long}: {bad} bad of {total}", phases, fires)


def _rounded(objective: Objective, alert: Alert, row: Condition, bad: int, total: int) -> RuleTest:
    """Just under half an event more than the floor: of whole events the bound would ask for one more."""
    before, inside = _windows(objective, alert, row)
    phases = [(before, 0, MANY), (1, bad - 0.55, total - 1.4), (inside - 2, 0, 0), (1, 1, 1)]
    return _at_the_end(objective, alert, f"{alert.name} {row.long}: {bad}.45 bad of {total}", phases, True)


def _windows(objective: Objective, alert: Alert, row: Condition) -> tuple[int, int]:
    """Steps that only the slower rows see, and steps of this row's long window."""
    step = step_seconds(alert)
    longest = max(seconds(one.long) for one in burn.rows_of(objective.policy, row.severity)) // step
    inside = seconds(row.long) // step
    return longest - inside, inside


def symptom_tests(objective: Objective, alert: Alert) -> list[RuleTest]:
    """From the service's own counters: more than half, floor, `for`, recovery, and no data."""
    rule = objective.policy.symptom
    window, wait = seconds(rule.window), seconds(rule.for_)
    per_second = 0.5
    bad = rule.bad_ratio
    tests: list[RuleTest] = []
    start, long = 2 * window, 3 * window
    for word, share, fires in (("above half", bad + 0.01, True), ("at half", bad, False)):
        phases = [(start, 0.0, per_second), (long, share, per_second), (long, 0.0, per_second)]
        test = RuleTest(f"{alert.name}: {word}", counters(objective, phases))
        test.checks.append((start + long - STEP, _firing(alert), fired(alert) if fires else []))
        if fires:
            test.checks.append((start + window // 2, _firing(alert), []))
            test.checks.append((start + long + long - STEP, _firing(alert), []))
        tests.append(test)
    # The condition is true when more than `bad` of the window's events are, and fires `for` later.
    phases = [(start, 0.0, per_second), (long, 1.0, per_second)]
    true_at = start + (int(window * bad) // STEP) * STEP
    timing = RuleTest(f"{alert.name}: waits for its for", counters(objective, phases))
    timing.checks.append((true_at + wait - STEP, _firing(alert), []))
    timing.checks.append((true_at + wait + 2 * STEP, _firing(alert), fired(alert)))
    tests.append(timing)
    # increase() extrapolates: four and a half and a bit are five.
    few, enough = rule.min_bad - 0.6, rule.min_bad - 0.4
    for word, count, fires in (("too few", few, False), ("just enough", enough, True)):
        test = RuleTest(f"{alert.name}: {word}", counters(objective, [(long, 1.0, count / window)]))
        test.checks.append((long - STEP, _firing(alert), fired(alert) if fires else []))
        tests.append(test)
    tests += [_among_good(objective, alert, rule.min_bad - 1), _among_good(objective, alert, rule.min_bad)]
    tests.append(_without_data(objective, alert))
    return tests


def _among_good(objective: Objective, alert: Alert, bad: int) -> RuleTest:
    """So many bad events and one fewer good ones, and these in the older half of the window.

    A count that takes a good one for bad, or a bad one for good, is on the other side of the floor.
    """
    rule = objective.policy.symptom
    window, wait = seconds(rule.window), seconds(rule.for_)
    phases = [(window, 0.0, 0.0), (STEP, 0.0, (bad - 1) / STEP), (window // 2, 0.0, 0.0)]
    phases += [(STEP, 1.0, bad / STEP), (wait + STEP, 0.0, 0.0)]
    test = RuleTest(f"{alert.name}: {bad} bad among good ones", counters(objective, phases))
    fires = fired(alert) if bad >= rule.min_bad else []
    test.checks.append((sum(length for length, _, _ in phases), _firing(alert), fires))
    return test


def _without_data(objective: Objective, alert: Alert) -> RuleTest:
    window = seconds(objective.policy.symptom.window)
    values = counters(objective, [(3 * window, 1.0, 0.5)])
    gone = RuleTest(f"{alert.name} without data resolves", values, without_data=True)
    gone.checks.append((3 * window - STEP, _firing(alert), fired(alert)))
    gone.checks.append((5 * window, _firing(alert), []))
    return gone


def count_tests(objective: Objective) -> list[RuleTest]:
    """Ten minutes of counters: what is recorded per minute is what happened."""
    phases = [(600, 0.25, 2.0)]
    test = RuleTest(f"counts of {objective.slug}", counters(objective, phases))
    labels = f'{{__name__="%s", host="{HOST}", slo="{objective.slug}"}}'
    wanted = {"slo:bad:increase1m": 30.0, "slo:total:increase1m": 120.0}
    for name, value in wanted.items():
        test.checks.append((540, f"round({name}, 0.001)", [(labels.replace('__name__="%s", ', ""), value)]))
    return [test]


def counters(objective: Objective, phases: Sequence[tuple[int, float, float]]) -> dict[str, str]:
    """The objective's counters in steps of STEP: for so many seconds this share is bad at so many events a
    second."""
    bad, total = [0.0], [0.0]
    for length, share, rate in phases:
        for _ in range(length // STEP):
            bad.append(bad[-1] + share * rate * STEP)
            total.append(total[-1] + rate * STEP)
    good = [all_ - wrong for all_, wrong in zip(total, bad, strict=True)]
    host = f'job="trader",host="{HOST}"'
    match objective.slug:
        case "order-errors":
            acknowledged, rejected = good, bad
            named = {
                f'trader_orders_total{{{host},outcome="acknowledged"}}': acknowledged,
                f'trader_orders_total{{{host},outcome="rejected"}}': [x / 2 for x in rejected],
                f'trader_orders_total{{{host},outcome="unknown"}}': [x / 2 for x in rejected],
            }
        case "feed-availability":
            named = {
                f'trader_feed_seconds_total{{{host},feed="fresh"}}': good,
                f'trader_feed_seconds_total{{{host},feed="stale"}}': bad,
            }
        case _:
            le = objective.good.partition('le="')[2].partition('"')[0]
            other = "0.5" if le == "0.1" else "0.1"
            name = objective.total.removesuffix("_count")
            named = {
                f"{name}_count{{{host}}}": total,
                f'{name}_bucket{{{host},le="{le}"}}': good,
                # The other objective's bucket tells another story.
                f'{name}_bucket{{{host},le="{other}"}}': total if le == "0.1" else [x / 2 for x in good],
            }
    return {
        name.replace("{", f'{{instance="{instance}",', 1): " ".join(number(value * part) for value in values)
        for name, values in named.items()
        for instance, part in INSTANCES.items()
    }


def series(
    objective: Objective, phases: Sequence[tuple[int, float, float]], ends: bool = False
) -> dict[str, str]:
    """The recorded counts, one sample a step: for so many steps, so many bad, so many in all.

    Args:
        ends: nothing is counted after the last step; another objective's counts go on.
    """
    labels = f'{{host="{HOST}",slo="{objective.slug}"}}'
    bad = " ".join(f"{number(b)}x{length - 1}" for length, b, _ in phases if length)
    total = " ".join(f"{number(n)}x{length - 1}" for length, _, n in phases if length)
    steps = sum(length for length, _, _ in phases)
    steps *= 2 if ends else 1
    other = labels.replace(objective.slug, "another")  # all bad, all the time
    return {
        f"slo:bad:increase1m{labels}": bad,
        f"slo:total:increase1m{labels}": total,
        f"slo:bad:increase1m{other}": f"{RATE}x{steps}",
        f"slo:total:increase1m{other}": f"{RATE}x{steps}",
    }


def _firing(alert: Alert) -> str:
    return f'ALERTS{{alertname="{alert.name}", alertstate="firing"}}'


def fired(alert: Alert) -> list[tuple[str, float]]:
    """The series by which Prometheus says that it fires on HOST, with every label."""
    labels = {"alertname": alert.name, "alertstate": "firing", "host": HOST, **alert.labels}
    return [("ALERTS{" + ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items())) + "}", 1.0)]
