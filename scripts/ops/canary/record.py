"""A rollout's folder: var/rollouts/<inventory>/<rollout id>/.

plan.json                      what was decided before the first change
events.jsonl                   what happened, append-only
phases/<n>/hosts/<host>.begun  written before the first change of a host: the release that it had
phases/<n>/hosts/<host>.json   written as the last step: the proof
phases/<n>/gate.json, verdict.json
rollback/hosts/<host>.*        the same two of the way back
result.json, report.html       written once, at the end
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.canary.plan import Plan
from ops.errors import OperatorError
from ops.files import read_json, write_json


@dataclass(frozen=True)
class Record:
    """One rollout's folder and its plan."""

    folder: Path
    plan: Plan

    @property
    def rollout(self) -> str:
        return self.folder.name

    @property
    def inventory_folder(self) -> Path:
        """Where the lock is."""
        return self.folder.parent

    def phase_folder(self, number: int) -> Path:
        return self.folder / "phases" / str(number)

    def begun_file(self, number: int, host: str) -> Path:
        return self.phase_folder(number) / "hosts" / f"{host}.begun"

    def proof_file(self, number: int, host: str) -> Path:
        return self.phase_folder(number) / "hosts" / f"{host}.json"

    def rollback_file(self, host: str) -> Path:
        return self.folder / "rollback/hosts" / f"{host}.json"

    def touched(self) -> list[tuple[int, str]]:
        """Every (phase, host) whose change had begun, in the plan's order; a proof without mark counts."""
        return [
            (phase.number, host)
            for phase in self.plan.phases
            for host in phase.batch
            if self.begun_file(phase.number, host).exists() or self.proof_file(phase.number, host).exists()
        ]

    def previous(self, number: int, host: str) -> tuple[str | None, str | None]:
        """Release id and sha256 that a touched host had, as its mark says; None where it does not."""
        mark = read_json(self.begun_file(number, host)) or {}
        return mark.get("previous_release"), mark.get("previous_sha256")

    def append(self, event: str, **details: Any) -> None:
        """Add a line to events.jsonl and have it on disk before anything else happens."""
        path = self.folder / "events.jsonl"
        number = len(path.read_bytes().splitlines()) if path.exists() else 0
        line = {"sequence": number, "at_ns": time.time_ns(), "event": event, **details}
        with path.open("a") as handle:
            handle.write(json.dumps(line) + "\n")
            handle.flush()
            os.fsync(handle.fileno())

    def events(self) -> list[dict[str, Any]]:
        """The timeline so far. A last line that a crash cut off is left out."""
        path = self.folder / "events.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        events = []
        for index, line in enumerate(lines):
            try:
                events.append(json.loads(line))
            except ValueError:
                if index != len(lines) - 1:
                    raise OperatorError(f"{path}: line {index + 1} is damaged") from None
        return events


def create(inventory_folder: Path, rollout: str, plan: Plan) -> Record:
    """Make the folder of a new rollout, with a place for every file that the batch playbook writes."""
    folder = inventory_folder / rollout
    folder.mkdir(parents=True)
    record = Record(folder, plan)
    for phase in plan.phases:
        (record.phase_folder(phase.number) / "hosts").mkdir(parents=True)
    (folder / "rollback/hosts").mkdir(parents=True)
    write_json(folder / "plan.json", plan.to_json())
    return record


def open_record(folder: Path) -> Record:
    """Read a rollout's folder.

    Raises:
        OperatorError: it is not one, or its plan was changed.
    """
    try:
        data = json.loads((folder / "plan.json").read_text())
        return Record(folder.resolve(), Plan.from_json(data))
    except (OSError, ValueError, KeyError, TypeError):
        raise OperatorError(
            f"--rollout: {folder} has no readable plan.json; is it a rollout's folder?"
        ) from None
