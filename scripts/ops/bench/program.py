"""Runs one program of app/benchmarks; nothing here imports app/."""

import json
from pathlib import Path
from typing import Any

import click

from ops.errors import OperatorError
from ops.run import run


def measure(program: str, folder: Path, *words: str, kept_as: str = "") -> dict[str, Any]:
    """Run it; its progress is shown, its last line is its result.

    Args:
        program: such as order_path.
        folder: of its log.
        words: its options.
        kept_as: name of the log, where a program runs more than once.

    Raises:
        OperatorError: it failed, or printed no result.
    """
    click.echo(f"{' '.join([program, *(word for word in words if not word.startswith('--disk'))])}:")
    log = folder / f"{kept_as or program}.log"
    done = run(
        ["python", "-m", f"benchmarks.{program}", *words],
        environment={"PYTHONPATH": "app"},
        log=log,
        show=lambda line: not line.startswith("{"),
    )
    try:
        found: dict[str, Any] = json.loads(done.lines[-1])
    except (IndexError, json.JSONDecodeError) as error:
        raise OperatorError(f"benchmarks.{program} printed no result; see {log}") from error
    return found
