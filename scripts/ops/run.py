"""Run the commands that a person would type, from the project's folder, with their output shown or kept."""

import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops import paths
from ops.errors import OperatorError


@dataclass(frozen=True)
class Done:
    """One finished command: exit status, both streams as they came, and how long it took."""

    argv: Sequence[str]
    status: int
    lines: Sequence[str]
    seconds: float

    @property
    def last_words(self) -> str:
        """What went wrong: the message of the last failed task of a playbook, or the last line."""
        for line in reversed(self.lines):
            if found := re.search(r'^\s*fatal: \[(\S+?)\].*"msg": "(.*?)"[,}]', line):
                return f"{found[1]}: {found[2]}"
        return next((line.strip() for line in reversed(self.lines) if line.strip()), "no output")


def run(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
    show: Callable[[str], bool] | None = None,
    expect: Sequence[int] | None = (0,),
) -> Done:
    """Run one command to its end.

    Args:
        argv: the words of the command; programs of .venv are found first.
        environment: variables on top of this process's own.
        log: file that receives the whole output.
        show: which lines of the output are printed while they come; None: none.
        expect: exit statuses that are right; None: any.
    Raises:
        OperatorError: another exit status; the message carries the command's last words and the log.
    """
    path = f"{paths.ROOT / '.venv' / 'bin'}:{os.environ.get('PATH', '')}"
    variables = os.environ | {"PATH": path, "PYTHONUNBUFFERED": "1"} | dict(environment or {})
    started = time.monotonic()
    lines = []
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
    with (
        subprocess.Popen(
            argv, cwd=paths.ROOT, env=variables, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as process,
        (log or Path(os.devnull)).open("w") as kept,
    ):  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            kept.write(line)
            if show and show(lines[-1]):
                print(f"    {lines[-1]}", flush=True)
    done = Done(argv, process.returncode, lines, time.monotonic() - started)
    if expect is not None and done.status not in expect:
        where = f"; the whole output is in {log}" if log else ""
        raise OperatorError(f"{' '.join(argv[:3])} ended with {done.status}: {done.last_words}{where}")
    return done
