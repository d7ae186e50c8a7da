"""The commands in the pages: what each is, where it is typed, and whether it changes anything."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.errors import OperatorError
from ops.runbooks.pages import FOLDER

# The words behind the three quotes that open a block.
KINDS = ("promql", "bash control read", "bash control act", "bash host read", "bash host act")
_BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Command:
    """One block of a page.

    Args:
        page: file name.
        line: of its first line, from 1.
        kind: one of KINDS.
        text: without the quotes.
    """

    page: str
    line: int
    kind: str
    text: str

    @property
    def where(self) -> str:
        return f"docs/runbooks/{self.page}:{self.line}"


def of_page(path: Path) -> Iterator[Command]:
    """The commands of a page, in their order.

    Raises:
        OperatorError: a block is of no known kind.
    """
    text = path.read_text()
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 2
        kind = found[1].strip()
        if kind not in KINDS:
            where = f"docs/runbooks/{path.name}:{line - 1}"
            raise OperatorError(f"{where}: a block of kind {kind!r}; it must be one of {', '.join(KINDS)}")
        yield Command(path.name, line, kind, found[2].strip())


def all_commands(folder: Path = FOLDER) -> Sequence[Command]:
    """Those of every page."""
    return [command for path in sorted(folder.glob("*.md")) for command in of_page(path)]


def once(commands: Sequence[Command], kind: str) -> Sequence[Command]:
    """The commands of a kind, each text once: many pages ask the same."""
    return list({command.text: command for command in reversed(commands) if command.kind == kind}.values())[
        ::-1
    ]
