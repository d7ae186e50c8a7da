"""Tables for a person: rich on a terminal, plain columns in a pipe or a playbook's output."""

import sys
from collections.abc import Sequence

import click


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table to stdout."""
    if sys.stdout.isatty():
        from rich.console import Console  # costs 0.1 s, so only where somebody sees it
        from rich.table import Table

        pretty = Table(*headers, header_style="bold", box=None, pad_edge=False)
        for row in rows:
            pretty.add_row(*row)
        Console(highlight=False).print(pretty)
        return
    widths = [max(len(line[column]) for line in (headers, *rows)) for column in range(len(headers))]
    for line in (headers, *rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def one_line(text: str, longest: int) -> str:
    """Text that came from elsewhere, fit for a line: no line breaks, no control characters, not too long."""
    words = " ".join(text.split())
    return "".join(letter for letter in words if letter.isprintable())[:longest]


def plural(count: int, word: str) -> str:
    """`1 host`, `2 hosts`."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
