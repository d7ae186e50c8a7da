"""The picture of a rollout: a row for each host, a block for each state, soaks behind them. Pure geometry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.canary.record import Record, parse_time, read_json

WIDTH = 960.0
_LABEL = 108.0
_RIGHT = 14.0
_TOP = 34.0
_ROW = 24.0
_BOTTOM = 28.0
_TICK_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)

# What each state means; the page has one colour for each.
STATES = {
    "pending": "not touched",
    "changing": "changing",
    "updated": "runs the release",
    "failed": "changed without proof",
    "returning": "going back",
    "restored": "runs its previous release",
}


@dataclass(frozen=True)
class Span:
    """One state of one host, in unix seconds."""

    state: str
    start: float
    end: float


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


def draw(
    rows: Sequence[tuple[str, Sequence[Span]]], bands: Sequence[Mapping[str, Any]], start: float, end: float
) -> dict[str, Any]:
    """Coordinates of everything in the picture.

    Args:
        rows: hosts with their spans.
        bands: soaks, as `soak_bands` gives them.
        start: left edge (unix seconds).
        end: right edge (unix seconds).
    """
    length = max(end - start, 1.0)
    scale = (WIDTH - _LABEL - _RIGHT) / length

    def x(at: float) -> float:
        return round(_LABEL + (at - start) * scale, 1)

    bottom = _TOP + _ROW * len(rows)
    step = next((step for step in _TICK_STEPS if length / step <= 9), _TICK_STEPS[-1])
    return {
        "width": WIDTH,
        "height": bottom + _BOTTOM,
        "top": _TOP,
        "bottom": bottom,
        "label_x": _LABEL - 10,
        "left": _LABEL,
        "right": WIDTH - _RIGHT,
        "bands": [
            {
                "x": x(band["start"]),
                "width": max(1.0, round(x(band["end"]) - x(band["start"]), 1)),
                "verdict": band["verdict"],
                "phase": band["phase"],
            }
            for band in bands
        ],
        "ticks": [
            {"x": x(start + offset), "text": _offset_text(offset)}
            for offset in range(0, int(length) + 1, step)
        ],
        "rows": [
            {
                "host": host,
                "y": _TOP + _ROW * index,
                "middle": _TOP + _ROW * (index + 0.5),
                "blocks": [
                    {
                        "x": x(span.start),
                        "y": _TOP + _ROW * index + 4,
                        "width": max(1.5, round(x(span.end) - x(span.start), 1)),
                        "height": _ROW - 8,
                        "state": span.state,
                        "title": f"{host} {STATES[span.state]}, {span.end - span.start:.1f} s "
                        f"from {_offset_text(span.start - start)}",
                    }
                    for span in spans
                ],
            }
            for index, (host, spans) in enumerate(rows)
        ],
        "states": [
            {"state": state, "text": text}
            for state, text in STATES.items()
            if any(span.state == state for _, spans in rows for span in spans)
        ],
    }


def _offset_text(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
