import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.canary import gate, lock
from ops.canary.prometheus import Prometheus
from ops.canary.record import Record
from ops.files import write_json
from tests.canary_helpers import (
    OLD_RELEASE,
    OLD_SHA256,
    RELEASE,
    FakePrometheus,
    plan_of,
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
    write_json(made.phase_folder(1) / "verdict.json", {"verdict": "pass"})
    return made


def reasons(record: Record, fake: FakePrometheus, phase: int = 2) -> list[str]:
    return gate.reasons(record, record.plan.phase(phase), Prometheus(fake.url))


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
    record: Record, fake: FakePrometheus, verdict: str | None
) -> None:
    path = record.phase_folder(1) / "verdict.json"
    if verdict is None:
        path.unlink()
    else:
        write_json(path, {"verdict": verdict})
    assert reasons(record, fake) == ["phase 1 has no verdict `pass`"]


def test_an_earlier_host_without_proof_shuts_it(record: Record, fake: FakePrometheus) -> None:
    record.proof_file(1, "trader-01").unlink()
    assert reasons(record, fake) == ["trader-01: phase 1 has no valid proof of it"]


def test_a_lost_lock_shuts_it(record: Record, fake: FakePrometheus) -> None:
    lock.release_lock(record.inventory_folder, record.rollout)
    assert reasons(record, fake) == ["this rollout does not hold the lock; start another rollout"]
