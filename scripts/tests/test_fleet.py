"""What the demo and the benchmarks stand on: commands that are run, read and complained about."""

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ops.demo import check, other_release
from ops.errors import OperatorError
from ops.fleet import Rollout, worth_reading
from ops.run import Done, run


def test_a_second_demo_releases_something_else() -> None:
    assert other_release(Counter({"tree": 10}), "tree", "next") == "next"
    assert other_release(Counter({"next": 10}), "tree", "next") == "tree"
    assert other_release(Counter({"next": 9, "tree": 1}), "tree", "next") == "next"


@pytest.mark.parametrize(
    ("outcome", "touched", "running", "message"),
    [
        ("completed", ["a"], "good", "was not turned back"),
        ("rolled_back", ["a", "b"], "good", "reached a b"),
        ("rolled_back", [], "good", "reached"),
        ("rolled_back", ["a"], "bad", "the fleet runs bad, not good alone"),
    ],
)
def test_a_demo_that_shows_the_wrong_thing_fails(
    outcome: str, touched: list[str], running: str, message: str
) -> None:
    rollout = SimpleNamespace(
        result={"outcome": outcome}, touched=touched, plan={"phases": [{"batch": ["a"]}]}, report="r"
    )
    with pytest.raises(OperatorError, match=message):
        check(cast(Rollout, rollout), "good", Counter({running: 3}))


def test_the_reason_of_a_playbook_is_its_failed_task() -> None:
    lines = [
        'fatal: [localhost]: FAILED! => {"changed": false, "msg": "Group trader is empty: lab is down"}',
        "",
        "PLAY RECAP ****",
        "localhost : ok=0 changed=0 unreachable=0 failed=1",
    ]
    assert Done(["x"], 2, lines, 1.0).last_words == "localhost: Group trader is empty: lab is down"
    assert Done(["x"], 2, ["one", "two", ""], 1.0).last_words == "two"
    assert Done(["x"], 2, [], 1.0).last_words == "no output"


def test_a_command_that_fails_says_what_and_where(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "log"
    with pytest.raises(OperatorError, match=r"ended with 3: bad luck; the whole output is in .*log"):
        run(["sh", "-c", "echo first; echo bad luck >&2; exit 3"], log=log)
    assert log.read_text() == "first\nbad luck\n"
    assert run(["sh", "-c", "exit 3"], expect=(3,)).status == 3
    assert run(["sh", "-c", "exit 4"], expect=None).status == 4


def test_only_what_is_worth_reading_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    run(["printf", "ok: [a]\\nchanged: [a]\\n\\nskipping: [a]\\nTASK x\\n"], show=worth_reading)
    assert capsys.readouterr().out == "    changed: [a]\n    TASK x\n"


def test_a_rollout_is_read_from_its_folder(tmp_path: Path) -> None:
    hosts = tmp_path / "phases" / "1" / "hosts"
    hosts.mkdir(parents=True)
    proof: dict[str, Any] = {"host": "a", "pause_seconds": 1.5}
    (hosts / "a.begun").write_text("{}")
    (hosts / "a.json").write_text(json.dumps(proof))
    (hosts / "b.begun").write_text("{}")
    rollout = Rollout(tmp_path, Done([], 0, [], 0.0))
    assert rollout.touched == ["a", "b"]
    assert rollout.proofs == [proof]
    assert len(rollout.update_seconds) == 1
