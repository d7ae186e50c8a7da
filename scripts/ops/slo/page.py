"""The tables of docs/slo.md: objectives, detection times and alerts stand there as slo.yml says."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ops import paths
from ops.slo import burn
from ops.slo.model import Alert, Model, Objective, number
from ops.slo.rules import all_alerts

FILE = paths.ROOT / "docs" / "slo.md"
RATES = (0.1, 1.0, 3.0, 10.0, 60.0)  # events a minute and host


def blocks(model: Model) -> dict[str, str]:
    """The text between the markers `<!-- slo NAME -->` and `<!-- /slo NAME -->`, by name."""
    return {
        "objectives": _objectives(model.objectives),
        "detection": _detection(model.objectives),
        "alerts": _alerts(all_alerts(model)),
    }


def minutes(value: object) -> str:
    """Seconds as a person reads them; - = never."""
    return f"{value / 60:.1f} min" if isinstance(value, float | int) else "-"


def write(model: Model, file: Path = FILE) -> list[Path]:
    """Write what differs; returns the file if it was changed."""
    old = file.read_text()
    new = _filled(old, model)
    if new == old:
        return []
    file.write_text(new)
    return [file]


def problems(model: Model, file: Path = FILE) -> Iterator[str]:
    """What is missing or differs, one line each."""
    name = f"docs/{file.name}"
    if not file.exists():
        yield f"{name}: missing; restore it"
        return
    text = file.read_text()
    for block in blocks(model):
        for marker in _markers(block):
            if marker not in text:
                yield f"{name}: the marker {marker} of a table is missing; restore it"
    if _filled(text, model) != text:
        yield f"{name}: its tables differ from slo.yml; run ./scripts/slo generate"


def _filled(text: str, model: Model) -> str:
    for name, block in blocks(model).items():
        begin, end = _markers(name)
        before, found, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if found and ended:
            text = f"{before}{begin}\n{block}\n{end}{after}"
    return text


def _markers(name: str) -> tuple[str, str]:
    return f"<!-- slo {name} -->", f"<!-- /slo {name} -->"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (heads, ["---"] * len(heads), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _objectives(objectives: Iterable[Objective]) -> str:
    rows = []
    for one in objectives:
        limits = {
            severity: ", ".join(
                f"{number(row.factor * one.budget * 100)} % in {row.long}/{row.short}"
                for row in burn.rows_of(one.policy, severity)
            )
            for severity in burn.NAMES
        }
        rows.append((f"`{one.name}`", one.description, f"{number(one.budget * 100)} %", *limits.values()))
    return _table(("objective", "what it says", "budget", "pages above", "tickets above"), rows)


def _detection(objectives: Iterable[Objective]) -> str:
    rates = [number(rate) for rate in RATES]
    heads = ("alert", "windows", *(f"{rate} a minute" for rate in rates))
    rows = [
        (f"`{row['alert']}`", str(row["window"]), *(minutes(row[rate]) for rate in rates))
        for row in burn.detection_table(objectives, RATES)
    ]
    return _table(heads, rows)


def _alerts(alerts: Iterable[Alert]) -> str:
    heads = ("alert", "severity", "threshold", "after", "keeps firing", "without data", "money")
    rows = [
        (
            f"`{alert.name}`",
            alert.severity,
            number(alert.threshold),
            alert.for_ or "at once",
            alert.keep or "-",
            alert.no_data,
            "yes" if alert.money else "",
        )
        for alert in alerts
    ]
    return _table(heads, rows)
