"""A whole rollout as the playbook types it, command by command."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from ops import paths
from ops.canary.record import open_record
from ops.evidence.chain import Chain
from tests.canary.commands import HOSTS, act, begun, change, make_release, run, stage, start
from tests.canary_helpers import OLD_RELEASE, OLD_SHA256, FakePrometheus, proof, settings

pytestmark = pytest.mark.usefixtures("release")


def test_a_good_rollout_from_start_to_finish(fake: FakePrometheus, release: str) -> None:
    started = start(fake, release)
    assert started.exit_code == 0, started.output
    folder = started.stdout.splitlines()[-1]
    record = open_record(Path(folder))
    assert (record.folder / "plan.json").exists()
    for phase in record.plan.phases:
        number = str(phase.number)
        assert run("gate", "--rollout", folder, "--phase", number).exit_code == 0
        change(fake, record, phase.number)
        proven = run("proof", "--rollout", folder, "--phase", number)
        assert proven.exit_code == 0, proven.output
        judged = run("soak", "--rollout", folder, "--phase", number)
        assert judged.exit_code == 0, judged.output
        assert judged.stdout.splitlines()[-1] == f"phase {number}: verdict pass"
    finished = run("finish", "--rollout", folder, "--outcome", "completed")
    assert finished.exit_code == 0, finished.output
    assert finished.stdout.splitlines()[-1] == f"{folder}/report.html"
    result = json.loads((record.folder / "result.json").read_text())
    assert (result["outcome"], result["touched"]) == ("completed", HOSTS)
    kinds = [event["event"] for event in record.events()]
    assert kinds == ["started", *["gate", "proof", "soak_started", "verdict"] * 3, "finished"]
    assert start(fake, release, command="plan").exit_code == 0
    again = run("finish", "--rollout", folder, "--outcome", "aborted")
    assert (again.exit_code, again.stderr.count("\n")) == (2, 1)
    assert not (record.inventory_folder / "lock").exists()
    (written,) = Chain(paths.EVIDENCE, "lab").examine().records
    assert (written["id"], written["verdict"]) == (record.rollout, "pass")
    assert written["hosts"] == HOSTS
    assert written["steps"][:3] == [
        {**step, "name": f"phase 1: {name}", "result": "pass"}
        for step, name in zip(written["steps"], ("gate", "update", "soak"), strict=False)
    ]
    values = {one["name"]: one["value"] for one in written["values"]}
    assert values == values | {"hosts_proven": 4, "hosts_not_proven": 0, "phases_passed": 3, "errors": 0.0}
    assert [Path(file["path"]).name for file in written["attachments"]] == [
        "plan.json",
        "events.jsonl",
        "result.json",
        "report.html",
    ]


def test_a_bad_release_is_judged_and_its_way_back_proven(fake: FakePrometheus, release: str) -> None:
    folder = start(fake, release).stdout.splitlines()[-1]
    record = open_record(Path(folder))
    assert run("gate", "--rollout", folder, "--phase", "1").exit_code == 0
    change(fake, record, 1)
    fake.hosts["trader-01"].series["errors"] = ["0.2"]
    judged = run("soak", "--rollout", folder, "--phase", "1")
    assert judged.exit_code == 1
    assert judged.stdout.splitlines()[-1] == "phase 1: verdict fail: trader-01: errors: 20 %, bound < 1 %"
    assert json.loads(run("touched", "--rollout", folder, "--json").stdout) == [
        {"host": "trader-01", "previous_release": "trader-1.2.2-bbbbbbbbbbbb"}
    ]
    assert run("touched", "--rollout", folder).stdout == "trader-01  trader-1.2.2-bbbbbbbbbbbb\n"
    unproven = run("proof", "--rollout", folder, "--rollback")
    assert unproven.exit_code == 1
    assert "trader-01: gave no proof" in unproven.stdout
    record.rollback_file("trader-01").write_text(json.dumps(proof("trader-01", OLD_RELEASE, OLD_SHA256)))
    assert run("proof", "--rollout", folder, "--rollback").exit_code == 0
    finished = run("finish", "--rollout", folder, "--outcome", "rolled_back", "--reason", "phase 1 failed")
    assert finished.exit_code == 0, finished.output
    assert "rolled back" in finished.stdout
    (written,) = Chain(paths.EVIDENCE, "lab").examine().records
    assert (written["verdict"], written["reasons"]) == ("fail", ["phase 1 failed"])
    errors = next(one for one in written["values"] if one["name"] == "errors")
    assert (errors["value"], errors["bound"], errors["held"]) == (0.2, 0.01, False)
    assert written["steps"][-1]["name"] == "rollback"
    assert start(fake, release).exit_code == 0  # the lock was given up


def test_evidence_that_was_changed_is_told_and_keeps_no_lock(fake: FakePrometheus, release: str) -> None:
    folder = start(fake, release).stdout.splitlines()[-1]
    assert run("finish", "--rollout", folder, "--outcome", "aborted").exit_code == 0
    file = paths.EVIDENCE / "lab.jsonl"
    file.write_bytes(file.read_bytes().replace(b"inconclusive", b"pass"))
    folder = start(fake, release).stdout.splitlines()[-1]
    finished = run("finish", "--rollout", folder, "--outcome", "aborted", "--reason", "by hand")
    assert finished.exit_code == 2
    assert "record 1" in finished.stderr
    assert "was changed" in finished.stderr
    assert not (Path(folder).parent / "lock").exists()
    assert (Path(folder) / "report.html").exists()


def test_a_touched_host_of_unknown_origin_does_not_hide_the_others(
    fake: FakePrometheus, release: str
) -> None:
    folder = start(fake, release).stdout.splitlines()[-1]
    record = open_record(Path(folder))
    change(fake, record, 3)
    record.begun_file(3, "trader-04").write_text("")
    assert json.loads(run("touched", "--rollout", folder, "--json").stdout) == [
        {"host": "trader-03", "previous_release": OLD_RELEASE},
        {"host": "trader-04", "previous_release": None},
    ]


def test_an_unreachable_host_is_named_by_the_proof(fake: FakePrometheus, release: str) -> None:
    folder = start(fake, release).stdout.splitlines()[-1]
    record = open_record(Path(folder))
    change(fake, record, 3)
    record.proof_file(3, "trader-04").unlink()
    result = run("proof", "--rollout", folder, "--phase", "3")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "phase 3: 1 of 2 hosts not proven: trader-04: gave no proof (unreachable, or stopped half-way)"
    ]


@pytest.mark.parametrize("missing", ["verdict", "proof"])
def test_completed_without_evidence_is_not_believed(fake: FakePrometheus, release: str, missing: str) -> None:
    folder = start(fake, release).stdout.splitlines()[-1]
    record = open_record(Path(folder))
    for number in (1, 2, 3):
        change(fake, record, number)
        if missing != "verdict" or number != 2:
            record.append("verdict", phase=number, verdict="pass", reasons=[])
    if missing == "proof":
        record.proof_file(2, "trader-02").unlink()
    result = run("finish", "--rollout", folder, "--outcome", "completed")
    assert result.exit_code == 1
    assert "it cannot be called completed: " in result.stdout
    assert not (record.folder / "result.json").exists()
    assert (record.inventory_folder / "lock").exists()  # its hosts must still go back


@pytest.mark.parametrize("cut", ["result", "evidence", "lock"])
def test_a_controller_that_is_killed_at_the_very_end_is_resumed_there(
    fake: FakePrometheus, release: str, cut: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def killed(*_: Any, **__: Any) -> None:
        raise KilledError

    with subprocess.Popen(["sleep", "60"]) as controller:
        record = begun(fake, release, controller.pid)
        record.rollback_file("trader-01").write_text(json.dumps(proof("trader-01", OLD_RELEASE, OLD_SHA256)))
        record.append("turning_back", reason="bad")
        with monkeypatch.context() as patch:
            target = {"result": "write_json", "evidence": "write_report", "lock": "author"}[cut]
            patch.setattr(f"ops.canary.finish.{target}", killed)
            patch.setattr("ops.canary.lock.release_lock", lambda *_: False)
            with pytest.raises(KilledError):
                run("finish", "--rollout", str(record.folder), "--outcome", "rolled_back", "--reason", "bad")
        controller.kill()
    assert act("resume").exit_code == 0
    assert stage(record)[0] == "finished"
    done = run("finish", "--rollout", str(record.folder), "--outcome", "left")
    assert done.exit_code == 0 or "rolled back" in done.stdout
    assert json.loads((record.folder / "result.json").read_text())["outcome"] == "rolled_back"
    assert len(Chain(paths.EVIDENCE, "lab").examine().records) == 1
    assert not (record.inventory_folder / "lock").exists()
    assert act("resume").exit_code == 2


def test_a_rollback_without_evidence_is_not_believed(fake: FakePrometheus, release: str) -> None:
    folder = start(fake, release).stdout.splitlines()[-1]
    record = open_record(Path(folder))
    change(fake, record, 1)
    result = run("finish", "--rollout", folder, "--outcome", "rolled_back", "--reason", "bad")
    assert result.exit_code == 1
    written = json.loads((record.folder / "result.json").read_text())
    assert written["outcome"] == "rollback_failed"
    assert (
        written["reason"]
        == "bad; reported as rolled_back, but there is no valid proof of the way back of trader-01"
    )
    assert list(written["rollback_faults"]) == ["trader-01"]


def test_a_shut_gate_gives_its_reasons_and_exit_1(fake: FakePrometheus, release: str) -> None:
    folder = start(fake, release).stdout.splitlines()[-1]
    fake.hosts["trader-03"].state = 0
    result = run("gate", "--rollout", folder, "--phase", "1", "--wait-seconds", "0")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "phase 1: the gate is shut: trader-03: it is not trading (trader_trading_state is 0, not 2)"
    ]
    assert json.loads((Path(folder) / "phases/1/gate.json").read_text())["open"] is False


def test_a_gate_waits_a_little_for_the_first_scrape(
    fake: FakePrometheus, release: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = start(fake, release).stdout.splitlines()[-1]
    fake.hosts["trader-03"].up = None

    def scrape(seconds: float) -> None:
        fake.hosts["trader-03"].up = 1

    monkeypatch.setattr(time, "sleep", scrape)
    assert run("gate", "--rollout", folder, "--phase", "1").exit_code == 0


def test_plan_prints_the_hosts_of_every_phase_and_changes_nothing(
    fake: FakePrometheus, release: str, tmp_path: Path
) -> None:
    result = start(fake, release, command="plan")
    assert result.stdout.splitlines()[:-1] == [
        f"{release} to 4 hosts of lab in 3 phases",
        "phase  share  updated  soak  limits  hosts that change     restarted beside",
        "1      25 %   1 of 4   10 s  full    trader-01             -",
        "2      50 %   2 of 4   10 s  full    trader-02             -",
        "3      100 %  4 of 4   10 s  full    trader-03, trader-04  -",
    ]
    assert result.stdout.splitlines()[-1].startswith("plan sha256 ")
    assert not (tmp_path / "var/rollouts").exists()


def test_a_second_start_says_who_and_since_when(fake: FakePrometheus, release: str, tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as controller:
        assert start(fake, release, controller.pid).exit_code == 0
        second = start(fake, release)
        assert second.exit_code == 2
        assert f"(pid {controller.pid}) since 20" in second.stderr
        assert second.stderr.count("\n") == 1
        assert run("unlock", "--inventory", "lab").exit_code == 2
        controller.kill()
    third = start(fake, release)
    assert third.exit_code == 2
    assert "is not finished, and its controller" in third.stderr
    cleared = run("unlock", "--inventory", "lab")
    assert cleared.exit_code == 0
    assert "it had touched no host" in cleared.stdout
    assert start(fake, release).exit_code == 0
    assert run("unlock", "--inventory", "testnet").stdout == "testnet is not locked\n"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        (
            "--release",
            "trader-1.2.3-000000000000",
            "Error: unknown release 'trader-1.2.3-000000000000'; ./scripts",
        ),
        ("--plan-json", "{", "Error: --plan-json is not JSON: "),
        ("--plan-json", "null", "Error: canary: null must be a mapping"),
        ("--hosts-json", "[]", "Error: the group to roll out to is empty; is the lab up"),
        ("--hosts-json", '"trader-01"', "Error: --hosts-json must be a JSON list"),
        ("--inventory", "../lab", "Error: --inventory: '../lab' is not the name of an inventory"),
        ("--owner-pid", "999999999", "Error: --owner-pid: no process 999999999 runs here"),
    ],
)
def test_a_mistake_is_one_line_exit_2_and_no_change(
    release: str, tmp_path: Path, option: str, value: str, message: str
) -> None:
    options = {
        "--inventory": "lab",
        "--release": release,
        "--plan-json": json.dumps(settings()),
        "--hosts-json": json.dumps(HOSTS),
        "--owner-pid": str(os.getpid()),
    } | {option: value}
    result = run("start", *(word for pair in options.items() for word in pair))
    assert result.exit_code == 2
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "var/rollouts").exists()


def test_a_corrupt_release_and_one_of_another_app_are_refused(fake: FakePrometheus, release: str) -> None:
    other = start(fake, make_release("venue_sim"))
    assert "a canary rolls out the trader" in other.stderr
    (paths.RELEASES / release / "artifact.tar.zst").write_text("other")
    corrupt = start(fake, release)
    assert (other.exit_code, corrupt.exit_code) == (2, 2)
    assert f"release {release} is corrupt" in corrupt.stderr


def test_a_metric_that_the_service_does_not_have_is_named(fake: FakePrometheus, release: str) -> None:
    query = "rate(trader_order_total[$window]) / rate(trader_orders_total[$window])"
    criteria = [{"name": "x", "unit": "ratio", "max": 1, "query": query}]
    result = start(fake, release, criteria=criteria)
    assert result.exit_code == 2
    assert "canary.criteria[0].query: the service has no metric trader_order_total" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gate", "--phase", "1"], "has no readable plan.json; is it a rollout's folder?"),
        (["finish", "--outcome", "aborted"], "has no readable plan.json; is it a rollout's folder?"),
    ],
)
def test_a_folder_that_is_no_rollout(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = run(*arguments, "--rollout", str(tmp_path))
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_phase_that_is_not_planned_and_options_that_exclude_each_other(
    fake: FakePrometheus, release: str
) -> None:
    folder = start(fake, release).stdout.splitlines()[-1]
    assert (
        "phase 4 is not in the plan: it has 1 to 3" in run("gate", "--rollout", folder, "--phase", "4").stderr
    )
    both = run("proof", "--rollout", folder, "--phase", "1", "--rollback")
    assert (both.exit_code, both.stderr) == (2, "Error: give either --phase N or --rollback\n")


def test_json_for_the_playbook(fake: FakePrometheus, release: str) -> None:
    arguments = ["--inventory", "lab", "--release", release, "--hosts-json", json.dumps(HOSTS), "--json"]
    arguments += ["--plan-json", json.dumps(settings(fake.url))]
    plan = json.loads(run("plan", *arguments).stdout)
    assert [phase["batch"] for phase in plan["phases"]] == [HOSTS[:1], HOSTS[1:2], HOSTS[2:]]
    started = json.loads(run("start", *arguments, "--owner-pid", str(os.getpid())).stdout)
    assert json.loads((Path(started["folder"]) / "plan.json").read_text()) == started["plan"] == plan
