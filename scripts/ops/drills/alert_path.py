"""The judge of alert-path drills: from a fault to the person on call. Pure.

A fault is there from the moment in which the host shows it (`exposed_ns`): what a service needs to find out
is its own affair. From then on the page has the time that the configured intervals add up to.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ops.drills.moments import line_of
from ops.evidence.catalogue import Entry as Drill
from ops.text import one_line
from ops.times import utc_text_ns

# From Alertmanager to the receiver and through queues of three processes; measured below half a second.
WAY_SECONDS = 2.0
# The dead man's receiver looks at its clock so often.
CHECK_SECONDS = 1.0
# Alertmanager believes in an alert for so many resend delays (Prometheus, rules/manager.go).
BELIEVED_DELAYS = 4

Series = Mapping[str, float]
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True)
class Case:
    """A class of faults.

    Args:
        alerts: names, any of which is the page.
        job: of Prometheus, through which it is seen; empty: the dead man tells of it.
        shown: whether a scrape of the trading service shows it; None: that something no longer answers.
    """

    alerts: tuple[str, ...]
    job: str
    shown: Callable[[Series, Series], bool] | None = None


def _value(series: Series, name: str) -> float:
    return series.get(name, float("nan"))


def _loss(series: Series, _first: Series) -> bool:
    return -_value(series, "trader_daily_pnl_usd") / _value(series, "trader_daily_loss_limit_usd") >= 0.8


def _reconnects(series: Series, first: Series) -> bool:
    return sum_of(series, "trader_ws_reconnects_total") - sum_of(first, "trader_ws_reconnects_total") >= 10


def sum_of(series: Series, name: str) -> float:
    """Over all label sets of a metric."""
    return sum(value for key, value in series.items() if key == name or key.startswith(f"{name}["))


# Thresholds as in monitoring/slo.yml; a test holds them together.
CASES: Mapping[str, Case] = {
    "kill": Case(("KillSwitchTripped",), "trader", lambda now, _: _value(now, "trader_latch_tripped") >= 1),
    "loss": Case(("DailyLoss80", "DailyLoss100"), "trader", _loss),
    "drift": Case(
        ("ReconciliationDrift",),
        "trader",
        lambda now, _: abs(_value(now, "trader_reconcile_drift_usd")) > 100,
    ),
    "unknown": Case(
        ("UnknownOrder",), "trader", lambda now, _: _value(now, "trader_unknown_oldest_age_seconds") > 30
    ),
    "rejects": Case(
        ("OrderFailuresInARow",),
        "trader",
        lambda now, _: _value(now, "trader_consecutive_order_failures") >= 3,
    ),
    "slippage": Case(
        ("SlippageHigh",), "trader", lambda now, _: _value(now, "trader_slippage_worst_bps") > 100
    ),
    "clock": Case(
        ("ClockSkew",), "trader", lambda now, _: abs(_value(now, "trader_clock_offset_seconds")) > 0.25
    ),
    "feed": Case(("ReconnectStorm",), "trader", _reconnects),
    "service_dead": Case(("TraderDown",), "trader"),
    "exporter_dead": Case(("HostMissing",), "node"),
    "deadman_dead": Case(("AlertPathDown",), "deadman"),
    "prometheus_dead": Case(("AlertPathDead",), ""),
    "alertmanager_dead": Case(("AlertPathDead",), ""),
}


def seconds(duration: str) -> float:
    """A duration of Prometheus ("1m30s") in seconds."""
    return sum(int(count) * _UNITS[unit] for count, unit in re.findall(r"(\d+)(ms|[smhd])", duration))


@dataclass(frozen=True)
class Configured:
    """What the running Prometheus, Alertmanager and dead man's receiver say of themselves.

    Args:
        prometheus: its configuration, parsed.
        flags: its command line's, by name.
        rules: alert name to its rule of /api/v1/rules.
        route: Alertmanager's route, parsed.
        patience_seconds: of the dead man's receiver.
    """

    prometheus: Mapping[str, Any]
    flags: Mapping[str, str]
    rules: Mapping[str, Mapping[str, Any]]
    route: Mapping[str, Any]
    patience_seconds: float

    def scrape_seconds(self, job: str) -> float:
        """How often a job is asked."""
        given = self.prometheus["global"]["scrape_interval"]
        for one in self.prometheus["scrape_configs"]:
            if one["job_name"] == job:
                given = one.get("scrape_interval", given)
        return seconds(given)

    def wait_seconds(self, alert: str) -> float:
        """How long Alertmanager collects before the first message of an alert."""
        labels = {"alertname": alert, **self.rules[alert]["labels"]}
        wait = self.route.get("group_wait", "30s")
        for one in self.route.get("routes", ()):
            if all(_matches(matcher, labels) for matcher in one.get("matchers", ())):
                wait = one.get("group_wait", wait)
                break
        return seconds(wait)

    def budget_seconds(self, name: str) -> float:
        """How long a page may take since the fault is shown: the sum of what is waited for."""
        case = CASES[name]
        if not case.job:
            believed = seconds(self.flags["rules.alert.resend-delay"]) * BELIEVED_DELAYS
            lost = believed if name == "prometheus_dead" else 0
            return lost + self.patience_seconds + CHECK_SECONDS + WAY_SECONDS
        evaluation = seconds(self.prometheus["global"]["evaluation_interval"])
        return max(
            self.scrape_seconds(case.job)
            + evaluation
            + float(self.rules[alert]["duration"])
            + self.wait_seconds(alert)
            + WAY_SECONDS
            for alert in case.alerts
        )


def _matches(matcher: str, labels: Mapping[str, str]) -> bool:
    found = re.fullmatch(r'(\w+)(=~?)"(.*)"', matcher.strip())
    if not found:
        return False
    value = labels.get(found[1], "")
    return value == found[3] if found[2] == "=" else re.fullmatch(found[3], value) is not None


@dataclass(frozen=True)
class Seen:
    """One run. Times are unix nanoseconds of this machine and of the pager, which share one clock in a lab.

    Args:
        started_ns: before the act.
        exposed_ns: when the host first showed the fault; None when it never did.
        page_ns: when the person on call was told; None when nobody was.
        page_name: of that alert.
        until_ns: end of the observation.
        budget_seconds: of the page, by the intervals as they were configured; None: not known.
        scrape_seconds: how often the host was asked.
        resolved: messages that something is over.
        held: longest time without the alert at Alertmanager in seconds, by what was killed meanwhile.
    """

    started_ns: int
    exposed_ns: int | None
    page_ns: int | None
    page_name: str
    until_ns: int
    budget_seconds: float | None
    scrape_seconds: float | None
    resolved: int
    held: Mapping[str, float]


def judge(drill: Drill, host: str, seen: Seen, problem: str) -> dict[str, Any]:
    """Figures, reasons, verdict and steps, as keys of a record of evidence.

    Args:
        drill: from the catalogue; its last word is a key of CASES.
        host: inventory name.
        problem: why the act of the drill failed; empty when it did not.
    """
    case = CASES[drill.name.rpartition(".")[2]]
    reasons = [f"the act failed: {problem}"] if problem else []
    took = over = None
    if seen.page_ns is None:
        reasons.append(f"nobody was told by {' or '.join(case.alerts)}")
    elif seen.exposed_ns is None:
        reasons.append("there was a page, and yet the host never showed the fault")
    else:
        took = (seen.page_ns - seen.exposed_ns) / 1e9
        over = None if seen.budget_seconds is None else max(0.0, took - seen.budget_seconds)
    measured: dict[str, float | None] = {
        "seconds_to_page": took,
        "budget_seconds": seen.budget_seconds,
        "over_budget_seconds": over,
        "scrape_interval_seconds": seen.scrape_seconds,
        "false_resolves": seen.resolved,
        **{f"gap_{what}_seconds": gap for what, gap in seen.held.items()},
    }
    for figure in drill.figures.values():
        value = measured.get(figure.name)
        if value is None:
            reasons.append(f"{figure.name}: no data")
        elif not figure.measured(value)["held"]:
            bound = f"{figure.comparison} {figure.bound:g}"
            reasons.append(f"{figure.name}: {value:.3f} {figure.unit} is not {bound}")
    verdict = "fail" if reasons else "pass"
    extra = {
        name: measured[name] for name in ("seconds_to_page", "budget_seconds") if name not in drill.figures
    }
    return {
        "started_at": utc_text_ns(seen.started_ns),
        "ended_at": utc_text_ns(max(seen.started_ns, seen.until_ns)),
        "steps": line_of(
            seen.started_ns,
            [
                (f"until {host} shows the fault", seen.exposed_ns),
                (f"until a person is told: {seen.page_name or 'never'}", seen.page_ns),
                ("watch", seen.until_ns),
            ],
            verdict,
        ),
        "values": [
            *(figure.measured(measured.get(figure.name)) for figure in drill.figures.values()),
            *(
                {"name": name, "value": value, "unit": "s"}
                for name, value in extra.items()
                if value is not None
            ),
        ],
        "verdict": verdict,
        "reasons": [one_line(text, 1000) for text in reasons],
    }
