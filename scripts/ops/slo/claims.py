"""What the tests of an alert show, read from what they look at; promtool itself knows no coverage."""

import re
from collections.abc import Iterable, Sequence

from ops.slo import cases, objective_cases, state_cases
from ops.slo.cases import STEP, RuleTest
from ops.slo.model import Alert

CLAIMS = {
    "fires": "a look at which it fires",
    "silent": "a test in which it never fires",
    "waits": "a look at which its `for` has not passed, just before one at which it fires",
    "resolves": "a look after its recovery",
    "no data": "what it does when its series end",
    "alone": "a look at everything else that fires",
}
_NAME = re.compile(r'alertname="([^"]*)"')


def tests_of(alert: Alert) -> list[RuleTest]:
    """Every test of an alert.

    Raises:
        OperatorError: its case is missing, unfinished or wrong.
    """
    if alert.objective is None:
        return state_cases.tests(alert, cases.load(alert.name))
    outage = objective_cases.outage_test(alert.objective)
    if alert.name.endswith("Symptom"):
        return [*objective_cases.symptom_tests(alert.objective, alert), outage]
    return [*objective_cases.burn_tests(alert.objective, alert), outage]


def missing(alert: Alert, tests: Sequence[RuleTest]) -> list[str]:
    """What the tests should show and do not: keys of CLAIMS in their order."""
    wanted = set(CLAIMS)
    if not alert.for_:
        wanted.remove("waits")
    if alert.severity == "none":  # the heartbeat never stops
        wanted = {"fires", "alone"}
    for test in tests:
        wanted -= shown(alert, test)
    return [claim for claim in CLAIMS if claim in wanted]


def names(tests: Iterable[RuleTest]) -> set[str]:
    """Every alert that tests name; of a misspelled one promtool says that it is silent."""
    found = set()
    for test in tests:
        for _, expr, samples in test.checks:
            for text in (expr, *(labels for labels, _ in samples)):
                found |= set(_NAME.findall(text))
    return found


def shown(alert: Alert, test: RuleTest) -> set[str]:
    """The keys of CLAIMS that one test shows."""
    own = f'alertname="{alert.name}"'
    looks: list[tuple[int, bool]] = []
    found = set()
    for time, expr, samples in sorted(test.checks):
        fires = any(own in labels for labels, _ in samples)
        if expr.startswith("group by"):
            found |= {"alone"} if fires else set()
        if expr.startswith("group by") or own in expr:
            looks.append((time, fires))
    fired = [time for time, fires in looks if fires]
    quiet = [time for time, fires in looks if not fires]
    if fired:
        found.add("fires")
    if test.without_data:
        ends_so = bool(looks) and looks[-1][1] == (alert.no_data != "resolves")
        return found | ({"no data"} if ends_so else set())
    if quiet and not fired:
        found.add("silent")
    if fired and quiet and max(quiet) > min(fired):
        found.add("resolves")
    if any(0 < one - other <= 3 * STEP for one in fired for other in quiet):
        found.add("waits")
    return found
