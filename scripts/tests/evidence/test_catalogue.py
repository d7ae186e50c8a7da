"""The catalogue names only what there is."""

import ast
from pathlib import Path

import pytest

from ops.errors import OperatorError
from ops.evidence import catalogue as catalogue_module
from ops.evidence.catalogue import catalogue

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", list(catalogue().entries))
def test_the_red_twin_of_each_entry_exists(name: str) -> None:
    file, _, function = catalogue().entry(name).red_twin.partition("::")
    tree = ast.parse((ROOT / file).read_text())
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_control_is_evidenced_by_something() -> None:
    used = {control for entry in catalogue().entries.values() for control in entry.controls}
    assert used == {*catalogue().controls} - {"RTS6-14(4)"}  # that rehearsals happen: the ages say it


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("controls: []", "controls: [RTS6-99]"), "control RTS6-99 has no text"),
        (("max: 0}", "maximum: 0}"), "needs unit and one of max, below, min"),
        (("kind: rollout", "sort: rollout"), "KeyError"),
        (("entries:", "  entries:"), "cannot be used"),
    ],
)
def test_a_catalogue_that_cannot_be_used_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], text: str
) -> None:
    broken = tmp_path / "catalogue.yml"
    broken.write_text(catalogue_module.FILE.read_text().replace(*change, 1))
    monkeypatch.setattr(catalogue_module, "FILE", broken)
    with pytest.raises(OperatorError, match=text):
        catalogue.__wrapped__()
