"""The judge of a restore: what is proven passes, and each thing that is not turns it red."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ops import paths
from ops.canary import lock
from ops.errors import OperatorError
from ops.restore import run
from ops.restore.cli import cli
from ops.restore.finish import draft, values
from ops.restore.run import STEPS, Restore, Wish, begin

FLEET = "desk"
HOSTS = ["trader-01", "trader-02"]
WISH = Wish("trader-01", None, "ann", "its disk is gone")
STATUS = {
    "release": "trader-1",
    "sha256": "a" * 64,
    "reasons": {"latch": "kill switch tripped by ann: restored"},
    "last_reconciled_at_ns": 5,
}
LOST = {"epoch": 2, "orders": 1, "milliseconds": 40, "amounts": {"USDT": "60.5"}}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(run, "RESTORES", tmp_path / "restores")
    monkeypatch.setattr("ops.restore.cli.RESTORES", tmp_path / "restores")
    monkeypatch.setattr(paths, "EVIDENCE", tmp_path / "evidence")
    monkeypatch.setattr(paths, "ROLLOUTS", tmp_path / "rollouts")
    return tmp_path


def told(restore: Restore, name: str, content: dict[str, Any]) -> None:
    (restore.folder / f"{name}.json").write_text(json.dumps(content))


@pytest.fixture
def done(place: Path) -> Restore:
    """One in which everything is as it should be."""
    restore = begin(FLEET, WISH, HOSTS, os.getpid())
    for name in STEPS:
        restore.begin(name)
        restore.end(name)
    told(restore, "fence", {"refused": True, "text": "refused: AuthenticationError"})
    told(restore, "cancel", {"took": "venue", "left": 0})
    told(restore, "fetch", {"epoch": 1, "skipped": []})
    told(restore, "verify", STATUS)
    told(restore, "lost", LOST)
    return restore


def verdict(restore: Restore) -> tuple[str, str]:
    record = draft(restore, paths.EVIDENCE)
    return record["verdict"], "; ".join(record["reasons"])


def test_one_that_is_proven_passes(done: Restore) -> None:
    assert verdict(done) == ("pass", "")
    found = values(done)
    assert (found["rpo_orders"], found["rpo_seconds"], found["rpo_usd"]) == (1, 0.04, 60.5)
    assert found["rto_full_seconds"] is not None
    assert 0 <= found["rto_full_seconds"] < 60


def test_a_fence_that_did_not_take_turns_it_red(done: Restore) -> None:
    told(done, "fence", {"refused": False, "text": "taken: the venue told the account's balances"})
    assert verdict(done)[0] == "fail"
    assert "fence_refused" in verdict(done)[1]


TWINS: dict[str, tuple[str, dict[str, Any] | None, str]] = {
    "fence not proven": ("fence", {"refused": None, "text": "no answer"}, "fence_refused"),
    "fence not asked": ("fence", None, "fence_refused"),
    "an order left": ("cancel", {"took": "", "left": 1}, "open_orders"),
    "not known what is open": ("cancel", {"took": "", "left": None}, "open_orders"),
    "a fill that nothing explains": (
        "verify",
        STATUS | {"reasons": {"latch": "down", "reconcile": "1 unexplained: foreign_fill"}},
        "foreign_fill",
    ),
    "a wrong clock": (
        "verify",
        STATUS | {"reasons": {"latch": "down", "clock": "off by 900 ms"}},
        "off by 900 ms",
    ),
    "never compared": ("verify", STATUS | {"last_reconciled_at_ns": 0}, "differences"),
    "no status at all": ("verify", None, "differences"),
    "a latch that the backup had armed": ("verify", STATUS | {"reasons": {}}, "latch_tripped"),
}


@pytest.mark.parametrize(("name", "content", "word"), TWINS.values(), ids=TWINS)
def test_what_is_not_proven_turns_it_red(
    done: Restore, name: str, content: dict[str, Any] | None, word: str
) -> None:
    if content is None:
        (done.folder / f"{name}.json").unlink()
    else:
        told(done, name, content)
    assert verdict(done)[0] == "fail"
    assert word in verdict(done)[1]


def test_one_that_took_too_long_turns_it_red(done: Restore, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = done.steps
    late = [step | {"ended": step["began"] + (301 if step["name"] == "fetch" else 0)} for step in steps]
    (done.folder / "steps.jsonl").write_text("".join(json.dumps(step) + "\n" for step in late))
    assert "rto_critical_seconds" in verdict(done)[1]


def test_finish_writes_evidence_and_says_so_by_its_exit_code(done: Restore) -> None:
    ended = CliRunner().invoke(cli, ["finish", str(done.folder)])
    assert ended.exit_code == 0, ended.output
    assert "pass: evidence" in ended.output
    assert done.finished


def test_finish_of_a_red_one_fails(done: Restore) -> None:
    told(done, "cancel", {"took": "", "left": 3})
    ended = CliRunner().invoke(cli, ["finish", str(done.folder)])
    assert ended.exit_code == 1
    assert json.loads((done.folder / "result.json").read_text())["verdict"] == "fail"


def test_it_goes_on_where_it_stopped(place: Path) -> None:
    first = begin(FLEET, WISH, HOSTS, os.getpid())
    first.begin("latch")
    first.end("latch")
    first.begin("fence")
    again = begin(FLEET, WISH, HOSTS, os.getpid())
    assert again.folder == first.folder
    assert again.left()[0] == "fence"
    with pytest.raises(OperatorError, match="not the next step"):
        again.end("start")


def test_a_step_that_was_done_twice_took_all_of_the_time(place: Path) -> None:
    restore = begin(FLEET, WISH, HOSTS, os.getpid())
    restore.begin("latch")
    time.sleep(0.05)
    restore.begin("latch")
    restore.end("latch")
    assert restore.steps[0]["ended"] - restore.steps[0]["began"] >= 0.05


def refused(match: str, act: Callable[[], object]) -> None:
    with pytest.raises(OperatorError, match=match):
        act()


def test_bad_input_is_one_line(place: Path) -> None:
    me = os.getpid()
    refused("no trading host of desk", lambda: begin(FLEET, Wish("x", None, "ann", "y"), HOSTS, me))
    refused("who restores", lambda: begin(FLEET, Wish("trader-01", None, "ann", " "), HOSTS, me))
    refused("no past time", lambda: begin(FLEET, Wish("trader-01", "noon", "ann", "y"), HOSTS, me))
    refused("no past time", lambda: begin(FLEET, Wish("trader-01", "2999-01-01", "ann", "y"), HOSTS, me))
    refused("no restore", lambda: Restore(place))
    assert not list((place / "restores").glob("*/*/plan.json"))


def test_two_at_once_are_refused(place: Path) -> None:
    begin(FLEET, WISH, HOSTS, os.getppid())  # a controller that lives
    refused("two restores at once", lambda: begin(FLEET, WISH, HOSTS, os.getpid()))
    refused(
        "two restores at once",
        lambda: begin(FLEET, Wish("trader-02", None, "ann", "too"), HOSTS, os.getpid()),
    )


def test_a_rollout_that_is_at_work_is_not_disturbed(place: Path) -> None:
    since = "2026-11-28T12:00:00Z"
    folder = paths.ROLLOUTS / FLEET
    lock.acquire(folder, rollout="r", release="trader-2", pid=os.getppid(), since=since)
    refused("pause or abort it first", lambda: begin(FLEET, WISH, HOSTS, os.getpid()))
    lock.release_lock(folder, "r")
    assert begin(FLEET, WISH, HOSTS, os.getpid()).left()


def test_another_one_must_be_finished_or_given_up(place: Path) -> None:
    first = begin(FLEET, WISH, HOSTS, os.getpid())
    other = Wish("trader-02", None, "bob", "this one too")
    refused("give it up", lambda: begin(FLEET, other, HOSTS, os.getpid()))
    ended = CliRunner().invoke(cli, ["give-up", str(first.folder), "--reason", "the host came back"])
    assert ended.exit_code == 0, ended.output
    assert begin(FLEET, other, HOSTS, os.getpid()).folder != first.folder
    listed = CliRunner().invoke(cli, ["list", "--inventory", FLEET])
    assert "not finished" in listed.output
    assert "fail" in listed.output


def test_nothing_is_finished_before_its_steps(place: Path) -> None:
    restore = begin(FLEET, WISH, HOSTS, os.getpid())
    ended = CliRunner().invoke(cli, ["finish", str(restore.folder)])
    assert ended.exit_code == 2
    assert not restore.finished
