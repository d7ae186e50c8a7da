"""A rollout's journal: what happened, one JSON object a line, append-only and chained by hashes.

Each line names the sha256 of the line before it, so that a line that was changed, left out or put in is
found by whoever reads it. A line counts once its line break is on the disk; what a crash cut off never
happened.
"""

import fcntl
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any, BinaryIO

from ops.errors import OperatorError

START = "0" * 64


class Journal:
    """One rollout's events.jsonl.

    Args:
        path: the file; made by the first event.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, event: str, **details: Any) -> dict[str, Any]:
        """Add an event and have it on disk before anything else happens.

        Args:
            event: its kind.
            details: what belongs to it; JSON values.
        Raises:
            OperatorError: the chain is broken; nothing was added.
        """
        with self.path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # a pause by hand writes beside the controller
            lines, whole = _lines(file)
            before = _check(self.path, lines)
            file.truncate(whole)
            line = {"sequence": len(lines), "at_ns": time.time_ns(), "event": event, **details}
            line["previous_sha256"] = before
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return line

    def read(self) -> list[dict[str, Any]]:
        """Every event so far.

        Raises:
            OperatorError: names the first line that does not fit the one before it.
        """
        return [json.loads(line) for line in self._checked()[0]]

    def head(self) -> str:
        """Sha256 (hex) of the last line: whoever knows it can tell whether any line was changed."""
        return self._checked()[1]

    def _checked(self) -> tuple[list[bytes], str]:
        try:
            with self.path.open("rb") as file:
                lines, _ = _lines(file)
        except FileNotFoundError:
            return [], START
        return lines, _check(self.path, lines)


def _lines(file: BinaryIO) -> tuple[list[bytes], int]:
    """The whole lines of a file, and how many bytes they take."""
    file.seek(0)
    whole, _, _ = file.read().rpartition(b"\n")
    return (whole.split(b"\n"), len(whole) + 1) if whole else ([], 0)


def _check(path: Path, lines: list[bytes]) -> str:
    """Sha256 of the last line of an unbroken chain."""
    before = START
    for index, line in enumerate(lines):
        try:
            event = json.loads(line)
            fits = event["previous_sha256"] == before and event["sequence"] == index
        except (ValueError, KeyError, TypeError):
            fits = False
        if not fits:
            raise OperatorError(
                f"{path}: line {index + 1} does not follow the one before it: the journal was changed; "
                "compare it with the copy on the vault, and turn back by playbooks/rollback.yml"
            )
        before = hashlib.sha256(line).hexdigest()
    return before
