"""Proof per host that what runs is what was meant to run. A host without one has failed."""

from collections.abc import Mapping
from typing import Any

from ops.canary.layout import Phase
from ops.canary.record import Record
from ops.files import read_json


def forward(record: Record, phase: Phase) -> dict[str, list[str]]:
    """Faults of each host of a batch, an empty list for one that is proven."""
    expected = (record.plan.release, record.plan.sha256)
    return {
        host: faults(host, read_json(record.proof_file(phase.number, host)), *expected)
        for host in phase.batch
    }


def backward(record: Record) -> dict[str, list[str]]:
    """Faults of each touched host after the way back.

    What a host must run again is what its .begun file names ({"previous_release", "previous_sha256"});
    when that is not said, any release but the one that was rolled out, as long as process and report
    agree with the proof.
    """
    found = {}
    for number, host in record.touched():
        proof = read_json(record.rollback_file(host))
        previous_release, previous_sha256 = record.previous(number, host)
        claimed = proof or {}
        release = previous_release or claimed.get("release")
        sha256 = previous_sha256 or claimed.get("sha256")
        problems = faults(host, proof, str(release), str(sha256))
        if not problems and release == record.plan.release:
            problems = [f"still runs {release}"]
        found[host] = problems
    return found


def faults(host: str, proof: Mapping[str, Any] | None, release: str, sha256: str) -> list[str]:
    """Compare one host's proof with what it must show.

    Args:
        host: inventory name.
        proof: content of its file, None when it is missing or unreadable.
        release: id that must run.
        sha256: hex sha256 of its artifact.
    """
    if proof is None:
        return ["gave no proof (unreachable, or stopped half-way)"]
    wanted = {
        "host": (host, "the proof is of host"),
        "release": (release, "the installed release is"),
        "sha256": (sha256, "the installed artifact's sha256 is"),
        "pid_release": (release, "the running process is of release"),
        "pid_sha256": (sha256, "the running process is of sha256"),
        "reported_release": (release, "the service reports release"),
        "reported_sha256": (sha256, "the service reports sha256"),
    }
    problems = [
        f"{text} {proof.get(key)!s:.80}, not {value}"
        for key, (value, text) in wanted.items()
        if proof.get(key) != value
    ]
    pid = proof.get("pid")
    if not str(pid).isdecimal() or int(str(pid)) <= 0:
        problems.append(f"no process runs (pid {pid})")
    if proof.get("ready") is not True:
        problems.append("the service is not ready")
    restarts = proof.get("restarts", 0)
    if restarts != 0:
        problems.append(f"the service was restarted by itself ({restarts} times)")
    return problems
