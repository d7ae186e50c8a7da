"""Judging without a rollout: again from what was kept, and on the past."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.canary.again import again
from ops.canary.past import Row, judge_past
from ops.canary.prometheus import Answer, Prometheus
from ops.canary.soak import soak
from ops.errors import OperatorError
from tests.canary_helpers import FakePrometheus, plan_of, rollout, serve

HOSTS = ["trader-01", "trader-02", "trader-03", "trader-04"]
LEVEL = {"name": "latency", "kind": "level", "query": 'lat{host=~"$hosts"}[$window]', "margin": 0.3}


class Past:
    """A Prometheus whose every hour looks the same, but for what `rise` says."""

    url = "http://made-up"

    def __init__(self) -> None:
        self.rise_every = 0

    def now(self) -> float:
        return 1_800_000_000.0

    def query(self, query: str, at_seconds: float) -> Answer:
        return Answer(query, at_seconds, ())

    def query_range(
        self, query: str, hosts: list[str], start: float, end: float, step: float
    ) -> dict[str, list[float | None]]:
        count = round((end - start) / step) + 1
        found: dict[str, list[float | None]] = {}
        for host in hosts:
            values: list[float | None] = []
            for index in range(count):
                at = start + index * step
                value = 0.02 * (1 + 0.02 * math.sin(at * (1 + int(host[-1]))))
                if self.rise_every and host == "trader-01" and int(at // 600) % self.rise_every == 0:
                    value *= 2
                values.append(value)
            found[host] = values
        return found


def plan(**judge: Any) -> Any:
    return plan_of(
        4,
        compare=[LEVEL],
        judge={"before_seconds": 1200, "step_seconds": 10} | judge,
        phases=[{"percent": percent, "soak_seconds": 600} for percent in (25, 50, 100)],
    )


def test_a_quiet_past_has_no_false_alarm_and_says_what_can_be_seen() -> None:
    rows = judge_past(plan(), Past(), 4)  # type: ignore[arg-type]
    assert [(row.contrast, row.phase, row.windows, row.failed) for row in rows] == [
        ("latency", 1, 24, 0),
        ("latency", 2, 24, 0),
    ]
    assert all(row.detectable is not None and row.detectable >= 0.3 for row in rows)
    assert not any(row.alarming for row in rows)


def test_a_host_that_rises_by_itself_is_alarming() -> None:
    past = Past()
    past.rise_every = 4
    row = judge_past(plan(), past, 4)[0]  # type: ignore[arg-type]
    assert row.failed >= 4
    assert row.alarming


def test_the_placebo_knows_such_rises() -> None:
    past = Past()
    past.rise_every = 4
    plain = judge_past(plan(), past, 4)[0]  # type: ignore[arg-type]
    row = judge_past(plan(placebo_windows=20), past, 4)[0]  # type: ignore[arg-type]
    assert row.failed <= 1 < 3 < plain.failed


@pytest.mark.parametrize(
    ("windows", "failed", "alarming"), [(0, 0, False), (24, 0, False), (400, 3, False), (24, 3, True)]
)
def test_what_chance_explains_is_no_alarm(windows: int, failed: int, alarming: bool) -> None:
    assert Row("x", 1, windows, failed, 0, 0.005, None).alarming is alarming


@pytest.fixture
def fake() -> Iterator[FakePrometheus]:
    with serve(FakePrometheus(HOSTS)) as served:
        yield served


@pytest.mark.parametrize("series", [{}, {"errors": ["0.2"]}, {"orders": ["3"]}, {"errors": []}])
def test_what_was_kept_gives_the_same_verdict(
    fake: FakePrometheus, tmp_path: Path, series: dict[str, list[str]]
) -> None:
    record = rollout(tmp_path, plan_of(4, fake.url))
    fake.hosts["trader-01"].series |= series
    phase = record.plan.phase(1)
    verdict = soak(record, phase, Prometheus(fake.url), lambda line: None, fake.clock())
    assert again(record, phase) == (verdict["verdict"], verdict["verdict"])


def test_a_verdict_that_was_changed_is_seen(fake: FakePrometheus, tmp_path: Path) -> None:
    record = rollout(tmp_path, plan_of(4, fake.url))
    fake.hosts["trader-01"].series["errors"] = ["0.2"]
    phase = record.plan.phase(1)
    soak(record, phase, Prometheus(fake.url), lambda line: None, fake.clock())
    path = record.phase_folder(1) / "verdict.json"
    path.write_text(re.sub('"verdict": "fail"', '"verdict": "pass"', path.read_text(), count=1))
    assert again(record, phase) == ("pass", "fail")


def test_a_phase_that_was_not_judged(tmp_path: Path) -> None:
    record = rollout(tmp_path, plan_of(4))
    with pytest.raises(OperatorError, match=r"phase 1 of .* was not judged"):
        again(record, record.plan.phase(1))
