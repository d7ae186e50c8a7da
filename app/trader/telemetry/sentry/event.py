"""An event of Sentry's form from a line of the log. Pure, but for the traceback that the SDK reads."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

# "code":-2010
_CODE: Final = re.compile(r"""["']?code["']?\s*[=:]\s*["']?(-?\d{1,6})""")
# The same in every line, and tags of the report: not repeated in each breadcrumb.
_FIXED: Final = frozenset({"host", "release", "account", "strategy", "venue", "epoch", "run"})
_TAGS: Final = ("symbol", "client_id", "outcome", "side", "by", "trigger", "kind", "stream")
NONE: Final = "-"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the log on its way to a report.

    Args:
        name, level: of the event.
        at: UTC seconds.
        fields: of the line, the fixed ones too.
        error: what was raised; None when the line tells of no exception.
        breadcrumbs: the lines before it.
    """

    name: str
    level: str
    at: float
    fields: Mapping[str, Any]
    error: BaseException | None = None
    breadcrumbs: Sequence[Mapping[str, Any]] = field(default=())


def fingerprint(line: Line) -> tuple[str, ...]:
    """One issue for each thing that must be done: the event, its outcome class, and the venue's code.

    ccxt does not always tell the code; then the class of its exception stands there, which it chose by that.
    """
    # Ours carries the code; ccxt quotes the venue's answer.
    code = getattr(line.error, "code", None)
    if not isinstance(code, int):
        found = _CODE.search(f"{line.fields.get('message', '')} {line.error or ''}")
        code = found[1] if found else None
    kind = type(line.error).__name__ if line.error is not None else line.fields.get("error")
    return (line.name, str(line.fields.get("outcome") or NONE), str(code or kind or NONE))


def breadcrumb(name: str, level: str, at: float, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the log as what happened before an error."""
    own = {key: str(value) for key, value in fields.items() if key not in _FIXED}
    return {"type": "default", "category": name, "level": level, "timestamp": at, "data": own}


def event(line: Line, held_back: int = 0) -> dict[str, Any]:
    """Everything but the exception.

    Args:
        held_back: reports of the same fingerprint that were held back before it.
    """
    tags = {key: str(line.fields[key]) for key in _TAGS if line.fields.get(key)}
    scope = {
        key: line.fields[key]
        for key in ("account", "host", "strategy", "venue", "epoch", "run")
        if line.fields.get(key)
    }
    made: dict[str, Any] = {
        "level": "fatal" if line.level == "critical" else line.level,
        "timestamp": line.at,
        "logger": "trader",
        "transaction": line.name,
        "fingerprint": list(fingerprint(line)),
        "tags": {"event": line.name, **{key: str(value) for key, value in scope.items()}, **tags},
        "contexts": {"trading": {key: str(value) for key, value in line.fields.items()}},
        "breadcrumbs": {"values": [dict(one) for one in line.breadcrumbs]},
    }
    if line.error is None:
        made["message"] = f"{line.name}: {line.fields.get('message', '')}".rstrip(": ")
    if held_back:
        made["contexts"]["trading"]["held_back"] = held_back
    return made
