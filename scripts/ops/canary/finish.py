"""The end of a rollout: what the evidence allows to be said, written once, and the lock given up."""

import time
from typing import Any, Literal, get_args

from ops import paths
from ops.canary import evidence, lock, proof
from ops.canary.record import Record
from ops.canary.report import write_report
from ops.errors import OperatorError
from ops.evidence.chain import Chain
from ops.files import read_json, write_json
from ops.times import utc_text
from ops.who import author

Outcome = Literal["completed", "rolled_back", "rollback_failed", "left", "aborted"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


def finish(record: Record, asked: Outcome, reason: str) -> dict[str, Any]:
    """Write result.json and report.html, release the lock, and add the rollout to the evidence.

    Args:
        record: the rollout.
        asked: what the playbook believes; `completed` and `rolled_back` must be proven by the rollout's
            own files, and
            become `aborted` and `rollback_failed` when they are not.
        reason: why, in a sentence; may be empty for `completed`.
    Returns:
        The content of result.json.
    Raises:
        OperatorError: the rollout was finished before, or cannot be added to the evidence.
    """
    before = read_json(record.folder / "result.json")
    if before is not None:
        raise OperatorError(f"the rollout {record.rollout} was finished before, as {before.get('outcome')}")
    outcome, gap = _proven(record, asked)
    if gap:
        reason = f"{reason}; " * bool(reason) + f"reported as {asked}, but {gap}"
    events = record.events()
    started_seconds = events[0]["at_ns"] / 1e9 if events else time.time()
    ended_seconds = time.time()
    rolled_back = proof.backward(record) if outcome in ("rolled_back", "rollback_failed", "left") else {}
    result = {
        "rollout": record.rollout,
        "outcome": outcome,
        "asked": asked,
        "reason": reason,
        "inventory": record.plan.inventory,
        "release": record.plan.release,
        "sha256": record.plan.sha256,
        "plan_sha256": record.plan.to_json()["plan_sha256"],
        "by": events[0].get("by", "") if events else "",
        "started": utc_text(started_seconds),
        "ended": utc_text(ended_seconds),
        "seconds": round(ended_seconds - started_seconds, 1),
        "touched": [host for _, host in record.touched()],
        "rollback_faults": {host: faults for host, faults in rolled_back.items() if faults},
    }
    record.append("finished", outcome=outcome, reason=reason)
    write_json(record.folder / "result.json", result)
    lock.release_lock(record.inventory_folder, record.rollout)
    write_report(record, result)
    # Last: evidence that somebody changed must not keep the lock.
    chain = Chain(paths.EVIDENCE, record.plan.inventory)
    chain.add(evidence.draft(record, result, chain.folder), author(), time.time())
    return result


def _proven(record: Record, asked: Outcome) -> tuple[Outcome, str]:
    """The outcome that the files bear out, and what is missing for the one asked for."""
    if asked == "completed":
        for phase in record.plan.phases:
            verdict = read_json(record.phase_folder(phase.number) / "verdict.json") or {}
            if verdict.get("verdict") != "pass":
                return "aborted", f"phase {phase.number} has no verdict `pass`"
            unproven = [host for host, faults in proof.forward(record, phase).items() if faults]
            if unproven:
                return "aborted", f"there is no valid proof of {', '.join(unproven)}"
    if asked == "rolled_back":
        unproven = [host for host, faults in proof.backward(record).items() if faults]
        if unproven:
            return "rollback_failed", f"there is no valid proof of the way back of {', '.join(unproven)}"
    return asked, ""
