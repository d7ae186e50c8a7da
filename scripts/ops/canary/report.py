"""The report of a rollout: one HTML page that needs nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ops.bounds import bound_text, value_text
from ops.canary import proof, timeline
from ops.canary.layout import Phase
from ops.canary.record import Record
from ops.files import read_json, write_text
from ops.page import render
from ops.text import plural
from ops.timeline import draw
from ops.times import clock_text, duration_text, moment_text

TEMPLATE = Path(__file__).with_name("report.html.j2")

_TITLES = {
    "completed": "Completed",
    "rolled_back": "Rolled back",
    "rollback_failed": "Rollback failed",
    "left": "Left as it is",
    "aborted": "Aborted",
}


def write_report(record: Record, result: Mapping[str, Any]) -> Path:
    """Write report.html into the rollout's folder.

    Args:
        record: the rollout.
        result: what result.json says.
    """
    path = record.folder / "report.html"
    write_text(path, render(TEMPLATE, view(record, result)))
    return path


def view(record: Record, result: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the page shows, ready to print."""
    plan = record.plan
    events = record.events()
    start = events[0]["at_ns"] / 1e9
    end = events[-1]["at_ns"] / 1e9
    phase_of = {host: phase.number for phase in plan.phases for host in phase.batch}
    rows = [(host, timeline.host_spans(record, host, phase_of[host], start, end)) for host in plan.hosts]
    phases = [_phase(record, phase) for phase in plan.phases]
    pauses = [
        one["pause_seconds"]
        for phase in phases
        for one in phase["proofs"]
        if one["pause_seconds"] is not None
    ]
    changed = len(result["touched"])
    return {
        "plan": plan,
        "result": result,
        "title": _TITLES[str(result["outcome"])],
        "facts": [
            ("Inventory", f"{plan.inventory}, {plural(len(plan.hosts), 'host')}"),
            ("Hosts touched", f"{changed} of {len(plan.hosts)}"),
            ("Started", moment_text(start)),
            ("Took", duration_text(end - start)),
            ("Longest pause", f"{max(pauses):.1f} s" if pauses else "none"),
            ("Run by", result["by"] or "unknown"),
        ],
        "picture": draw(rows, timeline.soak_bands(events, end), start, end, timeline.STATES),
        "phases": phases,
        "matrix": _matrix(phases),
        "rollback": _rollback(record) if str(result["outcome"]).startswith(("roll", "left")) else [],
        "overrides": [
            _event_text(event) for event in events if event["event"] in ("promoted", "gate_skipped", "left")
        ],
        "journal_sha256": record.journal.head(),
        "events": [(clock_text(event["at_ns"] / 1e9), _event_text(event)) for event in events],
    }


def _phase(record: Record, phase: Phase) -> dict[str, Any]:
    folder = record.phase_folder(phase.number)
    gate, verdict = read_json(folder / "gate.json"), read_json(folder / "verdict.json")
    touched = {host for number, host in record.touched() if number == phase.number}
    faults = proof.forward(record, phase) if touched else {}
    proven = sum(not found for found in faults.values())
    return {
        "phase": phase,
        "gate": "" if gate is None else "open" if gate.get("open") else "shut",
        "gate_reasons": (gate or {}).get("reasons", []),
        "proven": f"{proven} of {len(phase.batch)}" if touched else "",
        "all_proven": proven == len(phase.batch),
        "verdict": (verdict or {}).get("verdict", ""),
        "reasons": (verdict or {}).get("reasons", []),
        "window": (verdict or {}).get("window"),
        "criteria": [_criterion(one) for one in (verdict or {}).get("criteria", [])],
        "contrasts": [_contrast(one) for one in (verdict or {}).get("contrasts", [])],
        "proofs": [
            _proof(
                host,
                record.proof_file(phase.number, host),
                record.begun_file(phase.number, host),
                faults.get(host, []),
            )
            for host in phase.batch
            if host in touched
        ],
    }


def _matrix(phases: list[dict[str, Any]]) -> dict[str, Any]:
    """One row for each criterion, one cell for each judged phase: the worst value and the verdict."""
    judged = [phase for phase in phases if phase["criteria"]]
    rows: dict[str, dict[str, Any]] = {}
    for index, phase in enumerate(judged):
        for one in phase["criteria"]:
            row = rows.setdefault(one["name"], {"name": one["name"], "cells": [None] * len(judged)})
            # How many scrapes are enough depends on the length of the soak.
            row["bound"] = one["bound"] if row.get("bound", one["bound"]) == one["bound"] else "by soak"
            row["cells"][index] = one
        for one in phase["contrasts"]:
            row = rows.setdefault(
                one["name"], {"name": one["name"], "bound": one["margin"], "cells": [None] * len(judged)}
            )
            row["cells"][index] = one | {"worst": one["estimate"] or "no data", "worst_host": ""}
    return {"phases": [phase["phase"].number for phase in judged], "rows": list(rows.values())}


def _criterion(data: Mapping[str, Any]) -> dict[str, Any]:
    unit = str(data["unit"])
    ((kind, bound),) = data["bound"].items()
    return {
        "name": data["name"],
        "description": data["description"],
        "worst": value_text(data["worst"]["value"], unit),
        "worst_host": data["worst"]["host"],
        "bound": bound_text(kind, bound, unit).replace("<=", "≤").replace(">=", "≥"),
        "verdict": data["verdict"],
        "queries": [
            answer["query"] for answer in data["asked"].values() if answer is not None and "query" in answer
        ],
        "hosts": [
            {
                "host": host["host"],
                "value": value_text(host["value"], unit),
                "samples": "" if host["samples"] is None else f"{host['samples']:.4g}",
                "verdict": host["verdict"],
                "reason": host["reason"],
            }
            for host in data["hosts"]
        ],
    }


def _contrast(data: Mapping[str, Any]) -> dict[str, Any]:
    """One contrast as the page shows it."""
    level = data["kind"] == "level"
    interval = data["interval"] or {}

    def shown(value: float | None) -> str:
        if value is None:
            return "open"
        return f"{value:+.0%}" if level else f"{value:.2f} x"

    return {
        "name": data["name"],
        "description": data["description"],
        "estimate": shown(interval.get("estimate")) if interval else "",
        "interval": f"{shown(interval.get('lower'))} to {shown(interval.get('upper'))}" if interval else "",
        "margin": shown(data["margin"]),
        "n": "" if not interval else f"{interval['n']:.4g}",
        "n_effective": "" if not interval else f"{interval['n_effective']:.4g}",
        "alpha": f"{data['alpha']:.4f}",
        "controls": ", ".join(data["controls"]),
        "verdict": data["verdict"],
        "reason": data["reason"],
    }


def _proof(host: str, proof_file: Path, mark_file: Path, faults: list[str]) -> dict[str, Any]:
    found = read_json(proof_file) or {}
    began, ready = timeline.change_times(proof_file, mark_file)
    pause = found.get("pause_seconds")
    return {
        "host": host,
        "faults": faults,
        "release": found.get("reported_release", ""),
        "sha256": str(found.get("pid_sha256", ""))[:12],
        "pid": found.get("pid", ""),
        "took": f"{ready - began:.1f} s" if began is not None and ready is not None else "",
        "pause": f"{float(pause):.1f} s" if isinstance(pause, int | float) else "",
        "pause_seconds": float(pause) if isinstance(pause, int | float) else None,
    }


def _rollback(record: Record) -> list[dict[str, Any]]:
    rows = []
    for host, faults in proof.backward(record).items():
        file = record.rollback_file(host)
        rows.append(_proof(host, file, file.with_suffix(".begun"), faults))
    return rows


def _event_text(event: Mapping[str, Any]) -> str:
    phase = event.get("phase")
    match event["event"]:
        case "started":
            return f"Rollout of {event['release']} started by {event['by']}"
        case "gate" if event["open"]:
            return f"Phase {phase}: gate open"
        case "gate":
            return f"Phase {phase}: gate shut: {'; '.join(event['reasons'])}"
        case "proof":
            what = "Rollback" if event["rollback"] else f"Phase {phase}"
            bad = event["faults"]
            good = len(event["hosts"]) - len(bad)
            return f"{what}: {good} of {plural(len(event['hosts']), 'host')} proven" + (
                f"; not proven: {', '.join(bad)}" if bad else ""
            )
        case "soak_started":
            return f"Phase {phase}: soak of {event['seconds']:g} s on {plural(len(event['hosts']), 'host')}"
        case "verdict":
            return f"Phase {phase}: verdict {event['verdict']}"
        case "extended":
            return f"Phase {phase}: not enough evidence, the soak goes on for {event['seconds']:g} s"
        case "held":
            return f"Held: {event['reason']}"
        case "asked":
            return f"Asked to {event['request']} by {event['reason']}"
        case "resumed":
            return f"{str(event['action']).capitalize()} by {event['by']}" + (
                f": {event['reason']}" if event["reason"] else ""
            )
        case "promoted":
            return f"Phase {phase}: passed by the word of {event['by']}: {event['reason']}"
        case "gate_skipped":
            return f"Phase {phase}: gate opened by {event['by']}: {event['reason']}"
        case "fenced":
            return f"Hosts obey token {event['token']}" + (
                f", but for {', '.join(event['missing'])}" if event["missing"] else ""
            )
        case "turning_back":
            return f"Turning back: {event['reason']}"
        case "decided":
            return f"Way back: {str(event['answer']).replace('_', ' ')}" + "".join(
                f"; {one}" for one in event["reasons"]
            )
        case "left":
            return f"Left: {event['reason']}"
        case "not_notified":
            return f"Webhook {event['hook']} did not take the news ({event['error']})"
        case "unlocked":
            return f"Lock of a dead controller removed by {event['by']}"
        case "finished":
            return f"Finished: {str(event['outcome']).replace('_', ' ')}"
    return str(event["event"])
