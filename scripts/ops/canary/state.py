"""Where a rollout stands, read from its journal alone: a controller that died left nothing else behind."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ops.canary.record import Record

Stage = Literal["running", "held", "turning_back", "left", "finished"]
Request = Literal["", "pause", "abort"]


@dataclass(frozen=True)
class State:
    """One rollout at one moment.

    `passed` are the phases that need no more work, by verdict or by a person's word. `request` is what a
    person asked of a controller that has not answered yet.
    """

    stage: Stage
    passed: tuple[int, ...]
    phase: int | None
    reason: str
    request: Request
    request_reason: str


def state_of(record: Record) -> State:
    """Fold a rollout's journal."""
    return fold(record.events(), [phase.number for phase in record.plan.phases])


def fold(events: Sequence[dict[str, Any]], numbers: Sequence[int]) -> State:
    """Fold events, in their order.

    A failed verdict turns the rollout round, and nothing that comes after turns it forward again. `left`: a
    person let the hosts stay as they are; only the end is left to write.

    Args:
        events: of the journal.
        numbers: of the plan's phases.
    """
    stage: Stage = "running"
    passed: list[int] = []
    reason = request_reason = ""
    request: Request = ""
    for event in events:
        match event["event"]:
            case "verdict" if event["verdict"] == "pass" and stage == "running":
                passed.append(event["phase"])
            case "verdict" if event["verdict"] == "fail":
                stage, reason = "turning_back", "; ".join(event["reasons"])
            case "held":
                # Why it turned back stays the reason, also when the way back is held.
                stage, reason = ("held", event["reason"]) if stage == "running" else (stage, reason)
                request, request_reason = "", ""
            case "promoted" if stage == "held":
                passed.append(event["phase"])
                stage, reason = "running", ""
            case "resumed":
                stage, reason = ("running", "") if stage == "held" else (stage, reason)
                request, request_reason = "", ""
            case "asked" if stage in ("running", "held"):
                request, request_reason = event["request"], event["reason"]
            case "turning_back":
                stage, reason = "turning_back", event["reason"]
                request, request_reason = "", ""
            case "left":
                stage, reason = "left", event["reason"]
            case "finished":
                stage, reason = "finished", event["reason"]
    left = [number for number in numbers if number not in passed]
    return State(stage, tuple(passed), left[0] if left else None, reason, request, request_reason)
