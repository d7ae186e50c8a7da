"""Pages and their heads: what slo.yml says of an alert stands at the top of its page, written by
./scripts/slo generate."""

from collections.abc import Iterator
from pathlib import Path

from ops import paths
from ops.slo.model import Alert, Model, number
from ops.slo.rules import all_alerts

FOLDER = paths.ROOT / "docs" / "runbooks"
BEGIN, END = "<!-- slo -->", "<!-- /slo -->"
INDEX_BEGIN, INDEX_END = "<!-- index -->", "<!-- /index -->"
README = "README.md"
SECTIONS = ("Meaning", "Impact", "Diagnose", "Mitigate", "Verify")
TODO = "TODO"
_WITHOUT = {
    "fires": "fires",
    "keeps": "keeps firing for a day",
    "resolves": "resolves; another alert tells of the silence",
}


def block(alert: Alert) -> str:
    """The generated head of a page, markers included."""
    rows = [
        ("severity", alert.severity + (", money in danger" if alert.money else "")),
        ("threshold", number(alert.threshold)),
        ("fires after", alert.for_ or "at once"),
        ("keeps firing after it is over", alert.keep or "no"),
        ("without data", _WITHOUT[alert.no_data]),
        ("silenced by playbooks that restart the host", "yes" if alert.planned else "no"),
    ]
    if alert.objective:
        rows.insert(1, ("objective", alert.objective.description))
    lines = [BEGIN, "| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows), ""]
    return "\n".join(
        [*lines, "```promql", alert.expr.replace(" or ", "\nor ").replace(" and ", "\nand "), "```", END]
    )


def skeleton(alert: Alert) -> str:
    """A page that `check` refuses until a person has written it."""
    sections = "\n\n".join(f"## {section}\n\n{TODO}" for section in SECTIONS)
    return f"# {alert.name}\n\n{block(alert)}\n\n{sections}\n"


def index(model: Model) -> str:
    """The generated list of all pages, markers included: by topic, pages before tickets."""
    order = {"page": 0, "ticket": 1, "none": 2}
    alerts = sorted(all_alerts(model), key=lambda one: (one.topic, order[one.severity]))
    rows = []
    for one in alerts:
        severity = one.severity + (", money" if one.money else "")
        rows.append(f"| {one.topic} | {severity} | [{one.name}]({one.name}.md) |")
    return "\n".join([INDEX_BEGIN, "| topic | severity | alert |", "|---|---|---|", *rows, INDEX_END])


def write(model: Model, folder: Path = FOLDER) -> list[Path]:
    """Write the heads that differ and skeletons of pages that are missing; returns the files."""
    written = []
    readme = folder / README
    before, after = _readme(readme, model)
    if after != before:
        folder.mkdir(parents=True, exist_ok=True)
        readme.write_text(after)
        written.append(readme)
    for alert in all_alerts(model):
        path = folder / f"{alert.name}.md"
        old = path.read_text() if path.exists() else None
        new = skeleton(alert) if old is None else _with_block(old, alert)
        if new != old:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(new)
            written.append(path)
    return written


def problems(model: Model, folder: Path = FOLDER) -> Iterator[str]:
    """What is missing or differs, one line each."""
    names = {alert.name: alert for alert in all_alerts(model)}
    old, new = _readme(folder / README, model)
    if old != new:
        yield f"docs/runbooks/{README}: its list differs from slo.yml; run ./scripts/slo generate"
    for name, alert in names.items():
        path = folder / f"{name}.md"
        if not path.exists():
            yield f"docs/runbooks/{path.name}: missing; ./scripts/slo generate writes its skeleton"
            continue
        text = path.read_text()
        if _with_block(text, alert) != text:
            yield f"docs/runbooks/{path.name}: its head differs from slo.yml; run ./scripts/slo generate"
        for section in SECTIONS:
            content = sections(text).get(section, "")
            if not content or TODO in content:
                yield f"docs/runbooks/{path.name}: section {section} is missing or not written"
    for path in sorted(folder.glob("*.md")):
        if path.stem not in names and path.name != README:
            yield f"docs/runbooks/{path.name}: no alert has this name; remove it"


def sections(text: str) -> dict[str, str]:
    """The sections of second level by title."""
    found: dict[str, str] = {}
    title = ""
    for line in text.splitlines():
        if line.startswith("## "):
            title = line[3:].strip()
            found[title] = ""
        elif title:
            found[title] += line + "\n"
    return {name: content.strip() for name, content in found.items()}


def _readme(path: Path, model: Model) -> tuple[str, str]:
    """The list of pages as it is and as it must be."""
    old = path.read_text() if path.exists() else ""
    before, begin, rest = old.partition(INDEX_BEGIN)
    _, end, after = rest.partition(INDEX_END)
    if not begin or not end:
        return old, f"# Runbooks\n\n{index(model)}\n"
    return old, before + index(model) + after


def _with_block(text: str, alert: Alert) -> str:
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        return f"# {alert.name}\n\n{block(alert)}\n\n" + text.removeprefix(f"# {alert.name}").lstrip("\n")
    return before + block(alert) + after
