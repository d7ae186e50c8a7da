import json
from pathlib import Path
from typing import Any

import pytest

from ops.canary import contrast
from ops.canary.plan import Plan
from ops.canary.prometheus import Answer, PrometheusError, Sample
from ops.canary.record import Record
from tests.canary_helpers import plan_of, rollout

LEVEL = {"name": "latency", "kind": "level", "query": 'lat{host=~"$hosts"}[$window]', "margin": 0.3}
COUNT = {
    "name": "errors beside",
    "kind": "count",
    "query": 'err{host=~"$hosts"}[$window]',
    "exposure_query": 'ord{host=~"$hosts"}[$window]',
    "harmless_rate": 0.001,
    "margin": 2,
}


class Steps:
    """A Prometheus of made-up steps: `value(metric, host, index, after)`."""

    url = "http://made-up"

    def __init__(self, change_seconds: float) -> None:
        self.change_seconds = change_seconds
        self.level = 0.02
        self.canary_level = 0.02
        self.canary_errors = 0.0
        self.gap = 0.0
        self.started_seconds = 0.0
        self.away = False
        self.asked: list[tuple[str, float, float]] = []

    def query(self, query: str, at_seconds: float) -> Answer:
        started = Sample({"host": "trader-02"}, str(self.started_seconds))
        return Answer(query, at_seconds, (started,) if self.started_seconds else ())

    def query_range(
        self, query: str, hosts: list[str], start: float, end: float, step: float
    ) -> dict[str, list[float | None]]:
        if self.away:
            raise PrometheusError("cannot be reached")
        self.asked.append((query, start, end))
        count = round((end - start) / step) + 1
        return {host: [self._value(query, host, start, index) for index in range(count)] for host in hosts}

    def _value(self, query: str, host: str, start: float, index: int) -> float | None:
        after, canary = start > self.change_seconds, host == "trader-01"
        if canary and after and index < self.gap:
            return None
        wobble = 1 + 0.01 * ((index * 7 + int(host[-2:]) * 3) % 5 - 2)
        if query.startswith("lat"):
            return wobble * (self.canary_level if canary and after else self.level)
        if query.startswith("err"):
            return self.canary_errors if canary and after else 0.0
        return 30.0


@pytest.fixture
def record(tmp_path: Path) -> Record:
    plan = plan_of(4, compare=[LEVEL, COUNT], judge={"before_seconds": 600, "step_seconds": 10})
    return rollout(tmp_path, plan)


def judge(record: Record, steps: Steps, phase: int = 1) -> dict[str, dict[str, Any]]:
    start = steps.change_seconds + 100
    found = contrast.judge_all(record, record.plan.phase(phase), steps, start, start + 300)  # type: ignore[arg-type]
    return {one["name"]: one for one in found}


@pytest.fixture
def steps(record: Record) -> Steps:
    return Steps(record.events()[0]["at_ns"] / 1e9)


def test_a_release_like_the_others_passes(record: Record, steps: Steps) -> None:
    found = judge(record, steps)
    assert {name: one["verdict"] for name, one in found.items()} == {
        "latency": "pass",
        "errors beside": "inconclusive",
    }
    latency = found["latency"]
    assert latency["hosts"] == ["trader-01"]
    assert latency["controls"] == ["trader-02", "trader-03", "trader-04"]
    assert abs(latency["interval"]["estimate"]) < 0.01
    # 900 orders without an error do not prove less than 0.1 %.
    assert "harmless up to 2 times, or 0.10%" in found["errors beside"]["reason"]


def test_a_slower_one_fails(record: Record, steps: Steps) -> None:
    steps.canary_level = 0.03
    latency = judge(record, steps)["latency"]
    assert latency["verdict"] == "fail"
    assert latency["reason"].startswith("+50% beside the others")


def test_errors_on_the_canary_alone_fail(record: Record, steps: Steps) -> None:
    steps.canary_errors = 1.0
    assert judge(record, steps)["errors beside"]["verdict"] == "fail"


def test_hosts_that_differed_before_are_no_measure(record: Record, steps: Steps) -> None:
    steps.canary_errors = 1.0
    plan, phase = record.plan, record.plan.phase(1)
    judge(record, steps)
    kept = json.loads((record.phase_folder(1) / "contrasts.json").read_text())
    for host, values in kept["errors beside"]["query_before"].items():
        every = 3 if host == "trader-01" else 20
        values[:] = [float(index % every == 0) for index in range(len(values))]
    found = contrast.judge_kept(plan, phase, kept)[1]
    assert (found["verdict"], "before the change it was" in found["reason"]) == ("inconclusive", True)


def test_a_gap_is_no_evidence(record: Record, steps: Steps) -> None:
    steps.gap = 8
    latency = judge(record, steps)["latency"]
    assert latency["verdict"] == "inconclusive"
    assert latency["reason"] == "trader-01: after the change 22 of 30 steps have a value"


def test_a_prometheus_that_is_away_is_no_evidence(record: Record, steps: Steps) -> None:
    steps.away = True
    for one in judge(record, steps).values():
        assert (one["verdict"], "cannot be reached" in one["reason"]) == ("inconclusive", True)


def test_the_last_phase_has_nobody_to_compare_with(record: Record, steps: Steps) -> None:
    assert judge(record, steps, phase=3) == {}


def test_what_was_kept_is_judged_the_same_again(record: Record, steps: Steps) -> None:
    first = judge(record, steps)
    kept = json.loads((record.phase_folder(1) / "contrasts.json").read_text())
    again = contrast.judge_kept(record.plan, record.plan.phase(1), kept)
    assert json.loads(json.dumps(again)) == json.loads(json.dumps(list(first.values())))


def test_the_budget_is_split_over_contrasts_and_judged_phases(record: Record) -> None:
    assert contrast.error_share(record.plan) == pytest.approx(0.05 / (2 * 2))


def test_a_restarted_control_is_the_only_one(tmp_path: Path) -> None:
    plan: Plan = plan_of(
        4, compare=[LEVEL], judge={"before_seconds": 600, "step_seconds": 10, "restart_control": True}
    )
    record = rollout(tmp_path, plan)
    found = judge(record, Steps(record.events()[0]["at_ns"] / 1e9))
    assert found["latency"]["controls"] == ["trader-02"]


def test_the_windows_asked_for_are_before_the_rollout_and_in_the_soak(record: Record, steps: Steps) -> None:
    judge(record, steps)
    change, start = steps.change_seconds, steps.change_seconds + 100
    for query, first, last in steps.asked:
        assert "[10s]" in query
        before = last <= change
        low, high = (change - 600, change) if before else (start, start + 300)
        assert first - 10 >= low - 1e-6
        assert last <= high + 1e-6


def test_what_was_before_a_hosts_last_start_is_no_measure(record: Record, steps: Steps) -> None:
    steps.started_seconds = steps.change_seconds - 200
    judge(record, steps)
    begins = {first - 10 for _, first, last in steps.asked if last <= steps.change_seconds}
    assert min(begins) >= steps.started_seconds
    steps.started_seconds = steps.change_seconds - 5
    latency = judge(record, steps)["latency"]
    assert (latency["verdict"], latency["interval"]) == ("inconclusive", None)
