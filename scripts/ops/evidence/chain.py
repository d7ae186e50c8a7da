"""The file of a fleet's evidence: append-only, each record bound to the one before it by its sha256.

var/evidence/<inventory>.jsonl  one record a line
var/evidence/<inventory>.head   how many records there are and the last one's sha256, since a file that lost
                                its tail is still a valid chain. It also holds a record that is being added,
                                whole, so that an add that was cut off is finished by the next one.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ops.errors import OperatorError
from ops.evidence.record import GENESIS, canonical, check, complete, malformed, seal, unreadable
from ops.text import one_line


@dataclass(frozen=True)
class Head:
    """What the second file says. `pending`: a line that was being added, empty when none was."""

    records: int
    sha256: str
    pending: str


@dataclass(frozen=True)
class Examined:
    """What a file holds.

    Args:
        records: those before the first bad one; nothing after it proves anything.
        fault: the first bad record, in one line; empty when all is as it was written.
        torn: the beginning of a line that was being added when the machine stopped.
    """

    records: list[dict[str, Any]]
    fault: str
    torn: bytes = b""

    @property
    def last(self) -> str:
        """sha256 of the last good record."""
        return str(self.records[-1]["sha256"]) if self.records else GENESIS


class Chain:
    """The evidence of one fleet.

    Args:
        folder: var/evidence.
        inventory: name of the fleet.
    """

    def __init__(self, folder: Path, inventory: str) -> None:
        self.folder = folder
        self.inventory = inventory
        self.path = folder / f"{inventory}.jsonl"
        self.head_path = folder / f"{inventory}.head"

    def add(self, draft: Mapping[str, Any], by: str, now_seconds: float) -> dict[str, Any]:
        """Complete a record, check it and have it on the disk.

        Args:
            draft: see record.complete.
            by: who adds it.
            now_seconds: unix seconds.
        Raises:
            OperatorError: the record is refused, or the file is no longer what was written; nothing changed.
        """
        record = complete(draft, self.folder, by)
        check(seal(record, GENESIS), now_seconds)
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked(fcntl.LOCK_EX) as descriptor:
            found, head = self._finish_interrupted(descriptor)
            if any(one["id"] == record["id"] for one in found.records):
                raise OperatorError(f"id: {record['id']} was added before")
            sealed = seal(record, found.last)
            line = canonical(sealed)
            self._write_head(replace(head, pending=line.decode()))
            _append(descriptor, line + b"\n")
            self._write_head(Head(len(found.records) + 1, sealed["sha256"], ""))
        return sealed

    def examine(self, whole: bool = False) -> Examined:
        """Read everything and find the first bad record.

        Args:
            whole: hold each record against the schema again, 3 ms for each. `add` did so before it wrote, so
                only a file that was forged together with its head can fail there.
        Raises:
            OperatorError: there is no evidence of this fleet at all, or a file cannot be read.
        """
        if not self.path.exists() and not self.head_path.exists():
            raise OperatorError(f"{self.path} does not exist: there is no evidence of {self.inventory}")
        if not self.path.exists():
            return Examined([], f"{self.path.name} is gone; {self.head_path.name} is left of it")
        with self._locked(fcntl.LOCK_SH) as descriptor:
            return examine(_read(descriptor), self._head_bytes(), self.inventory, whole)

    def _finish_interrupted(self, descriptor: int) -> tuple[Examined, Head]:
        """Write the rest of a record whose add was cut off, and refuse a file that is not sound."""
        content, head_content = _read(descriptor), self._head_bytes()
        if not content and head_content is None:
            return Examined([], ""), Head(0, GENESIS, "")
        found = examine(content, head_content, self.inventory)
        if found.fault:
            raise OperatorError(
                f"{self.path}: {found.fault}; look at it, then move both files of {self.inventory} "
                "aside together: the next record begins another chain"
            )
        head = read_head(head_content)
        assert head is not None, "examine() found no fault"
        if not head.pending:
            return found, head
        if found.torn or len(found.records) == head.records:
            _append(descriptor, (head.pending.encode() + b"\n")[len(found.torn) :])
        found = examine(_read(descriptor), head_content, self.inventory)
        head = Head(len(found.records), found.last, "")
        self._write_head(head)
        return found, head

    def _head_bytes(self) -> bytes | None:
        try:
            return self.head_path.read_bytes()
        except FileNotFoundError:
            return None

    def _write_head(self, head: Head) -> None:
        draft = self.head_path.with_name(f".{self.head_path.name}.draft")
        with draft.open("wb") as file:
            file.write(json.dumps(vars(head)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.head_path)
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def _locked(self, kind: int) -> Iterator[int]:
        writing = kind == fcntl.LOCK_EX
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT if writing else os.O_RDONLY
        descriptor = os.open(self.path, flags | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, kind)
            yield descriptor
        finally:
            os.close(descriptor)


def _read(descriptor: int) -> bytes:
    parts = []
    at = 0
    while part := os.pread(descriptor, 1 << 20, at):
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def _append(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)


def examine(content: bytes, head_content: bytes | None, inventory: str, whole: bool = False) -> Examined:
    """Find the first record that is not as it was written. Pure.

    Args:
        content: of the .jsonl file.
        head_content: of the .head file; None when there is none.
        inventory: whose evidence it must be.
        whole: against the schema too.
    """
    *lines, torn = content.split(b"\n")
    records: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        prev = str(records[-1]["sha256"]) if records else GENESIS
        fault = _fault(line, prev, inventory, number, malformed if whole else unreadable)
        if fault:
            return Examined(records, fault)
        records.append(json.loads(line))
    return Examined(records, _against_head(records, torn, head_content), torn)


def read_head(content: bytes | None) -> Head | None:
    """What a .head file says; None when it cannot be read."""
    try:
        head = Head(**json.loads(content or b""))
    except (ValueError, TypeError):
        return None
    kinds = (type(head.records), type(head.sha256), type(head.pending))
    return head if kinds == (int, str, str) and head.records >= 0 else None


def _fault(
    line: bytes, prev: str, inventory: str, number: int, problem_of: Callable[[object], str | None]
) -> str:
    """What is wrong with one line; empty when nothing is."""
    try:
        record = json.loads(line)
        same = isinstance(record, dict) and canonical(record) == line
    except (ValueError, RecursionError):
        return f"record {number} is damaged: it is not JSON"
    if not isinstance(record, dict):
        return f"record {number} is damaged: it is not a record"
    name = f"record {number} ({one_line(str(record.get('id')), 120)})"
    if not same or seal(record, str(record.get("prev")))["sha256"] != record.get("sha256"):
        return f"{name} was changed: it does not have its sha256"
    if record["prev"] != prev:
        before = f"record {number - 1}" if number > 1 else "the beginning of the file"
        return f"{name} does not follow {before}: a record was removed, added or moved there"
    problem = problem_of(record)
    if problem is not None:
        return f"{name} is malformed: {problem}"
    if record["inventory"] != inventory:
        return f"{name} is of {record['inventory']}, not of {inventory}"
    return ""


def _against_head(records: list[dict[str, Any]], torn: bytes, head_content: bytes | None) -> str:
    """Whether the file ends where the last add ended."""
    head = read_head(head_content)
    if head is None:
        return "the .head file is missing or damaged: nothing says where the evidence ends"
    ends = [GENESIS, *(str(one["sha256"]) for one in records)]
    pending = head.pending.encode()
    if len(records) < head.records:
        return f"record {len(records) + 1} is missing: the file has {len(records)} records of {head.records}"
    if ends[head.records] != head.sha256:
        return f"record {head.records} is not the one that was added last: the file was written anew"
    beyond = records[head.records :]
    if torn and (beyond or not pending.startswith(torn)):
        return f"record {len(records) + 1} is damaged: its line has no end"
    if beyond and [canonical(one) for one in beyond] != [pending]:
        return f"record {head.records + 1} ({beyond[0]['id']}) was not added by ./scripts/evidence"
    return ""
