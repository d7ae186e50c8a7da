"""When each host of a rollout was in which state, and when soaks ran; ops.timeline draws it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ops.canary.record import Record
from ops.files import read_json
from ops.timeline import Span
from ops.times import parse_time

# What each state means; the page has one colour for each.
STATES = {
    "pending": "not touched",
    "changing": "changing",
    "updated": "runs the release",
    "failed": "changed without proof",
    "returning": "going back",
    "restored": "runs its previous release",
}


def host_spans(record: Record, host: str, number: int, start: float, end: float) -> list[Span]:
    """The states of one host through the rollout, without gaps.

    Args:
        record: the rollout.
        host: inventory name.
        number: phase in which it changes.
        start: begin of the rollout (unix seconds).
        end: end of the rollout (unix seconds).
    """
    points: list[tuple[float, str]] = [(start, "pending")]
    began, ready = change_times(record.proof_file(number, host), record.begun_file(number, host))
    if began is not None:
        points.append((began, "failed" if ready is None else "changing"))
        if ready is not None:
            points.append((ready, "updated"))
    back = record.rollback_file(host)
    began, ready = change_times(back, back.with_suffix(".begun"))
    if began is not None:
        points.append((began, "returning"))
        if ready is not None:
            points.append((ready, "restored"))
    spans = []
    moment = start
    for index, (at, state) in enumerate(points):
        until = points[index + 1][0] if index + 1 < len(points) else end
        at, until = max(moment, min(at, end)), max(moment, min(until, end))
        if until > at or index == len(points) - 1:
            spans.append(Span(state, at, until))
        moment = until
    return spans


def change_times(proof_file: Path, mark_file: Path) -> tuple[float | None, float | None]:
    """When a host's change began and when it traded again (unix seconds).

    A proof that does not say it was written a moment after the host was ready, and the mark right before
    the change.

    Args:
        proof_file: the last step's file.
        mark_file: the first step's file.
    Returns:
        None for what did not happen.
    """
    proof = read_json(proof_file)
    began = ready = None
    if proof is not None:
        began = parse_time(proof.get("started_at"))
        if proof.get("ready") is True:
            ready = parse_time(proof.get("ready_at")) or proof_file.stat().st_mtime
    if began is None and mark_file.exists():
        began = mark_file.stat().st_mtime
    if began is None and proof is not None:
        began = proof_file.stat().st_mtime
    return began, ready


def soak_bands(events: Sequence[Mapping[str, Any]], end: float) -> list[dict[str, Any]]:
    """Start, end (unix seconds), phase and verdict of each soak that began."""
    bands: list[dict[str, Any]] = []
    for event in events:
        at = event["at_ns"] / 1e9
        if event["event"] == "soak_started":
            bands.append({"phase": event["phase"], "start": at, "end": end, "verdict": "inconclusive"})
        elif event["event"] == "verdict" and bands:
            bands[-1] |= {"end": at, "verdict": event["verdict"]}
    return bands
