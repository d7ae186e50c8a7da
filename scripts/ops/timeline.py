"""A picture of spans over time: one row for each thing, one colour for each state. Pure geometry.

The page that shows it is picture.html.j2.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH = 960.0
_LABEL = 108.0
_RIGHT = 14.0
_TOP = 34.0
_ROW = 24.0
_BOTTOM = 28.0
_MOST_TICKS = 9
_DAY = 86400.0
_STEPS = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200),
    *(_DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY, 28 * _DAY, 91 * _DAY, 365 * _DAY),
)


@dataclass(frozen=True)
class Span:
    """One state of one row, in unix seconds; `note` is what the page says of it beside its length."""

    state: str
    start: float
    end: float
    note: str = ""


def offset_text(seconds: float) -> str:
    """Minutes:seconds from the start, with hours or parts of a second where they are needed."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def tick_step(length_seconds: float) -> float:
    """The distance of the ticks on an axis of this length (seconds)."""
    return next((step for step in _STEPS if length_seconds / step <= _MOST_TICKS), _STEPS[-1])


def draw(
    rows: Sequence[tuple[str, Sequence[Span]]],
    bands: Sequence[Mapping[str, Any]],
    start: float,
    end: float,
    states: Mapping[str, str],
    *,
    label_width: float = _LABEL,
    tick_text: Callable[[float], str] = offset_text,
    narrowest: float = 1.5,
) -> dict[str, Any]:
    """Coordinates of everything in the picture.

    Args:
        rows: names with their spans.
        bands: shaded stretches of all rows: start, end (unix seconds), phase, verdict.
        start: left edge (unix seconds).
        end: right edge (unix seconds).
        states: what each state means, in the order of the legend.
        label_width: room for the names, in units of the picture (`WIDTH` of them across).
        tick_text: label of a tick, from its distance to the left edge (seconds).
        narrowest: width of a span that is too short to be seen.
    """
    length = max(end - start, _STEPS[0])
    scale = (WIDTH - label_width - _RIGHT) / length

    def x(at: float) -> float:
        return round(label_width + (at - start) * scale, 1)

    bottom = _TOP + _ROW * len(rows)
    step = tick_step(length)
    return {
        "width": WIDTH,
        "height": bottom + _BOTTOM,
        "top": _TOP,
        "bottom": bottom,
        "label_x": label_width - 10,
        "left": label_width,
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
            {"x": x(start + number * step), "text": tick_text(number * step)}
            for number in range(int(length / step) + 1)
        ],
        "rows": [
            {
                "name": name,
                "y": _TOP + _ROW * index,
                "middle": _TOP + _ROW * (index + 0.5),
                "blocks": [
                    {
                        "x": min(x(span.start), WIDTH - _RIGHT - narrowest),
                        "y": _TOP + _ROW * index + 4,
                        "width": max(narrowest, round(x(span.end) - x(span.start), 1)),
                        "height": _ROW - 8,
                        "state": span.state,
                        "title": span.note
                        or f"{name} {states[span.state]}, {span.end - span.start:.1f} s "
                        f"from {offset_text(span.start - start)}",
                    }
                    for span in spans
                ],
            }
            for index, (name, spans) in enumerate(rows)
        ],
        "states": [
            {"state": state, "text": text}
            for state, text in states.items()
            if any(span.state == state for _, spans in rows for span in spans)
        ],
    }
