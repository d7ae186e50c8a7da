"""A person steps in: pause, resume, promote, skip, abort; and what dies on the way."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ops import paths
from ops.evidence.chain import Chain
from tests.canary.commands import HOSTS, act, begun, change, run, soak, stage, start
from tests.canary_helpers import FakePrometheus, settings

pytestmark = pytest.mark.usefixtures("release")


def test_too_little_evidence_holds_and_a_person_may_promote_it(fake: FakePrometheus, release: str) -> None:
    with subprocess.Popen(["sleep", "60"]) as controller:
        record = begun(fake, release, controller.pid)
        fake.hosts["trader-01"].series["orders"] = ["3"]
        judged = soak(record)
        assert judged.exit_code == 3
        assert "verdict inconclusive: trader-01: errors: rests on 3 samples" in judged.stdout.splitlines()[-1]
        controller.kill()
    assert act("promote").exit_code == 2  # without a reason
    assert act("skip", "--reason", "x").exit_code == 2  # it is not held at a gate
    promoted = act("promote", "--reason", "few orders on a holiday", "--by", "ops")
    assert promoted.exit_code == 0, promoted.output
    assert promoted.stdout.splitlines()[-1] == str(record.folder)
    assert stage(record) == ("running", [2, 3])
    event = next(one for one in record.events() if one["event"] == "promoted")
    assert (event["by"], event["reason"], event["phase"]) == ("ops", "few orders on a holiday", 1)
    assert run("gate", "--rollout", str(record.folder), "--phase", "2").exit_code == 0


def test_a_failed_verdict_is_never_promoted(fake: FakePrometheus, release: str) -> None:
    with subprocess.Popen(["sleep", "60"]) as controller:
        record = begun(fake, release, controller.pid)
        fake.hosts["trader-01"].series["errors"] = ["0.2"]
        assert soak(record).exit_code == 1
        controller.kill()
    assert act("promote", "--reason", "I know better").exit_code == 2
    assert act("resume").exit_code == 0
    assert stage(record)[0] == "turning_back"


def test_a_pause_is_asked_of_the_controller_and_answered_in_the_soak(
    fake: FakePrometheus, release: str
) -> None:
    with subprocess.Popen(["sleep", "60"]) as controller:
        record = begun(fake, release, controller.pid)
        asked: list[int] = []

        def on_tick(elapsed: float) -> None:
            if elapsed > 4 and not asked:
                asked.append(act("pause", "--reason", "news").exit_code)

        fake.on_tick = on_tick
        paused = soak(record)
        assert asked == [0]
        assert (paused.exit_code, "news" in paused.stdout) == (3, True)
        assert not (record.phase_folder(1) / "verdict.json").exists()
        assert act("resume").exit_code == 2  # its controller still runs
        controller.kill()
    assert act("promote", "--reason", "go on").exit_code == 2  # nothing was judged
    assert act("resume").exit_code == 0
    assert stage(record) == ("running", [1, 2, 3])
    assert soak(record).exit_code == 0


def test_abort_of_a_living_controller_turns_back_at_its_next_step(fake: FakePrometheus, release: str) -> None:
    record = begun(fake, release)
    assert act("abort", "--reason", "wrong release").exit_code == 0
    assert soak(record).exit_code == 1
    assert stage(record)[0] == "turning_back"
    assert "wrong release" in run("turning-back", "--rollout", str(record.folder), "--reason", "x").stdout


def test_abort_after_the_controller_died(fake: FakePrometheus, release: str) -> None:
    with subprocess.Popen(["sleep", "60"]) as controller:
        record = begun(fake, release, controller.pid)
        controller.kill()
    assert run("unlock", "--inventory", "lab").exit_code == 2  # it has touched a host
    done = act("abort", "--reason", "no more of it")
    assert done.stdout.splitlines()[-1] == str(record.folder)
    assert stage(record)[0] == "turning_back"
    assert act("pause").exit_code == 2


def test_a_controller_that_was_overtaken_must_not_act(
    fake: FakePrometheus, release: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen(["sleep", "60"]) as controller:
        record = begun(fake, release, controller.pid)
        controller.kill()
    assert act("resume").exit_code == 0
    monkeypatch.setenv("BREAKWATER_CONTROLLER_PID", str(controller.pid))
    for words in (
        ["gate", "--phase", "2"],
        ["soak", "--phase", "1"],
        ["turning-back", "--reason", "x"],
        ["finish", "--outcome", "rolled_back"],
        ["todo"],
        ["fenced"],
    ):
        result = run(words[0], "--rollout", str(record.folder), *words[1:])
        assert result.exit_code == 2, words
        assert "must not act any more" in result.stderr


def test_a_shut_gate_holds_once_a_host_was_touched_and_may_be_skipped(
    fake: FakePrometheus, release: str
) -> None:
    with subprocess.Popen(["sleep", "60"]) as controller:
        record = begun(fake, release, controller.pid, gates={"pages": True, "clock_seconds": 1e12})
        assert soak(record).exit_code == 0
        fake.answers["ALERTS{"] = [({"alertname": "BackupOld", "host": "trader-03"}, "1")]
        gate = ["gate", "--rollout", str(record.folder), "--phase", "2", "--wait-seconds", "0"]
        shut = run(*gate)
        assert (shut.exit_code, "alert BackupOld is firing on trader-03" in shut.stdout) == (3, True)
        controller.kill()
    assert act("skip", "--reason", "the backup runs now").exit_code == 0
    opened = run(*gate)
    assert opened.exit_code == 0
    assert "skipped by" in opened.stdout
    fake.hosts["trader-04"].state = 0  # no word of a person opens it to that
    assert run(*gate).exit_code == 3


def test_hosts_that_were_not_told_of_the_token_stop_it(fake: FakePrometheus, release: str) -> None:
    folder = Path(start(fake, release).stdout.splitlines()[-1])
    token = json.loads(run("todo", "--rollout", str(folder)).stdout)["token"]
    for host in HOSTS[:-1]:
        (folder / "fence" / str(token) / host).touch()
    result = run("fenced", "--rollout", str(folder))
    assert (result.exit_code, "trader-04: it was not reached" in result.stdout) == (1, True)
    (folder / "fence" / str(token) / HOSTS[-1]).touch()
    assert run("fenced", "--rollout", str(folder)).exit_code == 0


def test_status_says_how_it_stands_and_what_may_be_done(fake: FakePrometheus, release: str) -> None:
    assert run("status", "--inventory", "lab").stdout == "no rollout of lab is under way\n"
    record = begun(fake, release)
    facts = json.loads(run("status", "--inventory", "lab", "--json").stdout)
    assert (facts["rollout"], facts["stage"], facts["touched"]) == (record.rollout, "running", ["trader-01"])
    assert facts["may"] == "pause, abort"
    assert "trader-01" in run("status", "--inventory", "lab").stdout


def test_a_soak_that_is_not_enough_is_extended_once(fake: FakePrometheus, release: str) -> None:
    phases = [
        {"percent": 25, "soak_seconds": 10, "soak_max_seconds": 20},
        {"percent": 100, "soak_seconds": 10},
    ]
    record = begun(fake, release, phases=phases)
    fake.hosts["trader-01"].series["orders"] = ["3"]

    def on_tick(elapsed: float) -> None:
        if elapsed > 12:
            fake.hosts["trader-01"].series["orders"] = ["100"]
            fake.hosts["trader-01"].scrapes = fake.hosts["trader-01"].reported = 20

    fake.on_tick = on_tick
    assert soak(record).exit_code == 0
    assert [event["event"] for event in record.events()].count("extended") == 1
    verdict = json.loads((record.phase_folder(1) / "verdict.json").read_text())
    window = verdict["window"]
    assert (verdict["extended"], window["ended_seconds"] - window["started_seconds"]) == (True, 20)


def test_webhooks_are_told_and_one_that_is_away_stops_nothing(fake: FakePrometheus, release: str) -> None:
    with serve_hook() as (url, bodies):
        record = begun(fake, release, webhooks=[url, "http://127.0.0.1:9/secret"])
        run("turning-back", "--rollout", str(record.folder), "--reason", "x")
    assert [(body["moment"], body["release"]) for body in bodies] == [
        ("started", release),
        ("turning_back", release),
    ]
    failed = [event for event in record.events() if event["event"] == "not_notified"]
    assert [event["hook"] for event in failed] == [1, 1]
    assert "secret" not in json.dumps(failed)


@contextmanager
def serve_hook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    bodies: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", bodies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_plan_says_what_each_phase_can_see(fake: FakePrometheus, release: str) -> None:
    fake.hosts["trader-02"].series |= {"errors": ["0.002"], "orders": ["3"]}
    arguments = ["--inventory", "lab", "--release", release, "--hosts-json", json.dumps(HOSTS)]
    arguments += ["--plan-json", json.dumps(settings(fake.url))]
    shown = run("plan", *arguments)
    assert shown.exit_code == 0
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert "no contrast is judged in any phase" in shown.stdout
    assert "errors 1 0 % trader-01 < 1 % - 500 of 20" in lines
    assert "errors 2 0.2 % trader-02 < 1 % 5 x 3 of 20 NOT ENOUGH" in lines
    fake.away = True
    assert "what each phase can see is not known" in run("plan", *arguments).stdout


def test_a_soak_that_was_held_and_done_again_is_evidence(fake: FakePrometheus, release: str) -> None:
    with subprocess.Popen(["sleep", "60"]) as controller:
        record = begun(fake, release, controller.pid)
        fake.away = True
        assert soak(record).exit_code == 3
        controller.kill()
    fake.away = False
    assert act("resume").exit_code == 0
    for phase in record.plan.phases:
        if phase.number > 1:
            assert run("gate", "--rollout", str(record.folder), "--phase", str(phase.number)).exit_code == 0
            change(fake, record, phase.number)
        assert run("proof", "--rollout", str(record.folder), "--phase", str(phase.number)).exit_code == 0
        assert soak(record, phase.number).exit_code == 0
    done = run("finish", "--rollout", str(record.folder), "--outcome", "completed")
    assert done.exit_code == 0, done.output
    (written,) = Chain(paths.EVIDENCE, "lab").examine().records
    assert written["verdict"] == "pass"
    assert [step["name"] for step in written["steps"]].count("phase 1: soak") == 1


def test_what_a_person_let_pass_is_no_evidence_of_a_pass(fake: FakePrometheus, release: str) -> None:
    phases = [{"percent": 100, "soak_seconds": 10}]
    with subprocess.Popen(["sleep", "60"]) as controller:
        record = begun(fake, release, controller.pid, phases=phases)
        fake.hosts["trader-01"].series["orders"] = ["3"]
        assert run("proof", "--rollout", str(record.folder), "--phase", "1").exit_code == 0
        assert soak(record).exit_code == 3
        controller.kill()
    assert act("promote", "--reason", "a holiday", "--by", "ops").exit_code == 0
    done = run("finish", "--rollout", str(record.folder), "--outcome", "completed")
    assert done.exit_code == 0, done.output
    (written,) = Chain(paths.EVIDENCE, "lab").examine().records
    assert (written["verdict"], written["reasons"]) == (
        "inconclusive",
        ["phase 1 promoted by ops: a holiday"],
    )


def test_what_does_not_speak_against_the_release_is_held_and_resumed(
    fake: FakePrometheus, release: str
) -> None:
    phases = [{"percent": 100, "soak_seconds": 10}]
    with subprocess.Popen(["sleep", "60"]) as controller:
        record = begun(fake, release, controller.pid, phases=phases)
        assert soak(record).exit_code == 0
        held = run(
            "hold", "--rollout", str(record.folder), "--reason", "not every host has its full limits again"
        )
        assert (held.exit_code, "not finished: not every host" in held.stdout) == (3, True)
        controller.kill()
    assert act("resume").exit_code == 0
    assert stage(record) == ("running", [])
