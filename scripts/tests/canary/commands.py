"""The commands of ./scripts/canary as the playbook types them, on a fleet that a fake Prometheus sees."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from ops import paths
from ops.canary.cli import cli
from ops.canary.record import Record, open_record
from tests.canary_helpers import OLD_RELEASE, OLD_SHA256, FakePrometheus, proof, settings

HOSTS = [f"trader-{number:02}" for number in range(1, 5)]
METRICS = "metrics:\n  - {name: trader_orders_total, type: counter}\n"


def make_release(app: str) -> str:
    content = f"artifact of {app}".encode()
    sha256 = hashlib.sha256(content).hexdigest()
    manifest = {
        "app": app,
        "id": f"{app}-1.2.3-{sha256[:12]}",
        "sha256": sha256,
        "version": "1.2.3",
        "bytes": 1,
    }
    folder = paths.RELEASES / str(manifest["id"])
    folder.mkdir(parents=True)
    (folder / "artifact.tar.zst").write_bytes(content)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return str(manifest["id"])


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def start(
    fake: FakePrometheus, release: str, pid: int | None = None, command: str = "start", **plan: Any
) -> Result:
    arguments = ["--inventory", "lab", "--release", release, "--hosts-json", json.dumps(HOSTS)]
    arguments += ["--plan-json", json.dumps(settings(fake.url, **plan))]
    if command == "plan":
        arguments += ["--no-effects"]
    if command == "start":
        arguments += ["--owner-pid", str(pid or os.getpid())]
    return run(command, *arguments)


def change(fake: FakePrometheus, record: Record, number: int) -> None:
    """The batch playbook's part: mark, change and prove every host of a phase."""
    plan = record.plan
    for host in plan.phase(number).batch:
        mark = {"previous_release": OLD_RELEASE, "previous_sha256": OLD_SHA256}
        record.begun_file(number, host).write_text(json.dumps(mark))
        fake.hosts[host].release, fake.hosts[host].sha256 = plan.release, plan.sha256
        record.proof_file(number, host).write_text(json.dumps(proof(host, plan.release, plan.sha256)))


def begun(fake: FakePrometheus, release: str, pid: int | None = None, **plan: Any) -> Record:
    """A rollout whose first host has changed."""
    started = start(fake, release, pid, **plan)
    assert started.exit_code == 0, started.output
    record = open_record(Path(started.stdout.splitlines()[-1]))
    change(fake, record, 1)
    return record


def act(action: str, *more: str) -> Result:
    return run("act", action, "--inventory", "lab", "--owner-pid", str(os.getpid()), *more)


def soak(record: Record, number: int = 1) -> Result:
    return run("soak", "--rollout", str(record.folder), "--phase", str(number))


def stage(record: Record) -> tuple[str, list[int]]:
    todo = json.loads(run("todo", "--rollout", str(record.folder)).stdout)
    return todo["stage"], todo["phases"]
