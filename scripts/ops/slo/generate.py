"""Writes everything that follows from slo.yml."""

from pathlib import Path

from ops import paths, pictures
from ops.runbooks import pages
from ops.slo import cases, page, rules
from ops.slo.model import Model


def generate(model: Model) -> list[Path]:
    """Write what differs; returns the files. A case or a runbook of a new alert is a skeleton that `check`
    refuses until it is filled in."""
    written = rules.write(model)
    for alert in model.state_alerts():
        path = cases.FOLDER / f"{alert.name}.yml"
        if not path.exists():
            path.write_text(cases.skeleton(alert))
            written.append(path)
    written += pages.write(model)
    written += page.write(model)
    for path, text in pictures.generate(paths.ROOT).items():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            written.append(path)
    return written
