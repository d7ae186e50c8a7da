"""The end of a rollout: what the evidence allows to be said, written once, and the lock given up."""

import time
from typing import Any, Literal, get_args

from ops import paths
from ops.canary import evidence, lock, proof
from ops.canary.record import Record
from ops.canary.report import write_report
from ops.canary.state import state_of
from ops.evidence.chain import Chain
from ops.files import write_json
from ops.times import utc_text
from ops.who import author

Outcome = Literal["completed", "rolled_back", "rollback_failed", "left", "aborted"]


class UnprovenError(Exception):
    """What the rollout's own files lack for the end that the playbook believes in."""


OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


def finish(record: Record, asked: Outcome, reason: str) -> dict[str, Any]:
    """Write result.json and report.html, add the rollout to the evidence, and release the lock.

    A controller that was killed here is resumed here: what the journal says of the end stays, and what is
    missing is written.

    Args:
        record: the rollout, which holds the lock.
        asked: what the playbook believes. A way back that the rollout's own files do not prove becomes
            `rollback_failed`.
        reason: why, in a sentence; may be empty for `completed`.
    Returns:
        The content of result.json.
    Raises:
        UnprovenError: `completed` is not borne out; nothing was finished.
        OperatorError: it cannot be added to the evidence.
    """
    outcome, reason = _end(record, asked, reason)
    events = record.events()
    started_seconds, ended_seconds = (events[index]["at_ns"] / 1e9 for index in (0, -1))
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
        "by": events[0].get("by", ""),
        "started": utc_text(started_seconds),
        "ended": utc_text(ended_seconds),
        "seconds": round(ended_seconds - started_seconds, 1),
        "touched": [host for _, host in record.touched()],
        "rollback_faults": {host: faults for host, faults in rolled_back.items() if faults},
    }
    write_json(record.folder / "result.json", result)
    write_report(record, result)
    try:
        chain = Chain(paths.EVIDENCE, record.plan.inventory)
        there = chain.examine().records if chain.path.exists() else ()
        if not any(one["id"] == record.rollout for one in there):
            chain.add(evidence.draft(record, result, chain.folder), author(), time.time())
    finally:
        # Evidence that somebody changed must not keep the lock.
        lock.release_lock(record.inventory_folder, record.rollout)
    return result


def _end(record: Record, asked: Outcome, reason: str) -> tuple[Outcome, str]:
    """What the journal says of the end, said now if it does not yet."""
    for event in record.events():
        if event["event"] == "finished":
            return event["outcome"], event["reason"]
    outcome = asked
    if asked == "completed" and (gap := _gap(record)):
        raise UnprovenError(gap)
    if asked == "rolled_back":
        unproven = [host for host, faults in proof.backward(record).items() if faults]
        if unproven:
            outcome = "rollback_failed"
            gap = f"there is no valid proof of the way back of {', '.join(unproven)}"
            reason = f"{reason}; " * bool(reason) + f"reported as {asked}, but {gap}"
    record.append("finished", outcome=outcome, reason=reason)
    return outcome, reason


def _gap(record: Record) -> str:
    """What is missing for `completed`."""
    passed = state_of(record).passed  # by verdict, or by a person's word
    for phase in record.plan.phases:
        if phase.number not in passed:
            return f"phase {phase.number} has no verdict `pass`"
        unproven = [host for host, faults in proof.forward(record, phase).items() if faults]
        if unproven:
            return f"there is no valid proof of {', '.join(unproven)}"
    return ""
