"""File work of the latch: whole or not at all, on the disk before it is believed, one writer at a time."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LOCK_SECONDS = 1.0
LOCK_PAUSE_SECONDS = 0.005


class LatchError(Exception):
    """Something about the latch needs a person, in one line."""


def identity(path: Path) -> tuple[int, int, int] | None:
    """Changes whenever the file is replaced; None = it is not there."""
    try:
        known = path.stat()
    except OSError:
        return None
    return known.st_ino, known.st_mtime_ns, known.st_size


def read(path: Path) -> dict[str, Any] | None:
    """The content; None when there is none or it is no JSON object.

    Raises:
        LatchError: the file is there and may not be read.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LatchError(f"{path}: {error.strerror}; the service's user must be able to read it") from error
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def write(path: Path, content: dict[str, Any]) -> None:
    """Replace the file by JSON; see `replace`."""
    replace(path, _bytes(content), mode=0o640)


def replace(path: Path, data: bytes, mode: int) -> None:
    """Replace a file in one step: after a crash there is the old one or the new one, whole.

    Raises:
        OSError: nothing has changed then.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        try:
            _own(descriptor, path.parent)
            os.fchmod(descriptor, mode)
            _write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def overwrite(path: Path, content: dict[str, Any]) -> None:
    """Write into the file as it lies there, which needs no new block.

    Raises:
        OSError: the file is damaged now.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        data = _bytes(content)
        _write_all(descriptor, data)
        os.ftruncate(descriptor, len(data))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_aside(path: Path) -> None:
    """Keep a damaged file for a person to look at.

    Raises:
        LatchError: it cannot be renamed.
    """
    try:
        path.rename(path.with_name(f"{path.name}.corrupt-{time.time_ns()}"))
    except OSError as error:
        raise LatchError(f"{path}: {error.strerror}; it is damaged and cannot be put aside") from error


@contextmanager
def locked(path: Path, *, required: bool) -> Iterator[None]:
    """Be the only one that changes the file.

    Args:
        required: without the lock, fail; else go on after `LOCK_SECONDS`.

    Raises:
        LatchError: `required`, and another process has it.
    """
    descriptor = None
    got = False
    try:
        descriptor = os.open(
            path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640
        )
        _own(descriptor, path.parent)
        got = _try_lock(descriptor)
    except OSError as error:
        if required:
            raise LatchError(f"{path}: {error.strerror}; its lock cannot be taken") from error
    try:
        if required and not got:
            raise LatchError(f"{path}: another process is changing it; try again")
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(LOCK_PAUSE_SECONDS)
        else:
            return True


def _own(descriptor: int, folder: Path) -> None:
    """What root writes (`trader panic` by hand) must stay readable for the service."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _bytes(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode() + b"\n"
