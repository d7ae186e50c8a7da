import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops import paths
from ops.canary import timeline
from ops.canary.finish import finish
from ops.canary.record import Record
from ops.canary.timeline import STATES, host_spans, soak_bands
from ops.files import write_json
from ops.timeline import Span, draw
from ops.times import parse_time
from tests.canary_helpers import OLD_RELEASE, OLD_SHA256, plan_of, proof, prove, rollout
from tests.page import Page

NIGHT = 1_767_225_600.0  # 2026-01-01T00:00:00Z, as in the proofs of the helpers


@pytest.fixture(autouse=True)
def _evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "EVIDENCE", tmp_path / "evidence")


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Phase 1 changed and was judged bad, the host is back."""
    made = rollout(tmp_path, plan_of(3))
    prove(made, 1)
    back = proof("trader-01", OLD_RELEASE, OLD_SHA256, started_at=NIGHT + 20, ready_at=NIGHT + 23)
    made.rollback_file("trader-01").write_text(json.dumps(back))
    criterion: dict[str, Any] = {
        "name": "errors <b>",
        "description": "",
        "unit": "ratio",
        "bound": {"below": 0.01},
        "verdict": "fail",
        "worst": {"host": "trader-01", "value": 0.05},
        "hosts": [
            {
                "host": "trader-01",
                "verdict": "fail",
                "value": 0.05,
                "samples": 321.0,
                "reason": "5 %, bound < 1 %",
            }
        ],
        "breach": "fail",
        "asked": {
            "answer": {"query": 'errors{host=~"trader-01"}[10s]', "at_seconds": 1.0, "samples": []},
            "samples": None,
        },
    }
    window = {"started_seconds": 0, "ended_seconds": 10, "soak_seconds": 10, "ended_early": False}
    verdict = {"verdict": "fail", "reasons": ["trader-01: errors"], "window": window, "criteria": [criterion]}
    write_json(made.phase_folder(1) / "verdict.json", verdict)
    made.append("soak_started", phase=1, hosts=["trader-01"], seconds=10)
    made.append("verdict", phase=1, verdict="fail", reasons=[])
    return made


def test_the_page_is_whole_says_what_happened_and_needs_nothing_else(record: Record) -> None:
    finish(record, "rolled_back", "phase 1: errors <script>alert(1)</script>")
    html = (record.folder / "report.html").read_text()
    page = Page(html)
    for text in (
        "Rolled back",
        "errors <script>alert(1)</script>",
        "errors <b>",
        "5 %",
        "< 1 %",
        "trader-01",
        "321",
        'errors{host=~"trader-01"}[10s]',
        OLD_RELEASE,
        "runs its previous release",
        "not reached",
        record.plan.notes[0] if record.plan.notes else "Phases",
    ):
        assert text in page.text, text
    assert page.addresses == []
    assert "<script" not in html
    assert not re.search(r"https?://|@import|url\(", html)


@pytest.mark.parametrize("outcome", ["completed", "aborted", "rollback_failed", "left"])
def test_every_outcome_has_a_page(tmp_path: Path, outcome: Any) -> None:
    made = rollout(tmp_path, plan_of(3))
    if outcome == "completed":
        for phase in made.plan.phases:
            prove(made, phase.number)
            write_json(made.phase_folder(phase.number) / "verdict.json", {"verdict": "pass"})
            made.append("verdict", phase=phase.number, verdict="pass", reasons=[])
    result = finish(made, outcome, "")
    assert Page((made.folder / "report.html").read_text()).text
    assert result["outcome"] == outcome


def test_the_states_of_a_host_that_went_there_and_back(record: Record) -> None:
    spans = host_spans(record, "trader-01", 1, NIGHT, NIGHT + 30)
    assert spans == [
        Span("pending", NIGHT, NIGHT + 1),
        Span("changing", NIGHT + 1, NIGHT + 4),
        Span("updated", NIGHT + 4, NIGHT + 20),
        Span("returning", NIGHT + 20, NIGHT + 23),
        Span("restored", NIGHT + 23, NIGHT + 30),
    ]
    assert host_spans(record, "trader-02", 2, NIGHT, NIGHT + 30) == [Span("pending", NIGHT, NIGHT + 30)]


def test_a_proof_that_names_no_times_is_placed_by_its_files(record: Record) -> None:
    for file, at in (
        (record.begun_file(2, "trader-02"), NIGHT + 2),
        (record.proof_file(2, "trader-02"), NIGHT + 5),
    ):
        file.write_text(json.dumps({"ready": True}))
        os.utime(file, (at, at))
    spans = host_spans(record, "trader-02", 2, NIGHT, NIGHT + 9)
    assert [(span.state, span.start - NIGHT) for span in spans] == [
        ("pending", 0),
        ("changing", 2),
        ("updated", 5),
    ]


def test_a_host_that_did_not_come_back_stays_on_its_way(record: Record) -> None:
    record.rollback_file("trader-01").unlink()
    mark = record.rollback_file("trader-01").with_suffix(".begun")
    mark.touch()
    os.utime(mark, (NIGHT + 20, NIGHT + 20))
    spans = host_spans(record, "trader-01", 1, NIGHT, NIGHT + 30)
    assert [span.state for span in spans] == ["pending", "changing", "updated", "returning"]


def test_a_host_without_proof_is_shown_as_failed_from_its_mark_on(record: Record) -> None:
    mark = record.begun_file(2, "trader-02")
    mark.touch()
    now = mark.stat().st_mtime
    spans = host_spans(record, "trader-02", 2, now - 5, now + 5)
    assert spans == [Span("pending", now - 5, now), Span("failed", now, now + 5)]
    record.proof_file(2, "trader-02").write_text(json.dumps(proof("trader-02", ready=False)))
    assert [span.state for span in host_spans(record, "trader-02", 2, NIGHT, NIGHT + 9)] == [
        "pending",
        "failed",
    ]


times = st.floats(0, 100)


@given(times, times, times, times)
def test_times_in_any_order_give_a_picture_without_gaps(
    tmp_path_factory: pytest.TempPathFactory, began: float, ready: float, back: float, again: float
) -> None:
    made = rollout(tmp_path_factory.mktemp("r"), plan_of(1))
    forth = proof("trader-01", started_at=began, ready_at=ready)
    made.proof_file(1, "trader-01").write_text(json.dumps(forth))
    made.rollback_file("trader-01").write_text(
        json.dumps(proof("trader-01", started_at=back, ready_at=again))
    )
    spans = host_spans(made, "trader-01", 1, 10.0, 90.0)
    assert spans[-1].end == 90.0
    edge = 10.0
    for span in spans:
        assert span.start == edge
        assert span.end >= span.start
        edge = span.end
    picture = draw([("trader-01", spans)], [], 10.0, 90.0, STATES)
    for block in picture["rows"][0]["blocks"]:
        assert picture["left"] <= block["x"] <= picture["right"]


def test_a_soak_that_was_cut_off_lasts_to_the_end() -> None:
    events = [
        {"at_ns": 1_000_000_000, "event": "soak_started", "phase": 1},
        {"at_ns": 3_000_000_000, "event": "verdict", "phase": 1, "verdict": "pass"},
        {"at_ns": 4_000_000_000, "event": "soak_started", "phase": 2},
    ]
    assert soak_bands(events, 9.0) == [
        {"phase": 1, "start": 1.0, "end": 3.0, "verdict": "pass"},
        {"phase": 2, "start": 4.0, "end": 9.0, "verdict": "inconclusive"},
    ]


@pytest.mark.parametrize("seconds", [0.5, 9, 60, 402, 4000, 90000])
def test_the_axis_has_a_handful_of_ticks(seconds: float) -> None:
    ticks = draw([], [], 0.0, seconds, STATES)["ticks"]
    assert 1 <= len(ticks) <= 10
    assert ticks[0]["text"] == "0:00"


def test_every_state_has_a_colour() -> None:
    template = (Path(timeline.__file__).parent / "report.html.j2").read_text()
    for state in timeline.STATES:
        assert template.count(f"--{state}: #") == 2, state  # light and dark


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2026-01-01T00:00:01Z", NIGHT + 1),
        ("2026-01-01T00:00:01", NIGHT + 1),
        ("2026-01-01T01:00:01.5+01:00", NIGHT + 1.5),
        (NIGHT, NIGHT),
        (str(NIGHT), NIGHT),
        ("yesterday", None),
        (None, None),
        (True, None),
    ],
)
def test_times_as_playbooks_write_them(value: Any, seconds: float | None) -> None:
    assert parse_time(value) == seconds


def test_a_timeline_that_a_crash_cut_off_is_still_read(record: Record) -> None:
    path = record.folder / "events.jsonl"
    whole = record.events()
    path.write_text(path.read_text() + '{"sequence": 9, "at')
    assert record.events() == whole
