"""One restore in var/restores/<fleet>/<id>: what is asked for, and which steps are done.

A step is done when its line is in steps.jsonl. A restore that was cut off anywhere is gone on with by asking
for the same again: what is done stays done, and every step may be done twice.
"""

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ops import paths
from ops.canary import lock
from ops.canary.lock import process_identity
from ops.errors import OperatorError
from ops.files import read_json, write_json
from ops.times import parse_time, utc_text

RESTORES = paths.VAR / "restores"
# In their order. Those before `provision` end the danger; those from `fetch` on bring the host back.
STEPS = ("latch", "fence", "cancel", "provision", "fetch", "rebuild", "start", "verify")


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    Args:
        host: whose journal and account.
        at: UTC, ISO 8601; records after it are left out. None = everything.
        by, reason: who does it, and why.
        records: whether shipped records are used; without them the backup and the venue are all there is.
    """

    host: str
    at: str | None
    by: str
    reason: str
    records: bool = True


class Restore:
    """One restore."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        plan = read_json(folder / "plan.json")
        if plan is None:
            raise OperatorError(f"{folder}: no restore; it has no plan.json")
        self.plan = plan
        self.wish = Wish(**{key: plan[key] for key in Wish.__dataclass_fields__})

    @property
    def steps(self) -> list[dict[str, Any]]:
        """What is done: name, began, ended (unix seconds); of one that was done twice, the last."""
        try:
            lines = (self.folder / "steps.jsonl").read_text().splitlines()
        except FileNotFoundError:
            return []
        latest = {step["name"]: step for step in map(json.loads, lines) if "ended" in step}
        return [latest[name] for name in STEPS if name in latest]

    @property
    def finished(self) -> bool:
        return (self.folder / "result.json").exists()

    def left(self) -> list[str]:
        """Steps that are still to be done."""
        done = {step["name"] for step in self.steps}
        return [name for name in STEPS if name not in done]

    def begin(self, name: str) -> None:
        self._note({"name": name, "began": time.time()})

    def end(self, name: str) -> None:
        """Note that a step is done.

        Raises:
            OperatorError: it was not begun, or one before it is not done.
        """
        if (first := self.left()[:1]) != [name]:
            raise OperatorError(f"{self.folder.name}: {name} is not the next step, {first or 'none'} is")
        began = [
            step["began"]
            for step in map(json.loads, (self.folder / "steps.jsonl").read_text().splitlines())
            if step["name"] == name
        ]
        # Since the first attempt: that it had to be done twice is part of how long it took.
        self._note({"name": name, "began": began[0], "ended": time.time()})

    def told(self, name: str) -> dict[str, Any]:
        """What a step has left in NAME.json; {} when it has left nothing."""
        return read_json(self.folder / f"{name}.json") or {}

    def _note(self, line: dict[str, Any]) -> None:
        with (self.folder / "steps.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")


def begin(fleet: str, wish: Wish, hosts: list[str], pid: int) -> Restore:
    """A new restore, or the unfinished one of the same wish.

    Args:
        hosts: trading hosts of the inventory.
        pid: of the controller; while it lives nobody else goes on with this restore.

    Raises:
        OperatorError: an unknown host, no name or reason, a rollout is at work (one that is held is not),
            another restore is not finished, or its controller lives.
    """
    if wish.host not in hosts:
        raise OperatorError(
            f"restore_from: {wish.host!r} is no trading host of {fleet}; they are {' '.join(hosts)}"
        )
    if not wish.by.strip() or not wish.reason.strip():
        raise OperatorError("who restores (-e by=...), and why (-e 'reason=\"...\"')? nothing was changed")
    if wish.at is not None:
        # Here, and not when the backup is chosen: the host would be fenced by then.
        moment = parse_time(wish.at)
        if moment is None or moment > time.time():
            raise OperatorError(
                f"at: {wish.at!r} is no past time such as 2026-01-31T08:00 (UTC); nothing was changed"
            )
    held = lock.read(paths.ROLLOUTS / fleet)
    if held is not None and held.alive() and held.pid != pid:
        raise OperatorError(
            f"{held.rollout} is at work ({held}): pause or abort it first; nothing was changed"
        )
    with _guard(fleet) as place:
        for folder in sorted(path for path in place.iterdir() if (path / "plan.json").exists()):
            there = Restore(folder)
            if there.finished:
                continue
            owner = there.plan["owner"]
            if owner["pid"] != pid and process_identity(owner["pid"]) == owner["process"]:
                raise OperatorError(
                    f"{folder.name} is at work (pid {owner['pid']}); two restores at once are refused"
                )
            same = (there.wish.host, there.wish.at) == (wish.host, wish.at)
            if not same:
                raise OperatorError(
                    f"{folder.name} ({there.wish.host}) is not finished: go on with it, or give it up with"
                    f" scripts/restore give-up {folder}"
                )
            write_json(folder / "plan.json", there.plan | {"owner": _owner(pid)})
            return Restore(folder)
        now = time.time()
        folder = place / f"{utc_text(now).replace('-', '').replace(':', '')}-{wish.host}"
        folder.mkdir()
        plan = {"fleet": fleet, "began": now, **asdict(wish), "owner": _owner(pid)}
        write_json(folder / "plan.json", plan)
        return Restore(folder)


def _owner(pid: int) -> dict[str, Any]:
    return {"pid": pid, "process": process_identity(pid)}


@contextmanager
def _guard(fleet: str) -> Iterator[Path]:
    place = RESTORES / fleet
    place.mkdir(parents=True, exist_ok=True)
    with (place / ".guard").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield place
