"""Molecule's scenarios, and that none of them is green because it met nothing."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ops import paths
from ops.run import run

pytestmark = pytest.mark.molecule

SCENARIOS = sorted(path.parent for path in (paths.ROOT / "molecule").glob("*/molecule.yml"))


@pytest.mark.parametrize("folder", SCENARIOS, ids=lambda path: path.name)
def test_every_action_of_a_scenario_has_its_playbook(folder: Path) -> None:
    scenario: dict[str, Any] = yaml.safe_load((folder / "molecule.yml").read_text())
    playbooks = scenario["ansible"]["playbooks"]
    by_action = {"check": "converge", "idempotence": "converge"}
    for action in scenario["scenario"]["test_sequence"]:
        name = by_action.get(action, action)
        assert name in playbooks, f"{action} would be skipped in silence"
        assert (folder / playbooks[name]).is_file()


def test_the_scenarios_pass() -> None:
    home = {"ANSIBLE_HOME": str(paths.VAR / "ansible")}
    log = paths.VAR / "tests" / "molecule.log"
    done = run(["molecule", "test", "--all"], environment=home | {"NO_COLOR": "1"}, log=log, expect=None)
    assert done.status == 0, f"see {log}\n" + "\n".join(done.lines[-60:])
    text = "\n".join(done.lines)
    for scenario in SCENARIOS:
        assert f"{scenario.name} ➜ verify" in text or f"[{scenario.name} > verify]" in text
