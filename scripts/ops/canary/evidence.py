"""What a finished rollout is evidence of."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ops.canary import proof
from ops.canary.record import Record
from ops.files import read_json
from ops.text import one_line
from ops.times import utc_text_ns

_VERDICTS = {
    "completed": "pass",
    "rolled_back": "fail",
    "rollback_failed": "fail",
    "left": "fail",
    "aborted": "inconclusive",
}
_RANKS = {"fail": 2, "inconclusive": 1, "pass": 0}
_ATTACHED = ("plan.json", "events.jsonl", "result.json", "report.html")


def draft(record: Record, result: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The rollout as a record for ops.evidence.

    Args:
        record: the rollout, finished.
        result: what result.json says.
        folder: of the evidence file.
    """
    plan = record.plan
    faults = {host: found for phase in plan.phases for host, found in proof.forward(record, phase).items()}
    proven = sum(not found for found in faults.values())
    verdicts = [read_json(record.phase_folder(phase.number) / "verdict.json") or {} for phase in plan.phases]
    passed = sum(one.get("verdict") == "pass" for one in verdicts)
    events = record.events()
    promoted = [event for event in events if event["event"] in ("promoted", "gate_skipped")]
    verdict = _VERDICTS[str(result["outcome"])]
    if verdict == "pass" and promoted:
        verdict = "inconclusive"  # somebody's word is no evidence
    return {
        "id": record.rollout,
        "name": "canary",
        "started_at": utc_text_ns(events[0]["at_ns"]),
        "ended_at": utc_text_ns(events[-1]["at_ns"]),
        **({"by": result["by"]} if result["by"] else {}),
        "inventory": plan.inventory,
        "hosts": list(plan.hosts),
        "release": {"id": plan.release, "sha256": plan.sha256},
        "steps": _steps(events),
        "values": [
            {"name": "hosts_proven", "value": proven},
            {"name": "hosts_not_proven", "value": len(plan.hosts) - proven},
            {"name": "phases_passed", "value": passed, "unit": "phases"},
            {"name": "phases_not_passed", "value": len(plan.phases) - passed},
            *_criteria(verdicts),
        ],
        "verdict": verdict,
        "reasons": [] if verdict == "pass" else _reasons(result, promoted),
        "attachments": [
            {"path": os.path.relpath(record.folder / name, folder)}
            for name in _ATTACHED
            if (record.folder / name).exists()
        ],
    }


def _reasons(result: Mapping[str, Any], promoted: Sequence[Mapping[str, Any]]) -> list[str]:
    why = [str(result["reason"])] if result["reason"] else []
    why += [
        f"phase {one['phase']} {one['event'].replace('_', ' ')} by {one['by']}: {one['reason']}"
        for one in promoted
    ]
    return [one_line(text, 1000) for text in why or [str(result["outcome"])]]


def _steps(events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each gate, update, soak and way back, from the end of the one before.

    Of one that was held and done again the last counts; the journal, which is attached, has them all.
    """
    steps: list[dict[str, Any]] = []
    since_ns = events[0]["at_ns"]
    for event in events:
        phase = f"phase {event.get('phase')}"
        match event["event"]:
            case "gate":
                name, result = f"{phase}: gate", "pass" if event["open"] else "fail"
            case "proof":
                name = "rollback" if event["rollback"] else f"{phase}: update"
                result = "fail" if event["faults"] else "pass"
            case "verdict":
                name, result = f"{phase}: soak", event["verdict"]
            case "finished" if not steps:
                name, result = "start", "fail"
            case _:
                continue
        steps.append(
            {
                "name": name,
                "started_at": utc_text_ns(since_ns),
                "ended_at": utc_text_ns(event["at_ns"]),
                "result": result,
            }
        )
        since_ns = event["at_ns"]
    last = {step["name"]: step for step in steps}
    return [step for step in steps if last[step["name"]] is step]


def _criteria(verdicts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The worst value of each criterion over all judged phases, with the bound that it had there."""
    worst: dict[str, tuple[tuple[int, float], dict[str, Any]]] = {}
    for criterion in (one for verdict in verdicts for one in verdict.get("criteria", [])):
        ((comparison, bound),) = criterion["bound"].items()
        value = criterion["worst"]["value"]
        sign = -1.0 if comparison == "min" else 1.0
        badness = _RANKS[criterion["verdict"]], 0.0 if value is None else sign * (value - bound)
        name = criterion["name"]
        entry = {
            "name": name,
            "value": value,
            "unit": criterion["unit"],
            "bound": bound,
            "comparison": comparison,
        }
        if name not in worst or badness > worst[name][0]:
            worst[name] = badness, entry
    return [entry for _, entry in worst.values()]
