"""The act on hosts that hang, refuse, fail or lie; ssh and `trader panic` are stand-ins."""

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ops.kill import act
from ops.kill.act import Wish, kill
from ops.kill.kit import Target
from ops.kill.outcome import Outcome
from tests.kill_helpers import CANCELLED, LATCH, PATIENT, STOPPED, called, stand_in, target

HASTY = replace(PATIENT, patience_seconds=0.1, work_seconds=0.1)
"""Gives up at once; for hosts that hang anyway."""
VENUE = "venue"


@pytest.fixture
def venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`trader panic` with the recovery key cancels well, unless a test says otherwise."""
    stand_in(tmp_path, VENUE, **CANCELLED)

    @contextmanager
    def command(target: Target, by: str, reason: str) -> Iterator[tuple[list[str], dict[str, str]]]:
        program = stand_in(
            tmp_path, f"{VENUE}-{target.name}", **json.loads((tmp_path / f"{VENUE}.json").read_text())
        )
        yield [*program, by, reason], {}

    monkeypatch.setattr(act, "panic_command", command)
    return tmp_path


async def act_on(wish: Wish, *targets: Target) -> tuple[list[Outcome], list[str]]:
    said: list[str] = []
    return await kill(targets, wish, said.append), said


async def test_hosts_that_do_it_are_stopped_and_the_venue_is_left_alone(venue: Path) -> None:
    (first, second), said = await act_on(PATIENT, target(venue, "a"), target(venue, "b", sudo=True))
    assert first.stopped
    assert second.stopped
    assert (first.took, first.latch, first.cancelled, first.left, first.problem) == (
        "host",
        "tripped",
        3,
        0,
        "",
    )
    assert called(venue, "venue-a") is None
    assert called(venue, "a") == ["echo here; exec /usr/local/sbin/trader-life kill ann drill"]
    assert called(venue, "b") == ["echo here; exec sudo -n /usr/local/sbin/trader-life kill ann drill"]
    assert sorted(line.split(":")[0] for line in said) == ["a", "b"]


async def test_what_a_person_types_reaches_the_host_as_it_is(venue: Path) -> None:
    reason = """it's "wrong" $(reboot); `id`"""
    await act_on(replace(PATIENT, reason=reason), target(venue, "a"))
    words = called(venue, "a")
    assert words is not None
    assert shlex.split(words[0].partition("; exec ")[2]) == [
        "/usr/local/sbin/trader-life",
        "kill",
        "ann",
        reason,
    ]


async def test_a_host_that_does_not_let_us_in_is_taken_at_the_venue(venue: Path) -> None:
    wish = replace(PATIENT, patience_seconds=0.1, host_seconds=0.5)
    (well, gone), said = await act_on(
        replace(wish, patience_seconds=5, host_seconds=8),
        target(venue, "a"),
        target(venue, "b", say=[], hang=True),
    )
    assert well.stopped
    assert (gone.took, gone.latch, gone.left, gone.cancelled) == ("venue", "unknown", 0, 5)
    assert not gone.stopped
    assert "no result within 8 s" in gone.problem
    assert called(venue, "venue-b") == ["ann", "drill"]
    assert any(line.startswith("b: does not answer") for line in said)


async def test_one_that_hangs_after_the_login_is_too(venue: Path) -> None:
    wish = replace(PATIENT, patience_seconds=2, work_seconds=0.1, host_seconds=4)
    (outcome,), said = await act_on(wish, target(venue, "a", say=["here"], hang=True))
    assert (outcome.took, outcome.stopped) == ("venue", False)
    assert any(line.startswith("a: is not done") for line in said)


async def test_a_slow_host_that_comes_in_the_end_is_stopped(venue: Path) -> None:
    (outcome,), _ = await act_on(HASTY, target(venue, "a"))
    assert outcome.stopped, "the venue was asked as well, but its word of the latch counts"


async def test_one_that_refuses_is_taken_at_the_venue_at_once(venue: Path) -> None:
    no_route = "ssh: connect to host a port 22: No route to host"
    lost = target(venue, "a", say=[], complain=no_route, status=255)
    (outcome,), said = await act_on(PATIENT, lost)
    assert (outcome.took, outcome.latch) == ("venue", "unknown")
    assert "No route to host" in outcome.problem
    assert any("failed (ssh: connect" in line for line in said)


async def test_orders_that_a_host_left_are_cancelled_at_the_venue(venue: Path) -> None:
    left = json.dumps(STOPPED | {"open_orders": 2, "verified_twice": False, "cancelled": 1})
    failed = target(venue, "a", say=["here", left], complain="2 orders left", status=1)
    (outcome,), _ = await act_on(PATIENT, failed)
    assert outcome.stopped, "the host tripped its latch, the venue did the rest"
    assert (outcome.took, outcome.cancelled, outcome.left) == ("venue", 6, 0)


async def test_a_host_that_says_zero_and_fails_is_not_believed(venue: Path) -> None:
    (outcome,), _ = await act_on(PATIENT, target(venue, "a", status=1))
    assert called(venue, "venue-a") is not None
    assert outcome.took == "venue"


async def test_an_armed_latch_is_not_stopped(venue: Path) -> None:
    armed = json.dumps(STOPPED | {"latch": LATCH | {"state": "armed"}})
    (outcome,), _ = await act_on(PATIENT, target(venue, "a", say=["here", armed]))
    assert (outcome.stopped, outcome.latch) == (False, "armed")


async def test_a_venue_that_does_not_empty_is_said(venue: Path) -> None:
    left = json.dumps(STOPPED | {"open_orders": 4, "latch": None, "verified_twice": False})
    stand_in(venue, VENUE, say=[left], complain="4 ORDERS ARE STILL OPEN: x", status=1)
    (outcome,), _ = await act_on(PATIENT, target(venue, "a", say=[], status=255, complain="no route"))
    assert (outcome.took, outcome.left, outcome.stopped) == ("", 4, False)
    assert outcome.problem == "no route; 4 ORDERS ARE STILL OPEN: x"


async def test_without_a_recovery_key_the_host_is_named(venue: Path) -> None:
    lost = target(venue, "a", recovery=False, say=[], status=255, complain="no route")
    (outcome,), _ = await act_on(PATIENT, lost)
    assert (outcome.took, outcome.left) == ("", None)
    assert "no recovery key" in outcome.problem


async def test_the_venue_is_not_asked_when_it_must_not(venue: Path) -> None:
    lost = target(venue, "a", say=[], status=255, complain="no route")
    (outcome,), _ = await act_on(replace(PATIENT, venue=False), lost)
    assert (outcome.took, outcome.problem) == ("", "no route")
    assert called(venue, "venue-a") is None


async def test_the_hosts_are_not_asked_when_they_must_not(venue: Path) -> None:
    (outcome,), _ = await act_on(replace(PATIENT, hosts=False), target(venue, "a"))
    assert (outcome.took, outcome.latch) == ("venue", "unknown")
    assert called(venue, "a") is None


async def test_a_broken_way_does_not_keep_the_others_from_their_work(
    venue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def broken(*_: Any) -> Iterator[tuple[list[str], dict[str, str]]]:
        raise OSError(28, "No space left on device")
        yield

    monkeypatch.setattr(act, "panic_command", broken)
    no_ssh = replace(target(venue, "a"), ssh=("/nowhere/ssh",))
    (lost, well), _ = await act_on(PATIENT, no_ssh, target(venue, "b"))
    assert well.stopped
    assert not lost.stopped
    assert "/nowhere/ssh: No such file" in lost.problem
    assert "No space left on device" in lost.problem
