"""A role's defaults and its argument specification say the same: names, types and values."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
TYPES = {"str": str, "path": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict}

pytestmark = pytest.mark.lint


def differences(defaults: dict[str, Any], options: dict[str, Any]) -> list[str]:
    """What does not agree between defaults/main.yml and the options of the entry point main."""
    found = [f"{name}: has a default but no specification" for name in defaults if name not in options]
    for name, option in options.items():
        if option.get("required"):
            if name in defaults:
                found.append(f"{name}: is required, so it must have no default")
        elif name not in defaults:
            found.append(f"{name}: is optional but defaults/main.yml does not set it")
        elif "default" not in option or option["default"] != defaults[name]:
            found.append(f"{name}: is {defaults[name]!r} in defaults, {option.get('default')!r} in the spec")
        elif not isinstance(defaults[name], TYPES[option["type"]]):
            found.append(f"{name}: {defaults[name]!r} is not of type {option['type']}")
    return found


def load(path: Path) -> dict[str, Any]:
    return (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}


@pytest.mark.parametrize("role", ROLES)
def test_defaults_agree_with_the_specification(role: str) -> None:
    folder = ROOT / "roles" / role
    specification = load(folder / "meta" / "argument_specs.yml")
    assert specification, f"{role} has no meta/argument_specs.yml"
    options = specification["argument_specs"]["main"]["options"]
    assert differences(load(folder / "defaults" / "main.yml"), options) == []


@pytest.mark.parametrize("role", ROLES)
def test_names_carry_the_role(role: str) -> None:
    for name in load(ROOT / "roles" / role / "defaults" / "main.yml"):
        assert name.startswith(f"{role}_")


@pytest.mark.parametrize("role", ROLES)
def test_every_entry_point_that_others_call_has_a_specification(role: str) -> None:
    specified = set(load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"])
    called = set()
    for path in [*(ROOT / "roles").rglob("tasks/*.yml"), *(ROOT / "playbooks").rglob("*.yml")]:
        text = path.read_text().splitlines()
        for above, line in pairwise(text):
            if above.strip() == f"name: {role}" and line.strip().startswith("tasks_from:"):
                called.add(line.split(":")[1].strip())
    assert called <= specified


@pytest.mark.parametrize(
    ("defaults", "options"),
    [
        ({"r_a": 1}, {}),
        ({}, {"r_a": {"type": "int", "default": 1}}),
        ({"r_a": 1}, {"r_a": {"type": "int", "default": 2}}),
        ({"r_a": 1}, {"r_a": {"type": "int", "required": True}}),
        ({"r_a": 1}, {"r_a": {"type": "str", "default": 1}}),
    ],
)
def test_a_drift_is_found(defaults: dict[str, Any], options: dict[str, Any]) -> None:
    assert differences(defaults, options)
