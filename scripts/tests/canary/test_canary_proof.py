import json
from pathlib import Path
from typing import Any

import pytest

from ops.canary import proof as proof_check
from ops.canary.record import Record
from tests.canary_helpers import OLD_RELEASE, OLD_SHA256, RELEASE, SHA256, plan_of, proof, prove, rollout


@pytest.fixture
def record(tmp_path: Path) -> Record:
    made = rollout(tmp_path, plan_of(4))
    prove(made, 1)
    return made


def test_a_batch_that_runs_the_release_is_proven(record: Record) -> None:
    prove(record, 3)
    assert proof_check.forward(record, record.plan.phase(3)) == {"trader-03": [], "trader-04": []}


def test_a_host_without_a_file_has_failed(record: Record) -> None:
    prove(record, 3)
    record.proof_file(3, "trader-04").unlink()
    found = proof_check.forward(record, record.plan.phase(3))
    assert found == {"trader-03": [], "trader-04": ["gave no proof (unreachable, or stopped half-way)"]}


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_file_that_is_no_proof_has_failed(record: Record, text: str) -> None:
    record.proof_file(1, "trader-01").write_text(text)
    (faults,) = proof_check.forward(record, record.plan.phase(1)).values()
    assert faults == ["gave no proof (unreachable, or stopped half-way)"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"host": "trader-09"}, "the proof is of host trader-09, not trader-01"),
        ({"release": OLD_RELEASE}, f"the installed release is {OLD_RELEASE}, not {RELEASE}"),
        ({"sha256": OLD_SHA256}, f"the installed artifact's sha256 is {OLD_SHA256}, not {SHA256}"),
        ({"pid_release": OLD_RELEASE}, f"the running process is of release {OLD_RELEASE}, not {RELEASE}"),
        ({"pid_sha256": OLD_SHA256}, f"the running process is of sha256 {OLD_SHA256}, not {SHA256}"),
        ({"reported_release": "dev"}, f"the service reports release dev, not {RELEASE}"),
        ({"reported_sha256": ""}, f"the service reports sha256 , not {SHA256}"),
        ({"pid": 0}, "no process runs (pid 0)"),
        ({"pid": None}, "no process runs (pid None)"),
        ({"ready": False}, "the service is not ready"),
        ({"ready": "true"}, "the service is not ready"),
        ({"restarts": 2}, "the service was restarted by itself (2 times)"),
    ],
)
def test_each_mismatch_is_named(record: Record, change: dict[str, Any], fault: str) -> None:
    record.proof_file(1, "trader-01").write_text(json.dumps(proof("trader-01") | change))
    assert proof_check.forward(record, record.plan.phase(1)) == {"trader-01": [fault]}


def test_every_part_of_a_proof_is_required() -> None:
    whole = proof("trader-01")
    for key in ("host", "release", "sha256", "pid", "pid_release", "pid_sha256", "ready"):
        part = {name: value for name, value in whole.items() if name != key}
        assert len(proof_check.faults("trader-01", part, RELEASE, SHA256)) == 1, key


def test_a_host_is_back_when_it_runs_what_it_ran_before(record: Record) -> None:
    assert proof_check.backward(record) == {"trader-01": ["gave no proof (unreachable, or stopped half-way)"]}
    record.rollback_file("trader-01").write_text(json.dumps(proof("trader-01", OLD_RELEASE, OLD_SHA256)))
    assert proof_check.backward(record) == {"trader-01": []}
    record.rollback_file("trader-01").write_text(json.dumps(proof("trader-01", "trader-1.0-c", "c" * 64)))
    assert proof_check.backward(record)["trader-01"][0].startswith("the installed release is trader-1.0-c")


def test_a_host_that_kept_the_release_is_not_back(record: Record) -> None:
    record.begun_file(1, "trader-01").write_text("")
    record.rollback_file("trader-01").write_text(json.dumps(proof("trader-01")))
    assert proof_check.backward(record) == {"trader-01": [f"still runs {RELEASE}"]}


def test_only_touched_hosts_go_back_and_a_mark_alone_is_a_touch(record: Record) -> None:
    record.begun_file(2, "trader-02").touch()
    assert record.touched() == [(1, "trader-01"), (2, "trader-02")]
    assert list(proof_check.backward(record)) == ["trader-01", "trader-02"]
