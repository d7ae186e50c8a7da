"""What a person may do to a rollout: pause, resume, promote, skip a gate, abort, or ask how it stands.

A person's word never overtakes the controller: while it lives it is asked, by a line in the journal, and
answers at its next step. When it is dead, whoever resumes or aborts becomes the controller.
"""

import time
from pathlib import Path
from typing import Literal, get_args

from ops.canary import lock
from ops.canary.record import Record, open_record
from ops.canary.state import State, state_of
from ops.errors import OperatorError
from ops.times import utc_text

Action = Literal["pause", "resume", "promote", "skip", "abort"]
ACTIONS: tuple[Action, ...] = get_args(Action)
_NEED_REASON = ("promote", "skip", "abort")


class StopAskedError(Exception):
    """A person asked the controller to stop; the text says who and why."""

    def __init__(self, state: State) -> None:
        super().__init__(f"{state.request} asked for: {state.request_reason}")
        self.request = state.request


def find(folder: Path, rollout: str | None) -> Record:
    """The rollout that is meant: the named one, else the one that holds the lock.

    Args:
        folder: var/rollouts/<inventory>.
        rollout: its id, or None.
    Raises:
        OperatorError: there is none.
    """
    owner = lock.read(folder)
    name = rollout or (owner.rollout if owner else None)
    if name is None:
        raise OperatorError(f"no rollout of {folder.name} is under way; nothing was done")
    return open_record(folder / name)


def checkpoint(record: Record) -> None:
    """Between two steps of the controller: stop here if somebody asked for it.

    Raises:
        StopAskedError: pause or abort was asked for; it stands in the journal as held or turning back.
    """
    state = state_of(record)
    if state.request == "pause":
        record.append("held", phase=state.phase, reason=f"paused: {state.request_reason}")
    elif state.request == "abort":
        record.append("turning_back", reason=f"aborted: {state.request_reason}")
    else:
        return
    raise StopAskedError(state)


def act(record: Record, action: Action, *, by: str, reason: str, pid: int) -> bool:
    """Do what a person asked for.

    Args:
        record: the rollout.
        action: what.
        by: who.
        reason: why; needed for what overrules the plan.
        pid: of the controller that would go on with it.
    Returns:
        Whether that controller now has to go on; if not, the one that runs was asked.
    Raises:
        OperatorError: it does not fit how the rollout stands; nothing was done.
    """
    state = state_of(record)
    reason = " ".join(reason.split())
    if action in _NEED_REASON and not reason:
        raise OperatorError(f"{action} needs a reason: -e 'canary_reason=\"why\"'")
    owner = lock.read(record.inventory_folder)
    held = owner is not None and owner.rollout == record.rollout
    # One that was killed while it wrote its end still holds the lock, and is resumed there.
    if state.stage == "finished" and not (held and action == "resume"):
        raise OperatorError(f"{record.rollout} is finished: {state.reason or 'see its report'}")
    if action in ("promote", "skip", "pause") and state.stage == "turning_back":
        raise OperatorError(f"{record.rollout} is turning back ({state.reason}); it can only be resumed")
    runs = owner is not None and held and owner.alive()
    words = f"{by}: {reason}" if reason else by
    if action == "pause" or (action == "abort" and runs):
        if state.stage == "held" and not runs:
            raise OperatorError(f"{record.rollout} is held already: {state.reason}")
        if not runs:
            raise OperatorError(f"nobody runs {record.rollout}; it stands as it is until it is resumed")
        record.append("asked", request=action, by=by, reason=words)
        return False
    if action == "promote":
        _require_judged(record, state)
    if action == "skip" and (state.stage != "held" or _last_verdict(record, state) is not None):
        raise OperatorError(f"{record.rollout} is not held at a gate; there is nothing to skip")
    lock.take_over(
        record.inventory_folder,
        rollout=record.rollout,
        release=record.plan.release,
        pid=pid,
        since=utc_text(time.time()),
    )
    if action == "promote":
        record.append("promoted", phase=state.phase, by=by, reason=reason)
    elif action == "skip":
        record.append("gate_skipped", phase=state.phase, by=by, reason=reason)
    elif action == "abort" and state.stage == "turning_back":
        record.append("left", reason=f"{state.reason}; left as it is by {words}")
    elif action == "abort":
        record.append("turning_back", reason=f"aborted: {words}")
    record.append("resumed", by=by, action=action, reason=reason)
    return True


def _last_verdict(record: Record, state: State) -> str | None:
    """Verdict of the phase that is held, if it was held for that."""
    for event in reversed(record.events()):
        if event["event"] == "held":
            verdict: str | None = event.get("verdict")
            return verdict
    return None


def _require_judged(record: Record, state: State) -> None:
    if state.stage != "held" or _last_verdict(record, state) != "inconclusive":
        raise OperatorError(
            f"phase {state.phase} of {record.rollout} is not held for an inconclusive verdict; "
            "only that can be promoted"
        )
