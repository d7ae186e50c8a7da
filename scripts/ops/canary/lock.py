"""One rollout at a time for an inventory: var/rollouts/<inventory>/lock names who holds it."""

import contextlib
import json
import os
import socket
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from ops.errors import OperatorError
from ops.who import current_user


@dataclass(frozen=True)
class Owner:
    """Who holds a lock. `pid` is the ansible-playbook process; `process` tells it from a later namesake."""

    rollout: str
    release: str
    who: str
    host: str
    pid: int
    process: str
    since: str

    def alive(self) -> bool:
        """Whether the controller still runs; on another machine nobody can see, so it counts as alive."""
        return self.host != socket.gethostname() or process_identity(self.pid) == self.process

    def __str__(self) -> str:
        return f"{self.who}@{self.host} (pid {self.pid}) since {self.since}"


def process_identity(pid: int) -> str | None:
    """Boot id and start time (clock ticks since boot) of a process; None when it does not run.

    Source: proc(5), /proc/pid/stat fields 3 (state) and 22 (starttime), counted after the command's
        closing parenthesis.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"


def acquire(folder: Path, *, rollout: str, release: str, pid: int, since: str) -> Owner:
    """Take an inventory's lock.

    Args:
        folder: var/rollouts/<inventory>, made when missing.
        rollout: id of the rollout.
        release: id of its release.
        pid: the process whose life is the rollout's.
        since: UTC time, ISO 8601.
    Raises:
        OperatorError: another rollout holds it (who, since when), or holds it and is dead (how to clear it).
    """
    identity = process_identity(pid)
    if identity is None:
        raise OperatorError(f"--owner-pid: no process {pid} runs here")
    owner = Owner(rollout, release, current_user(), socket.gethostname(), pid, identity, since)
    folder.mkdir(parents=True, exist_ok=True)
    # A link to a finished file: exclusive like O_EXCL, and nobody ever sees half a lock.
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".lock-") as draft:
        draft.write(json.dumps(asdict(owner), indent=2) + "\n")
        draft.flush()
        os.fsync(draft.fileno())
        try:
            os.link(draft.name, folder / "lock")
        except FileExistsError:
            raise OperatorError(_held(folder)) from None
    return owner


def read(folder: Path) -> Owner | None:
    """The holder of an inventory's lock, if any.

    Raises:
        OperatorError: the lock file cannot be read.
    """
    try:
        return Owner(**json.loads((folder / "lock").read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        raise OperatorError(f"{folder / 'lock'} cannot be read; look at it, then remove it by hand") from None


def release_lock(folder: Path, rollout: str) -> bool:
    """Give up the lock if this rollout holds it; says whether it did."""
    owner = read(folder)
    if owner is None or owner.rollout != rollout:
        return False
    (folder / "lock").unlink(missing_ok=True)
    return True


def clear(folder: Path) -> Owner | None:
    """Remove an abandoned lock and return who had held it; None when there was none.

    Raises:
        OperatorError: its controller still runs.
    """
    owner = read(folder)
    if owner is None:
        return None
    if owner.alive():
        raise OperatorError(f"the rollout {owner.rollout} still runs, held by {owner}; end that one first")
    with contextlib.suppress(FileNotFoundError):
        (folder / "lock").unlink()
    return owner


def _held(folder: Path) -> str:
    owner = read(folder)
    if owner is None:
        return f"another rollout of {folder.name} ended this moment; try again"
    if owner.alive():
        return f"a rollout of {folder.name} is running: {owner.rollout} of {owner.release}, held by {owner}"
    return (
        f"the rollout {owner.rollout} of {owner.release} was abandoned: its controller, {owner}, is gone; "
        f"look at {folder / owner.rollout}, then ./scripts/canary unlock --inventory {folder.name}"
    )
