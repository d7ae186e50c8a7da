"""What a person sees: tables on a terminal, plain columns in a pipe, JSON on request; errors in one line."""

import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

FILE = click.Path(path_type=Path, dir_okay=False)
CONFIG = click.option("--config", "config", type=FILE, required=True, help="The settings file.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")
PROGRESS_FROM = 50_000  # fewer events are done before a bar could be read


class UserError(click.ClickException):
    """A mistake that a person can mend: one line, exit code 2."""

    exit_code = 2


def print_json(value: Any) -> None:
    """One document."""
    click.echo(json.dumps(value, indent=2))


def print_rows(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table with a head on a terminal; in a pipe tab-separated columns under the same names."""
    texts = [[_text(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for line in (names, *texts):
            click.echo("\t".join(line))
        return
    widths = [max(map(len, column)) for column in zip(names, *texts, strict=True)]
    click.secho(_aligned(names, widths), bold=True)
    for line in texts:
        click.echo(_aligned(line, widths))


def print_fields(fields: Sequence[tuple[str, Any]]) -> None:
    """Names and values, one pair a line."""
    width = max((len(name) for name, _ in fields), default=0) if sys.stdout.isatty() else 0
    for name, value in fields:
        click.echo(f"{name.ljust(width)}  {_text(value)}" if width else f"{name}\t{_text(value)}")


def utc(ns: int) -> str:
    """A time in UTC ns, for people."""
    return datetime.fromtimestamp(ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def progress(what: str) -> Callable[[int, int], None]:
    """A counter on stderr for long work; nothing where no person looks on."""

    def show(done: int, total: int) -> None:
        if total >= PROGRESS_FROM and sys.stderr.isatty():
            click.echo(f"\r{what} {done * 100 // total:3d} %", err=True, nl=done >= total)

    return show


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()


def _text(value: Any) -> str:
    """One line without tabs, so that columns stay columns."""
    return "-" if value is None or value == "" else " ".join(str(value).split())
