"""Each drill of the catalogue has its file and its tag, and each of them is a drill of the catalogue."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ops import paths
from ops.evidence.catalogue import catalogue

PLAYBOOKS = ("kill_switch", "alert_path")
FOLDER = paths.ROOT / "playbooks/drills"
FRAME = {"frame.yml", "begin.yml", "judge.yml", "put_back.yml"}


def drills(name: str) -> set[str]:
    return {one.partition(".")[2] for one in catalogue().entries if one.startswith(f"{name}.")}


def tasks(path: Path) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = yaml.safe_load(path.read_text())
    return loaded


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_each_drill_is_run_alone_by_its_tag(name: str) -> None:
    runs = [
        task
        for play in tasks(FOLDER / f"{name}.yml")
        for task in play.get("tasks", ())
        if "drill" in task.get("vars", {})
    ]
    assert {task["vars"]["drill"] for task in runs} == drills(name)
    for task in runs:
        assert task["tags"] == [task["vars"]["drill"]]
        included = task["ansible.builtin.include_tasks"]
        assert included == {"file": f"{name}/frame.yml", "apply": {"tags": task["tags"]}}
        assert name != "kill_switch" or task["when"] == "drill_here | bool"


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_each_drill_has_its_file_and_no_file_is_left_over(name: str) -> None:
    texts = {path.name: path.read_text() for path in (FOLDER / name).iterdir()}
    acts = {f"{drill}.yml" for drill in drills(name)}
    assert acts <= texts.keys()
    for left in texts.keys() - acts - FRAME:
        assert any(left in text for other, text in texts.items() if other != left), left


def test_each_act_notes_its_moment_before_anything_is_broken() -> None:
    """By itself, or by the files that it includes; otherwise detection would be counted from the begin."""

    def notes(path: Path) -> bool:
        text = path.read_text()
        included = [task.get("ansible.builtin.include_tasks", "") for task in tasks(path)]
        return "drill_act_ns:" in text or any(
            notes(FOLDER / "kill_switch" / name) for name in included if name
        )

    for drill in drills("kill_switch"):
        assert notes(FOLDER / "kill_switch" / f"{drill}.yml"), drill


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_the_guard_runs_with_every_tag(name: str) -> None:
    """With --tags and an empty lab there would be nothing to do, which looks like success."""
    guard, lock, first, *_, result = tasks(FOLDER / f"{name}.yml")
    assert "guard.yml" in guard["ansible.builtin.import_playbook"]
    assert lock["ansible.builtin.import_playbook"] == "lock.yml"
    assert result["ansible.builtin.import_playbook"] == "result.yml"
    refusal = first["tasks"][0]
    assert "real venue" in refusal["name"]
    published, said = tasks(FOLDER / "result.yml")
    always = [guard, lock, result, published, *said["tasks"], refusal if "tags" in refusal else first]
    assert [task["tags"] for task in always] == [["always"]] * len(always)
