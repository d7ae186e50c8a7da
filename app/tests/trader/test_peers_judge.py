"""When is a host lost: the judge against the same rule said from behind, and what the ways read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trader.peers.judge import DOUBT_SHARE, Judge, Sight, State
from trader.peers.ways import EXPORTER, HEALTH, exporter_sight, health_sight

LOST, GAP = 30.0, 10.0
NOTHING = Sight(problem="no answer")
MARKS = st.sampled_from([None, "1", "2", "3"]).map(lambda mark: Sight(mark) if mark else NOTHING)
LAST_WORD = st.sampled_from(["4", "5"]).map(lambda mark: Sight(mark, stopped=True))
PAUSES = st.sampled_from([0.5, 2.0, 9.0, 10.0, 10.5, 40.0, -1.0])
LOOKS = st.lists(st.tuples(PAUSES, MARKS, MARKS | LAST_WORD), max_size=60)


def sights(health: Sight = NOTHING, exporter: Sight = NOTHING) -> dict[str, Sight]:
    return {HEALTH: health, EXPORTER: exporter}


Look = tuple[float, Sight, Sight]


def new_beat(sights: list[Sight]) -> bool:
    """Whether the last look of a way showed another mark than the last one that it had shown."""
    shown = [sight.mark for sight in sights if sight.mark and not sight.stopped]
    now = sights[-1]
    return bool(now.mark) and not now.stopped and shown[-2:-1] != [now.mark]


def fresh(looks: list[Look], number: int) -> bool:
    """Whether the count began anew at this look, by the text of the rule."""
    now, _, exporter = looks[number]
    if not number or not 0 <= now - looks[number - 1][0] <= GAP:
        return True
    healths = [health for _, health, _ in looks[: number + 1]]
    if new_beat(healths) or new_beat([exporter for _, _, exporter in looks[: number + 1]]):
        return True
    refuted = [
        looks[n][2].mark
        for n in range(1, number + 1)
        if looks[n][2].stopped and looks[n - 1][2] == looks[n][2] and new_beat(healths[: n + 1])
    ]
    return exporter.stopped and refuted[-1:] != [exporter.mark]


@given(LOOKS)
def test_lost_is_no_new_beat_for_so_long_in_looks_that_followed_each_other(
    steps: list[tuple[float, Sight, Sight]],
) -> None:
    judge, now = Judge(LOST, GAP), 100.0
    looks: list[Look] = []
    since = now
    for pause, health, exporter in steps:
        now += pause
        looks.append((now, health, exporter))
        state = judge.look(now, sights(health, exporter))
        since = now if fresh(looks, len(looks) - 1) else since
        unseen = now - since
        assert judge.unseen_seconds(now) == unseen
        assert (state is State.LOST) == (unseen >= LOST)
        assert (state is State.DOUBT) == (LOST * DOUBT_SHARE <= unseen < LOST)
        if state is State.STOPPED:
            assert exporter.stopped


@given(
    died=st.floats(0, 100),
    period=st.floats(0.2, GAP),
    file_seconds=st.floats(0, 5),
    ways=st.sampled_from([(True, True), (True, False), (False, True)]),
)
def test_a_host_that_dies_is_lost_in_time_and_never_before(
    died: float, period: float, file_seconds: float, ways: tuple[bool, bool]
) -> None:
    """Beats are written with a delay, looks come when they come; neither can hide it, or make it early."""
    judge, now = Judge(LOST, GAP), 0.0
    while True:
        beat = min(now, died)
        health = Sight(f"{beat:.3f}") if ways[0] and now <= died else NOTHING
        exporter = Sight(f"{max(beat - file_seconds, 0):.3f}") if ways[1] else NOTHING
        state = judge.look(now, sights(health, exporter))
        last_beat_shown = died + file_seconds  # nothing new can be shown later than that
        if state is State.LOST:
            assert now >= died - period - file_seconds + LOST - 0.001
            return
        assert now < last_beat_shown + LOST + 2 * period + 0.001
        now += period


@given(st.lists(st.floats(0.1, GAP), min_size=1, max_size=200), st.data())
def test_one_way_is_enough(pauses: list[float], data: st.DataObject) -> None:
    judge, now = Judge(LOST, GAP), 0.0
    for number, pause in enumerate(pauses):
        now += pause
        only = data.draw(st.sampled_from([HEALTH, EXPORTER]))
        other = {HEALTH: EXPORTER, EXPORTER: HEALTH}[only]
        state = judge.look(now, {only: Sight(str(number)), other: NOTHING})
        assert state is State.SEEN


def lost_at(judge: Judge, begin: float, seen: dict[str, Sight], until: float = 200.0) -> float | None:
    now = begin
    while now < begin + until:
        if judge.look(now, seen) is State.LOST:
            return now - begin
        now += 2.0
    return None


def test_a_host_never_seen_is_lost_too() -> None:
    assert lost_at(Judge(LOST, GAP), 0.0, sights()) == LOST


def test_an_exporter_that_only_repeats_itself_proves_nothing() -> None:
    """Whatever time it tells: a clock that is ahead cannot keep a dead host alive."""
    assert lost_at(Judge(LOST, GAP), 0.0, sights(exporter=Sight("9999999999"))) == LOST


def test_a_way_that_comes_and_goes_with_the_same_beat_proves_nothing() -> None:
    judge = Judge(LOST, GAP)
    states = [judge.look(2.0 * n, sights(exporter=Sight("7") if n % 3 else NOTHING)) for n in range(18)]
    assert states[-1] is State.LOST


def test_after_a_break_of_ours_the_count_begins_anew() -> None:
    judge = Judge(LOST, GAP)
    assert judge.look(0.0, sights(Sight("1"))) is State.SEEN
    for now in range(2, 30, 2):
        judge.look(float(now), sights())
    assert judge.look(28.0 + GAP + 1, sights()) is State.SEEN
    assert lost_at(judge, 28.0 + GAP + 1, sights()) == LOST


def test_a_clock_that_steps_back_is_a_break() -> None:
    judge = Judge(LOST, GAP)
    judge.look(1_000.0, sights())
    assert judge.look(990.0, sights()) is State.SEEN
    assert lost_at(judge, 990.0, sights()) == LOST


STOP = Sight("50", stopped=True)


def test_an_orderly_stop_holds_while_it_is_said_and_no_longer() -> None:
    judge = Judge(LOST, GAP)
    judge.look(0.0, sights(Sight("1"), Sight("1")))
    assert lost_at(judge, 2.0, sights(exporter=STOP), until=10_000) is None
    assert judge.look(10_002.0, sights(exporter=STOP)) is State.STOPPED
    assert lost_at(judge, 10_004.0, sights()) == pytest.approx(LOST, abs=2.1), "powered off"


def test_a_stop_seen_beside_its_last_beats_is_still_one() -> None:
    judge = Judge(LOST, GAP)
    judge.look(0.0, sights(Sight("1")))
    assert judge.look(2.0, sights(Sight("2"), STOP)) is State.SEEN
    assert judge.look(4.0, sights(Sight("2"), STOP)) is State.STOPPED


def test_an_old_stop_does_not_cover_who_has_begun_anew() -> None:
    """The file could not be written anew; the service beats by its health alone, and then hangs."""
    judge = Judge(LOST, GAP)
    for n in range(5):
        assert judge.look(2.0 * n, sights(Sight(str(n)), STOP)) is State.SEEN
    assert lost_at(judge, 10.0, sights(exporter=STOP)) is not None


HEALTHY = {"host": "trader-01", "started_at_ns": 5, "heartbeats": 7, "state": "halted"}


def test_health_is_read_by_its_beats() -> None:
    assert health_sight("trader-01", json.dumps(HEALTHY)) == Sight("5 7")
    assert health_sight("trader-01", json.dumps(HEALTHY | {"heartbeats": 8})) == Sight("5 8")
    assert health_sight("trader-01", json.dumps(HEALTHY | {"started_at_ns": 6})) == Sight("6 7")


@pytest.mark.parametrize("body", [HEALTHY | {"host": "trader-02"}, [], {}, "up"])
def test_another_service_at_that_address_is_not_it(body: object) -> None:
    sight = health_sight("trader-01", json.dumps(body))
    assert (sight.mark, sight.problem[:13]) == (None, "the answer is")


def test_health_without_beats_shows_none() -> None:
    body = {name: value for name, value in HEALTHY.items() if name != "heartbeats"}
    assert health_sight("trader-01", json.dumps(body)).mark is None


BEAT = "# HELP trader_heartbeat_timestamp_seconds x\ntrader_heartbeat_timestamp_seconds 1.7e+09\n"


@pytest.mark.parametrize(
    ("text", "sight"),
    [
        (BEAT, Sight("1.7e+09")),
        (BEAT + "trader_heartbeat_stopped 0\n", Sight("1.7e+09")),
        (BEAT + "trader_heartbeat_stopped 1\n", Sight("1.7e+09", stopped=True)),
        ("trader_heartbeat_stopped 1\n", Sight(problem="no trader_heartbeat_timestamp_seconds")),
        ("", Sight(problem="no trader_heartbeat_timestamp_seconds")),
        ("<html>", Sight(problem="no trader_heartbeat_timestamp_seconds")),
    ],
)
def test_the_exporter_is_read(text: str, sight: Sight) -> None:
    assert exporter_sight(text) == sight
