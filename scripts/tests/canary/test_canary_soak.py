import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.canary.prometheus import Prometheus
from ops.canary.record import Record
from ops.canary.soak import soak
from tests.canary_helpers import OLD_RELEASE, OLD_SHA256, FakePrometheus, plan_of, rollout, serve

HOSTS = [f"trader-{number:02}" for number in range(1, 5)]


@pytest.fixture
def fake() -> Iterator[FakePrometheus]:
    with serve(FakePrometheus(HOSTS)) as served:
        yield served


def run(fake: FakePrometheus, folder: Path, phase: int = 3, **changes: Any) -> dict[str, Any]:
    record = rollout(folder, plan_of(4, fake.url, **changes))
    said: list[str] = []
    verdict = soak(record, record.plan.phase(phase), Prometheus(fake.url), said.append, fake.clock())
    assert json.loads((record.phase_folder(phase) / "verdict.json").read_text()) == verdict
    assert record.events()[-1]["verdict"] == verdict["verdict"]
    verdict["said"] = said
    return verdict


def test_a_good_phase_passes_with_all_its_numbers(fake: FakePrometheus, tmp_path: Path) -> None:
    verdict = run(fake, tmp_path)
    assert (verdict["verdict"], verdict["reasons"]) == ("pass", [])
    assert verdict["window"]["ended_seconds"] - verdict["window"]["started_seconds"] == 10
    assert not verdict["window"]["ended_early"]
    names = [one["name"] for one in verdict["criteria"]]
    assert names == ["scraped", "release reported", "restarts", "errors", "differences"]
    errors = verdict["criteria"][3]
    assert errors["bound"] == {"below": 0.01}
    assert [host["host"] for host in errors["hosts"]] == HOSTS
    assert errors["asked"]["answer"]["query"] == f'errors{{host=~"{"|".join(HOSTS)}"}}[10s]'
    assert errors["asked"]["answer"]["samples"][0]["value"] == "0"
    assert verdict["said"] == [
        f"phase 3: soaked {seconds} of 10 s; 4 of 4 updated hosts trade" for seconds in (5, 10)
    ]


def test_only_the_hosts_updated_so_far_are_judged(fake: FakePrometheus, tmp_path: Path) -> None:
    for host in HOSTS[2:]:
        fake.hosts[host].series = {}
        fake.hosts[host].release = OLD_RELEASE
    assert run(fake, tmp_path, phase=2)["verdict"] == "pass"


@pytest.mark.parametrize(
    ("series", "verdict", "reason"),
    [
        ({"errors": ["0.03"]}, "fail", "trader-04: errors: 3 %, bound < 1 %"),
        ({"diffs": ["1"]}, "fail", "trader-04: differences: 1 differences, bound <= 0"),
        ({"errors": []}, "inconclusive", "trader-04: errors: no data"),
        ({"errors": ["NaN"]}, "inconclusive", "trader-04: errors: no data (the value is NaN)"),
        ({"diffs": []}, "inconclusive", "trader-04: differences: no data"),
        ({"orders": ["3"]}, "inconclusive", "trader-04: errors: rests on 3 samples, 20 are needed"),
        ({"orders": []}, "inconclusive", "trader-04: errors: number of samples: no data"),
        ({"diffs": ["0", "0"]}, "inconclusive", "trader-04: differences: 2 series for one host"),
    ],
)
def test_one_bad_criterion_on_one_host(
    fake: FakePrometheus, tmp_path: Path, series: dict[str, list[str]], verdict: str, reason: str
) -> None:
    fake.hosts["trader-04"].series |= series
    result = run(fake, tmp_path)
    assert result["verdict"] == verdict
    assert any(line.startswith(reason) for line in result["reasons"])


@pytest.mark.parametrize(
    ("field", "value", "verdict", "reason"),
    [
        ("scrapes", 7, "inconclusive", "scraped: 7 scrapes, bound >= 8"),
        ("scrapes", None, "inconclusive", "scraped: no data"),
        ("reported", 5, "inconclusive", "release reported: 5 scrapes, bound >= 8"),
        ("reported", None, "inconclusive", "release reported: no data"),
        ("restarts", 1, "fail", "restarts: 1 restarts, bound <= 0"),
    ],
)
def test_what_every_plan_demands(
    fake: FakePrometheus, tmp_path: Path, field: str, value: Any, verdict: str, reason: str
) -> None:
    setattr(fake.hosts["trader-02"], field, value)
    result = run(fake, tmp_path)
    assert (result["verdict"], result["reasons"]) == (verdict, [f"trader-02: {reason}"])


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("lately", 0, "no scrape of it has succeeded for three in a row"),
        ("lately", None, "no scrape of it has succeeded for three in a row"),
        ("release", OLD_RELEASE, f"it reports release {OLD_RELEASE}, not"),
        ("started", 2000.0, "the process was restarted during the soak"),
    ],
)
def test_a_lost_host_ends_the_soak_at_once(
    fake: FakePrometheus, tmp_path: Path, field: str, value: Any, reason: str
) -> None:
    def tick(elapsed: float) -> None:
        if elapsed >= 3:
            setattr(fake.hosts["trader-01"], field, value)

    fake.on_tick = tick
    result = run(fake, tmp_path)
    assert result["verdict"] == "fail"
    assert any(line.startswith(f"trader-01: {reason}") for line in result["reasons"])
    assert result["window"]["ended_early"]
    assert result["window"]["ended_seconds"] - result["window"]["started_seconds"] == 3
    assert len(result["criteria"]) == 5  # judged all the same, for the report


def test_the_window_begins_when_the_new_process_has_been_scraped(
    fake: FakePrometheus, tmp_path: Path
) -> None:
    host = fake.hosts["trader-01"]
    host.release, host.sha256, host.started = OLD_RELEASE, OLD_SHA256, 1.0
    begin = fake.seconds

    def tick(elapsed: float) -> None:
        if elapsed >= 2:
            host.release, host.sha256, host.started = fake.hosts["trader-02"].release, "a" * 64, 2.0

    fake.on_tick = tick
    result = run(fake, tmp_path)
    assert result["verdict"] == "pass"
    assert result["window"]["started_seconds"] == begin + 2


@pytest.mark.parametrize(
    ("field", "value", "verdict", "reason"),
    [
        ("release", OLD_RELEASE, "fail", "it reports release trader-1.2.2"),
        ("release", None, "fail", "it reports release none"),
        ("sha256", OLD_SHA256, "fail", "it reports release trader-1.2.3"),
        ("up", 0, "fail", "Prometheus cannot scrape it (up is 0)"),
        ("up", None, "inconclusive", "Prometheus has no sample of it"),
        ("age_seconds", 9.0, "inconclusive", "its last sample is 9 s old"),
    ],
)
def test_a_host_that_prometheus_never_sees_well_is_not_soaked(
    fake: FakePrometheus, tmp_path: Path, field: str, value: Any, verdict: str, reason: str
) -> None:
    setattr(fake.hosts["trader-01"], field, value)
    result = run(fake, tmp_path)
    assert result["verdict"] == verdict
    assert result["reasons"][0].startswith(f"trader-01: {reason}")


def test_prometheus_away_is_no_pass(fake: FakePrometheus, tmp_path: Path) -> None:
    fake.away = True
    result = run(fake, tmp_path)
    assert result["verdict"] == "inconclusive"
    assert "cannot be reached" in result["reasons"][0]


def test_prometheus_that_goes_away_ends_the_soak(fake: FakePrometheus, tmp_path: Path) -> None:
    def tick(elapsed: float) -> None:
        fake.away = elapsed >= 3

    fake.on_tick = tick
    phases = [{"percent": 100, "soak_seconds": 60}]
    result = run(fake, tmp_path, phase=1, phases=phases)
    assert result["verdict"] == "inconclusive"
    assert "was away for 10 s" in result["reasons"][0]
    assert result["said"][-1].endswith("Prometheus does not answer")
    assert all(one["verdict"] == "inconclusive" for one in result["criteria"])


def test_prometheus_that_comes_back_soon_is_forgiven(fake: FakePrometheus, tmp_path: Path) -> None:
    def tick(elapsed: float) -> None:
        fake.away = 3 <= elapsed < 7

    fake.on_tick = tick
    assert run(fake, tmp_path)["verdict"] == "pass"


def test_a_query_that_prometheus_refuses_is_no_pass(fake: FakePrometheus, tmp_path: Path) -> None:
    fake.refuse = "diffs"
    result = run(fake, tmp_path)
    assert result["verdict"] == "inconclusive"
    assert result["reasons"][0].startswith("trader-01: differences: Prometheus: parse error: diffs")


def test_a_clock_that_jumps_is_no_pass(fake: FakePrometheus, tmp_path: Path) -> None:
    fake.rate = 3.0
    result = run(fake, tmp_path)
    assert result["verdict"] == "inconclusive"
    assert "a clock jumped: 10 s passed here, 30 s on Prometheus" in result["reasons"]


def test_the_record_has_the_soak_in_its_timeline(fake: FakePrometheus, tmp_path: Path) -> None:
    run(fake, tmp_path)
    record = Record(tmp_path / "lab/20260101T000000Z-aaaaaaaaaaaa", plan_of(4, fake.url))
    assert [event["event"] for event in record.events()] == ["started", "soak_started", "verdict"]
    assert [event["sequence"] for event in record.events()] == [0, 1, 2]
