"""Each drill of the catalogue has its file and its tag, and each of them is a drill of the catalogue."""

from pathlib import Path
from typing import Any

import yaml

from ops import paths
from ops.evidence.catalogue import catalogue

PLAYBOOK = paths.ROOT / "playbooks/drills/kill_switch.yml"
TASKS = PLAYBOOK.with_suffix("")
DRILLS = {name.partition(".")[2] for name in catalogue().entries if name.startswith("kill_switch.")}
FRAME = {"frame.yml", "begin.yml", "judge.yml", "put_back.yml"}


def tasks(path: Path) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = yaml.safe_load(path.read_text())
    return loaded


def test_each_drill_is_run_alone_by_its_tag() -> None:
    play = tasks(PLAYBOOK)[1]
    runs = [task for task in play["tasks"] if "vars" in task]
    assert {task["vars"]["drill"] for task in runs} == DRILLS
    for task in runs:
        assert task["tags"] == [task["vars"]["drill"]]
        assert task["when"] == "drill_here | bool"
        included = task["ansible.builtin.include_tasks"]
        assert included == {"file": "kill_switch/frame.yml", "apply": {"tags": task["tags"]}}


def test_each_drill_has_its_file_and_no_file_is_left_over() -> None:
    texts = {path.name: path.read_text() for path in TASKS.iterdir()}
    assert {f"{drill}.yml" for drill in DRILLS} <= texts.keys()
    for name in texts.keys() - {f"{drill}.yml" for drill in DRILLS} - FRAME:
        assert any(name in text for other, text in texts.items() if other != name), name


def test_each_act_notes_its_moment_before_anything_is_broken() -> None:
    """By itself, or by the files that it includes; otherwise detection would be counted from the begin."""

    def notes(path: Path) -> bool:
        text = path.read_text()
        included = [task.get("ansible.builtin.include_tasks", "") for task in tasks(path)]
        return "drill_act_ns:" in text or any(notes(TASKS / name) for name in included if name)

    for drill in DRILLS:
        assert notes(TASKS / f"{drill}.yml"), drill


def test_the_guard_runs_with_every_tag() -> None:
    """With --tags and an empty lab there would be nothing to do, which looks like success."""
    guard, play, result = tasks(PLAYBOOK)
    assert guard["tags"] == ["always"]
    assert [task["tags"] for task in (play["tasks"][0], *result["tasks"])] == [["always"]] * 3
