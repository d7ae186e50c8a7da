"""One rollout at a time for an inventory: var/rollouts/<inventory>/lock names who holds it.

A lock on the control node does not stop a controller that was suspended, or that runs on another machine.
So each holder also has a fencing token, larger than every one before it; the hosts are told the token
first, and refuse a change by any older one (playbooks/library/release.py).
Source: M. Kleppmann, How to do distributed locking (2016), fencing tokens.
"""

import contextlib
import fcntl
import json
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ops.errors import OperatorError
from ops.who import current_user

DRILL = "drill-"


@dataclass(frozen=True)
class Owner:
    """Who holds a lock. `pid` is the ansible-playbook process; `process` tells it from a later namesake.

    `token` is the fencing token: milliseconds since 1970, or one more than the last one.
    """

    rollout: str
    release: str
    who: str
    host: str
    pid: int
    process: str
    since: str
    token: int

    def alive(self) -> bool:
        """Whether the controller still runs; on another machine nobody can see, so it counts as alive."""
        return self.host != socket.gethostname() or process_identity(self.pid) == self.process

    def ended_by_itself(self) -> bool:
        """Whether it was a drill's, whose playbook has ended: a drill leaves nothing to go on with."""
        return self.rollout.startswith(DRILL) and not self.alive()

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
    if process_identity(pid) is None:
        raise OperatorError(f"--owner-pid: no process {pid} runs here")
    folder.mkdir(parents=True, exist_ok=True)
    with _guard(folder):
        held = read(folder)
        if held is not None and not held.ended_by_itself():
            raise OperatorError(_held(folder))
        return _write(folder, rollout, release, pid, since)


def take_over(folder: Path, *, rollout: str, release: str, pid: int, since: str) -> Owner:
    """Take the lock of a rollout whose controller is gone, with a new token.

    Args:
        folder: var/rollouts/<inventory>.
        rollout: id of the rollout; the lock must be its own, or nobody's.
        release: id of its release.
        pid: the process that goes on with it.
        since: UTC time, ISO 8601.
    Raises:
        OperatorError: its controller still runs, or another rollout holds the lock.
    """
    with _guard(folder):
        owner = read(folder)
        if owner is not None and owner.rollout != rollout:
            raise OperatorError(_held(folder))
        if owner is not None and owner.alive() and owner.pid != pid:
            raise OperatorError(f"{rollout} is still run by {owner}; pause it, or wait until it has ended")
        return _write(folder, rollout, release, pid, since)


def require(folder: Path, rollout: str, pid: int | None) -> Owner:
    """The lock, if this rollout and this controller hold it.

    Args:
        folder: var/rollouts/<inventory>.
        rollout: id of the rollout.
        pid: of the controller that asks; None when a person typed the command.
    Raises:
        OperatorError: somebody else holds it: this controller must not act any more.
    """
    owner = read(folder)
    if owner is None or owner.rollout != rollout:
        raise OperatorError(f"the rollout {rollout} does not hold the lock; nothing was done")
    if pid is not None and owner.pid != pid:
        raise OperatorError(f"{rollout} was taken over by {owner}; this controller must not act any more")
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


@contextlib.contextmanager
def _guard(folder: Path) -> Iterator[None]:
    """One at a time looks at the lock and writes it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(folder: Path, rollout: str, release: str, pid: int, since: str) -> Owner:
    identity = process_identity(pid)
    if identity is None:
        raise OperatorError(f"--owner-pid: no process {pid} runs here")
    last = folder / "last_token"
    token = max(time.time_ns() // 1_000_000, (int(last.read_text()) if last.exists() else 0) + 1)
    owner = Owner(rollout, release, current_user(), socket.gethostname(), pid, identity, since, token)
    for path, text in ((last, f"{token}\n"), (folder / "lock", json.dumps(asdict(owner), indent=2) + "\n")):
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".lock-", delete=False) as draft:
            draft.write(text)
            draft.flush()
            os.fsync(draft.fileno())
        Path(draft.name).rename(path)  # nobody ever sees half a lock
    return owner


def _held(folder: Path) -> str:
    owner = read(folder)
    if owner is None:
        return f"{folder / 'lock'} is not a lock; look at it, then remove it by hand"
    if owner.alive() and owner.rollout.startswith(DRILL):
        return f"a drill of {folder.name} is running, held by {owner}; wait until it has ended"
    if owner.alive():
        return f"a rollout of {folder.name} is running: {owner.rollout} of {owner.release}, held by {owner}"
    if (folder / owner.rollout / "plan.json").exists():
        return (
            f"the rollout {owner.rollout} of {owner.release} is not finished, and its controller, {owner}, "
            "is gone: ansible-playbook playbooks/canary.yml -e canary_action=status, then resume or abort it"
        )
    return (
        f"{owner.rollout} was abandoned: its controller, {owner}, is gone; "
        f"look at {folder / owner.rollout}, then ./scripts/canary unlock --inventory {folder.name}"
    )
