import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.canary import gate, lock
from ops.canary.prometheus import Prometheus
from ops.canary.record import Record
from tests.canary_helpers import (
    OLD_RELEASE,
    OLD_SHA256,
    RELEASE,
    SHA256,
    FakePrometheus,
    plan_of,
    proof,
    prove,
    rollout,
    serve,
)

HOSTS = [f"trader-{number:02}" for number in range(1, 5)]


@pytest.fixture
def fake() -> Iterator[FakePrometheus]:
    with serve(FakePrometheus(HOSTS)) as served:
        for host in HOSTS[1:]:
            served.hosts[host].release, served.hosts[host].sha256 = OLD_RELEASE, OLD_SHA256
        yield served


@pytest.fixture
def record(fake: FakePrometheus, tmp_path: Path) -> Record:
    """A rollout that holds the lock, and whose first phase has passed on trader-01."""
    made = rollout(tmp_path, plan_of(4, fake.url))
    lock.acquire(tmp_path / "lab", rollout=made.rollout, release=RELEASE, pid=os.getpid(), since="now")
    prove(made, 1)
    made.append("verdict", phase=1, verdict="pass", reasons=[])
    return made


def reasons(record: Record, fake: FakePrometheus, phase: int = 2) -> list[str]:
    return [one.text for one in gate.reasons(record, record.plan.phase(phase), Prometheus(fake.url))]


def test_the_gate_is_open(record: Record, fake: FakePrometheus) -> None:
    assert reasons(record, fake) == []


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("up", 0, "Prometheus cannot scrape it (up is 0)"),
        ("up", None, "Prometheus has no sample of it"),
        ("age_seconds", 3.0, "its last sample is 3 s old"),
        ("state", 0, "it is not trading (trader_trading_state is 0, not 2)"),
        ("state", 1, "it is not trading (trader_trading_state is 1, not 2)"),
        ("state", None, "it is not trading (trader_trading_state is missing, not 2)"),
    ],
)
@pytest.mark.parametrize("host", ["trader-01", "trader-04"])
def test_any_host_of_the_group_can_shut_it(
    record: Record, fake: FakePrometheus, host: str, field: str, value: Any, reason: str
) -> None:
    setattr(fake.hosts[host], field, value)
    assert reasons(record, fake) == [f"{host}: {reason}"]


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [("release", OLD_RELEASE, OLD_RELEASE), ("release", None, "none"), ("sha256", OLD_SHA256, RELEASE)],
)
def test_an_updated_host_that_reports_something_else_shuts_it(
    record: Record, fake: FakePrometheus, field: str, value: Any, shown: str
) -> None:
    setattr(fake.hosts["trader-01"], field, value)
    assert reasons(record, fake) == [f"trader-01: it reports release {shown}, not {RELEASE}"]


def test_a_host_that_this_phase_left_half_way_may_be_down(record: Record, fake: FakePrometheus) -> None:
    fake.hosts["trader-02"].up = 0
    assert reasons(record, fake) != []
    record.begun_file(2, "trader-02").touch()
    assert reasons(record, fake) == []


def test_prometheus_away_shuts_it(record: Record, fake: FakePrometheus) -> None:
    fake.away = True
    (reason,) = reasons(record, fake)
    assert reason.startswith(f"Prometheus {fake.url}: cannot be reached")


@pytest.mark.parametrize("verdict", [None, "fail", "inconclusive"])
def test_an_earlier_phase_without_a_pass_shuts_it(
    fake: FakePrometheus, tmp_path: Path, verdict: str | None
) -> None:
    record = rollout(tmp_path, plan_of(4, fake.url))
    lock.acquire(tmp_path / "lab", rollout=record.rollout, release=RELEASE, pid=os.getpid(), since="now")
    prove(record, 1)
    if verdict:
        record.append("verdict", phase=1, verdict=verdict, reasons=[])
    assert reasons(record, fake) == ["phase 1 has no verdict `pass`"]


def gated(fake: FakePrometheus, tmp_path: Path, **changes: Any) -> list[gate.Reason]:
    """Reasons of the first phase's gate on a fleet of which nothing has changed."""
    for host in fake.hosts.values():
        host.release, host.sha256 = OLD_RELEASE, OLD_SHA256
    plan = plan_of(4, fake.url, **changes)
    record = rollout(tmp_path, plan)
    lock.acquire(tmp_path / "lab", rollout=record.rollout, release=RELEASE, pid=os.getpid(), since="now")
    return gate.reasons(record, plan.phase(1), Prometheus(fake.url))


def test_a_page_shuts_it_and_may_be_skipped(fake: FakePrometheus, tmp_path: Path) -> None:
    fake.answers["ALERTS{"] = [
        ({"alertname": "TraderHalted", "host": "trader-03"}, "1"),
        ({"alertname": "Watchdog"}, "1"),
    ]
    (reason,) = gated(fake, tmp_path, gates={"pages": True, "clock_seconds": 1e12})
    assert reason == gate.Reason("alert TraderHalted is firing on trader-03", "passing")


def test_a_spent_or_unknown_error_budget_shuts_it(fake: FakePrometheus, tmp_path: Path) -> None:
    wanted = {"pages": False, "error_budget": True, "clock_seconds": 1e12}
    (reason,) = gated(fake, tmp_path / "unknown", gates=wanted)
    assert "no error budget is known" in reason.text
    fake.answers["slo:error_budget:remaining"] = [
        ({"slo": "order-errors"}, "-0.1"),
        ({"slo": "feed-availability"}, "0.9"),
        ({"slo": "order-latency-p95"}, "NaN"),
    ]
    assert [one.text for one in gated(fake, tmp_path / "spent", gates=wanted)] == [
        "objective order-errors has no error budget left",
        "objective order-latency-p95 has no error budget left",
    ]


def test_an_old_or_unknown_backup_shuts_it(fake: FakePrometheus, tmp_path: Path) -> None:
    wanted = {"pages": False, "backup_hours": 26, "restore_test_hours": 192, "clock_seconds": 1e12}
    fresh, old = str(fake.seconds - 3600), str(fake.seconds - 27 * 3600)
    fake.answers["max by (host) (last_over_time(breakwater_backup"] = [
        ({"host": "trader-01"}, fresh),
        ({"host": "trader-02"}, old),
        ({"host": "trader-03"}, fresh),
    ]
    fake.answers["max by (host) (last_over_time(breakwater_restore"] = [
        ({"host": host}, fresh) for host in HOSTS
    ]
    assert [one.text for one in gated(fake, tmp_path, gates=wanted)] == [
        "trader-02: the last backup is 27.0 h old, at most 26 h",
        "trader-04: no backup is known",
    ]


def test_clocks_that_differ_shut_it_for_good(fake: FakePrometheus, tmp_path: Path) -> None:
    (reason,) = gated(fake, tmp_path, gates={"pages": False})
    assert reason.kind == "lasting"
    assert reason.text.startswith("the clocks of this machine and of Prometheus differ by")


def test_a_freeze_window_shuts_it(fake: FakePrometheus, tmp_path: Path) -> None:
    (reason,) = gated(fake, tmp_path, freeze={"windows": [{"name": "always"}]})
    assert reason == gate.Reason("freeze window: always", "passing")


def test_what_a_reason_speaks_against(record: Record, fake: FakePrometheus) -> None:
    fake.hosts["trader-01"].state = 0
    fake.hosts["trader-04"].state = 0
    found = gate.reasons(record, record.plan.phase(2), Prometheus(fake.url))
    assert [(one.text[:9], one.kind) for one in found] == [("trader-01", "release"), ("trader-04", "lasting")]


def test_an_earlier_host_without_proof_shuts_it(record: Record, fake: FakePrometheus) -> None:
    record.proof_file(1, "trader-01").unlink()
    assert reasons(record, fake) == ["trader-01: phase 1 has no valid proof of it"]


def test_a_lost_lock_shuts_it(record: Record, fake: FakePrometheus) -> None:
    lock.release_lock(record.inventory_folder, record.rollout)
    assert reasons(record, fake) == ["this rollout does not hold the lock; start another rollout"]


def test_every_host_proves_what_it_runs(record: Record, fake: FakePrometheus) -> None:
    def shut() -> list[gate.Reason]:
        return gate.reasons(record, record.plan.phase(2), Prometheus(fake.url), proofs=True)

    assert len(shut()) == 4
    for host in HOSTS:
        new = host == "trader-01"
        shown = proof(host) if new else proof(host, OLD_RELEASE, OLD_SHA256)
        record.before_file(2, host).write_text(json.dumps(shown))
    assert shut() == []
    record.before_file(2, "trader-04").unlink()
    (reason,) = shut()
    assert (reason.kind, "there is nothing to go back to" in reason.text) == ("lasting", True)
    record.before_file(2, "trader-04").write_text(json.dumps(proof("trader-04")))
    (reason,) = shut()
    assert reason.text == f"trader-04: it runs {RELEASE} already"
    record.before_file(2, "trader-04").write_text(json.dumps(proof("trader-04", OLD_RELEASE, OLD_SHA256)))
    record.before_file(2, "trader-01").write_text(json.dumps(proof("trader-01", pid_sha256=OLD_SHA256)))
    (reason,) = shut()
    assert (reason.kind, "the running process is of sha256" in reason.text) == ("release", True)


def test_a_series_that_a_restart_of_prometheus_left_behind_is_not_believed(
    record: Record, fake: FakePrometheus
) -> None:
    new = {"host": "trader-01", "release": RELEASE, "sha256": SHA256}
    old = {"host": "trader-01", "release": OLD_RELEASE, "sha256": OLD_SHA256}
    for samples in ([(new, 90.0), (old, 30.0)], [(old, 30.0), (new, 90.0)]):
        fake.answers["timestamp(trader_build_info"] = [
            (labels, str(fake.seconds - 100 + age)) for labels, age in samples
        ]
        assert reasons(record, fake) == []
    fake.answers["timestamp(trader_build_info"].append((old, str(fake.seconds)))
    assert reasons(record, fake) == [f"trader-01: it reports release {OLD_RELEASE}, not {RELEASE}"]
