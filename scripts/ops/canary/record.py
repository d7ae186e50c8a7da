"""A rollout's folder: var/rollouts/<inventory>/<rollout id>/.

plan.json                      what was decided before the first change
events.jsonl                   what happened (ops.canary.journal)
phases/<n>/hosts/<host>.begun  written before the first change of a host: the release that it had
phases/<n>/hosts/<host>.json   written as the last step: the proof
phases/<n>/before/<host>.json  what each host proved to run before the gate
phases/<n>/control.json        proof of the host that was restarted on its old release, beside the batch
phases/<n>/gate.json, verdict.json, contrasts.json
rollback/hosts/<host>.*        the same two of the way back
fence/<token>/<host>           the host obeys the controller of this token and none before it
result.json, report.html       written once, at the end
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.canary.journal import Journal
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

    def before_file(self, number: int, host: str) -> Path:
        return self.phase_folder(number) / "before" / f"{host}.json"

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

    @property
    def journal(self) -> Journal:
        return Journal(self.folder / "events.jsonl")

    def append(self, event: str, **details: Any) -> None:
        """Add an event to the journal and have it on disk before anything else happens."""
        self.journal.append(event, **details)

    def events(self) -> list[dict[str, Any]]:
        """The journal so far."""
        return self.journal.read()


def create(inventory_folder: Path, rollout: str, plan: Plan) -> Record:
    """Make the folder of a new rollout, with a place for every file that the batch playbook writes."""
    folder = inventory_folder / rollout
    folder.mkdir(parents=True)
    record = Record(folder, plan)
    for phase in plan.phases:
        for name in ("hosts", "before"):
            (record.phase_folder(phase.number) / name).mkdir(parents=True)
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
