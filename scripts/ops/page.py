"""Pages for people: one HTML file that needs nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def render(template: Path, view: Mapping[str, Any]) -> str:
    """Fill a template; it may build on those beside this module (page.html.j2, picture.html.j2).

    Args:
        template: file of the page.
        view: everything that it shows; what it names and is not there is an error.
    """
    environment = Environment(
        loader=FileSystemLoader([template.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template.name).render(view)
