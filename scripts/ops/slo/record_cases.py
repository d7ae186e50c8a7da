"""Tests of what is recorded for error budgets; the counts of a minute are in `objective_cases`."""

from typing import Any

from ops.slo import burn, objective_cases, rules
from ops.slo.cases import RuleTest
from ops.slo.model import Model

TEN_MINUTES = 600
MONTH = 30 * 144  # tens of minutes


def budget_rules(model: Model) -> list[dict[str, Any]]:
    """The records about budgets."""
    return list(rules.objective_groups(model)[-1]["rules"])


def tests_of(record: dict[str, Any], model: Model) -> tuple[list[dict[str, Any]], list[RuleTest]]:
    """Groups of rules with this record in them, and its tests; none of what only alerts read."""
    for objective in model.objectives:
        counts = burn.counts(objective)
        if record in counts:
            group = {"name": "counts", "interval": "1m", "rules": counts}
            return [group], objective_cases.count_tests(objective)
    budgets = budget_rules(model)
    if record not in budgets:
        return [], []
    if "increase10m" in record["record"]:
        return [{"name": "budgets", "rules": budgets}], ten_minute_tests(model)
    # The month is told in tens of minutes.
    budgets = [one for one in budgets if "increase10m" not in one["record"]]
    return [{"name": "budgets", "rules": budgets}], budget_tests(model)


def budget_tests(model: Model) -> list[RuleTest]:
    """30 days of a fleet: 10 busy, 10 idle, 10 busy again. An average of ratios would be NaN for a month."""
    one, idle, *_ = sorted(model.objectives, key=lambda objective: objective.slug != "order-errors")
    own = f'{{slo="{one.slug}"}}'
    busy = MONTH // 3 - 1
    # Both ends of a range belong to it, so a month has one sample more; what was before is forgotten.
    before, last = 9, 9 + MONTH
    month = RuleTest(
        "budget of a month",
        {
            f"slo:bad:increase10m{own}": f"900x{before - 1} 1x{busy} 0x{busy} 1x{busy + 1}",
            f"slo:total:increase10m{own}": f"1000000x{before - 1} 1000x{busy} 0x{busy} 1000x{busy + 1}",
            # What another objective counts is not this one's.
            'slo:bad:increase10m{slo="another"}': f"700x{last}",
            'slo:total:increase10m{slo="another"}': f"700x{last}",
        },
        step=TEN_MINUTES,
        every=last,
    )
    end = TEN_MINUTES * last
    remaining = 'round(slo:error_budget:remaining{slo="%s"}, 0.001)'
    # 2,881 bad of 2,881,000: 0.1 % of the budget's 1 %, so a tenth of it is gone.
    month.checks.append((end, remaining % one.slug, [(own, round(1 - 0.001 / one.budget, 3))]))
    month.checks.append((end, remaining % idle.slug, [(f'{{slo="{idle.slug}"}}', 1.0)]))
    targets = [(f'slo:objective:ratio{{slo="{each.slug}"}}', each.target) for each in model.objectives]
    month.checks.append((end, "slo:objective:ratio", targets))
    return [month]


def ten_minute_tests(model: Model) -> list[RuleTest]:
    """The fleet's counts of ten minutes: every minute of every host once."""
    slug = model.objectives[0].slug
    series = {}
    for host, bad, total in (("trader-01", 1, 3), ("trader-02", 2, 5)):
        series[f'slo:bad:increase1m{{host="{host}",slo="{slug}"}}'] = f"{bad}x30"
        series[f'slo:total:increase1m{{host="{host}",slo="{slug}"}}'] = f"{total}x30"
    test = RuleTest("counts of ten minutes", series, step=60, every=10)
    for name, value in (("bad", 30), ("total", 80)):
        test.checks.append(
            (1_200, f"slo:{name}:increase10m", [(f'slo:{name}:increase10m{{slo="{slug}"}}', value)])
        )
    return [test]
