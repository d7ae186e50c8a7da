"""The verdict over one window. Pure: answers go in, a verdict with every number and reason comes out.

Each host is judged by itself and the worst decides; the fleet's average would thin out one bad host. A
verdict has three values, and only evidence makes a pass: a missing host, NaN, a short window or too few
samples are `inconclusive`, which nobody downstream may treat as passed. All criteria are judged even when
one has failed, so that the report says everything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ops.bounds import bound_text, value_text
from ops.canary.plan import MINIMUM_SCRAPES, Criterion
from ops.canary.prometheus import Answer, Sample, selector

Verdict = Literal["pass", "fail", "inconclusive"]
# Part of the scrapes that must have arrived for a window to prove anything.
COVERAGE = 0.8


@dataclass(frozen=True)
class HostResult:
    """One criterion on one host: `value` in its unit or None, and the `reason` when it did not pass."""

    host: str
    verdict: Verdict
    value: float | None
    samples: float | None
    reason: str


@dataclass(frozen=True)
class CriterionResult:
    """One criterion on all hosts, with the raw results that the numbers came from, or why there are none."""

    criterion: Criterion
    verdict: Verdict
    hosts: tuple[HostResult, ...]
    answer: Answer | str
    samples: Answer | str | None
    breach: Verdict

    @property
    def worst(self) -> HostResult:
        """The host that decides: one that failed, else one without proof, else the nearest to the bound."""
        sign = -1.0 if self.criterion.kind == "min" else 1.0

        def badness(result: HostResult) -> tuple[int, float]:
            rank = {"fail": 2, "inconclusive": 1, "pass": 0}[result.verdict]
            return rank, 0.0 if result.value is None else sign * result.value

        return max(self.hosts, key=badness)

    def to_json(self) -> dict[str, Any]:
        criterion = self.criterion
        return {
            "name": criterion.name,
            "description": criterion.description,
            "unit": criterion.unit,
            "bound": {criterion.kind: criterion.bound},
            "minimum_samples": criterion.minimum_samples,
            "verdict": self.verdict,
            "worst": {"host": self.worst.host, "value": self.worst.value},
            "hosts": [
                {
                    "host": host.host,
                    "verdict": host.verdict,
                    "value": host.value,
                    "samples": host.samples,
                    "reason": host.reason,
                }
                for host in self.hosts
            ],
            "breach": self.breach,
            "asked": {
                "answer": _asked(self.answer),
                "samples": None if self.samples is None else _asked(self.samples),
            },
        }


def standing_criteria(
    release: str, sha256: str, hosts: Sequence[str], window_seconds: float, interval_seconds: float
) -> tuple[tuple[Criterion, Verdict], ...]:
    """What every plan is judged by besides its own criteria: enough scrapes, the right release, no restart.

    Args:
        release: id that the hosts must report.
        sha256: hex sha256 of its artifact.
        hosts: the updated hosts.
        window_seconds: length of the window.
        interval_seconds: scrape interval.
    Returns:
        Each with the verdict of a breach: too few scrapes prove nothing, a restart is a failure.
    """
    needed = enough_scrapes(window_seconds, interval_seconds)
    build = selector("trader_build_info", hosts, f'release="{release}"', f'sha256="{sha256}"')
    scraped_query = f"sum by (host) (sum_over_time({selector('up', hosts)}[$window]))"
    reported_query = f"sum by (host) (count_over_time({build}[$window]))"
    started = selector("trader_process_start_timestamp_seconds", hosts)
    restarts_query = f"sum by (host) (changes({started}[$window]))"
    scraped = _standing("scraped", "Scrapes that succeeded.", "scrapes", "min", needed, scraped_query)
    reported = _standing(
        "release reported", f"Scrapes that named {release}.", "scrapes", "min", needed, reported_query
    )
    restarts = _standing(
        "restarts", "Starts of the process within the soak.", "restarts", "max", 0, restarts_query
    )
    return (scraped, "inconclusive"), (reported, "inconclusive"), (restarts, "fail")


def enough_scrapes(window_seconds: float, interval_seconds: float) -> int:
    """How many scrapes a window must hold: 80 % of those due, and two at least (a rate needs two)."""
    return max(MINIMUM_SCRAPES - 1, int(COVERAGE * window_seconds / interval_seconds))


def judge(
    criterion: Criterion,
    hosts: Sequence[str],
    answer: Answer | str,
    samples: Answer | str | None,
    breach: Verdict = "fail",
) -> CriterionResult:
    """Judge one criterion on every host.

    Args:
        criterion: bound and minimum count.
        hosts: every host that must be proven good.
        answer: result of the criterion's query, or why there is none.
        samples: result of its query for the number of samples, why there is none, or None when it has no
            such query.
    """
    results = tuple(_judge_host(criterion, host, answer, samples, breach) for host in hosts)
    verdict = overall([one.verdict for one in results])
    return CriterionResult(criterion, verdict, results, answer, samples, breach)


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict from many: a failure decides, then missing proof. Nothing judged is nothing proven."""
    if "fail" in verdicts:
        return "fail"
    return "pass" if verdicts and all(one == "pass" for one in verdicts) else "inconclusive"


def _asked(answer: Answer | str) -> dict[str, Any]:
    return {"error": answer} if isinstance(answer, str) else answer.to_json()


def _standing(name: str, text: str, unit: str, kind: Any, bound: float, query: str) -> Criterion:
    return Criterion(name, text, unit, kind, float(bound), query, None, None)


def _judge_host(
    criterion: Criterion, host: str, answer: Answer | str, samples: Answer | str | None, breach: Verdict
) -> HostResult:
    value, why_not = _value(host, answer)
    count, why_no_count = (None, "") if samples is None else _value(host, samples)
    if value is None:
        return HostResult(host, "inconclusive", None, count, why_not)
    if not criterion.holds(value):
        shown = value_text(value, criterion.unit)
        limit = bound_text(criterion.kind, criterion.bound, criterion.unit)
        # A breach on few samples is a breach all the same: going back is the safe side.
        return HostResult(
            host,
            breach,
            value,
            count,
            f"{shown}, bound {limit}",
        )
    if criterion.minimum_samples is not None:
        if count is None:
            return HostResult(host, "inconclusive", value, None, f"number of samples: {why_no_count}")
        if count < criterion.minimum_samples:
            needed = f"{criterion.minimum_samples:g}"
            reason = f"rests on {count:.3g} samples, {needed} are needed"
            return HostResult(host, "inconclusive", value, count, reason)
    return HostResult(host, "pass", value, count, "")


def _value(host: str, answer: Answer | str) -> tuple[float | None, str]:
    if isinstance(answer, str):
        return None, answer
    found: Mapping[str, list[Sample]] = answer.by_host()
    series = found.get(host, [])
    if not series:
        return None, "no data"
    if len(series) > 1:
        return None, f"{len(series)} series for one host; the query must group by (host)"
    if series[0].value is None:
        return None, f"no data (the value is {series[0].raw})"
    return series[0].value, ""
