"""The report of a fleet's evidence: one HTML page that needs nothing else, for somebody who was not there."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ops.evidence.catalogue import Catalogue, Figure
from ops.evidence.chain import Examined
from ops.evidence.latest import DAY_SECONDS, Latest, ended_seconds, latest
from ops.evidence.record import figure_text
from ops.page import render
from ops.text import plural
from ops.timeline import Span, draw
from ops.times import moment_text, parse_time

TEMPLATE = Path(__file__).with_name("report.html.j2")
STATES = {"passed": "passed", "failed": "failed", "doubtful": "inconclusive", "skipped": "skipped"}
_STATE_OF = {"pass": "passed", "fail": "failed", "inconclusive": "doubtful", "skipped": "skipped"}
_STANDINGS = {
    "pass": ("pass", "passed"),
    "stale": ("inconclusive", "too old"),
    "fail": ("fail", "failed"),
    "inconclusive": ("inconclusive", "inconclusive"),
    "never": ("fail", "never run"),
}
_NAMES_WIDTH = 190.0
_DOT = 6.0  # a run of a minute must be seen among days
_BAR_WIDTH = 120.0
_BAR_BOUND = 90.0  # where the bound is drawn: a missed one must be seen to reach beyond it


def page(inventory: str, examined: Examined, catalogue: Catalogue, now_seconds: float) -> str:
    """The page.

    Args:
        inventory: name of the fleet.
        examined: its evidence; what is not sound is not shown.
        catalogue: what should be there.
        now_seconds: unix seconds.
    """
    return render(TEMPLATE, view(inventory, examined, catalogue, now_seconds))


def view(inventory: str, examined: Examined, catalogue: Catalogue, now_seconds: float) -> dict[str, Any]:
    """Everything that the page shows, ready to print."""
    found = latest(examined.records, catalogue, now_seconds)
    standing = sum(one.standing == "pass" for one in found)
    records = examined.records
    return {
        "inventory": inventory,
        "fault": examined.fault,
        "head": examined.last,
        "states": list(STATES),
        "facts": [
            ("Proved now", f"{standing} of {len(found)}"),
            ("Records", str(len(records))),
            ("First", moment_text(ended_seconds(records[0])) if records else "none"),
            ("Last", moment_text(ended_seconds(records[-1])) if records else "none"),
            ("Written", moment_text(now_seconds)),
        ],
        "groups": [_group(name, members) for name, members in _grouped(found)],
        "picture": _all_runs(found, now_seconds) if records else None,
        "controls": _controls(found, catalogue),
        "runs": [_run(one) for one in found if one.last],
        "records": [
            {
                "ended": moment_text(ended_seconds(one)),
                "name": one["name"],
                "verdict": one["verdict"],
                "by": one["by"],
                "id": one["id"],
                "sha256": one["sha256"][:12],
            }
            for one in reversed(records)
        ],
    }


def _grouped(found: Sequence[Latest]) -> list[tuple[str, list[Latest]]]:
    """Names by what stands before their first dot, such as kill_switch."""
    groups: dict[str, list[Latest]] = {}
    for one in found:
        groups.setdefault(one.entry.name.partition(".")[0], []).append(one)
    return list(groups.items())


def _group(name: str, members: Sequence[Latest]) -> dict[str, Any]:
    """One table: a row for each name, a column for each figure that at least half of them need."""
    counts = Counter(figure for one in members for figure in one.entry.figures)
    columns = [figure for figure, count in counts.items() if count * 2 >= len(members)]
    bounds = {figure: _common_bound(figure, members) for figure in columns}
    return {
        "title": _words(name).capitalize(),
        "columns": [{"title": _words(figure), "bound": bounds[figure]} for figure in columns],
        "rows": [
            {
                "name": one.entry.name,
                "title": one.entry.title,
                "standing": _STANDINGS[one.standing][1],
                "style": _STANDINGS[one.standing][0],
                "age": "" if one.age_seconds is None else age_text(one.age_seconds),
                "success": "" if one.success is None else moment_text(ended_seconds(one.success))[:10],
                "cells": [_cell(one, figure, bounds[figure]) for figure in columns],
            }
            for one in members
        ],
    }


def _common_bound(figure: str, members: Sequence[Latest]) -> str:
    """The bound that most have; the others say theirs."""
    texts = Counter(_bound(one.entry.figures[figure]) for one in members if figure in one.entry.figures)
    return texts.most_common(1)[0][0]


def _bound(figure: Figure) -> str:
    return _signs(figure_text(figure.measured(None))[1])


def _cell(one: Latest, figure: str, common: str) -> dict[str, str]:
    if figure not in one.entry.figures:
        return {"text": "", "style": "", "bound": ""}
    values = {value["name"]: value for value in one.last["values"]} if one.last else {}
    bound = _bound(one.entry.figures[figure])
    bound = "" if bound == common else bound
    if figure not in values:
        return {"text": "no data" if one.last else "", "style": "inconclusive", "bound": bound}
    shown = _value(values[figure])
    # The column says what is counted.
    unit = values[figure]["unit"]
    text = shown["value"] if unit in ("s", "ratio") else shown["value"].removesuffix(f" {unit}")
    return {"text": text, "style": shown["style"], "bound": bound}


def _value(one: Mapping[str, Any]) -> dict[str, Any]:
    text, bound = figure_text(one)
    style = {True: "pass", False: "fail", None: "inconclusive" if one["value"] is None else ""}[one["held"]]
    bar = None
    if one["value"] is not None and one["bound"] and one["unit"] != "flag":
        share = max(0.0, one["value"] / one["bound"])
        bar = {
            "width": _BAR_WIDTH,
            "length": round(min(_BAR_WIDTH, share * _BAR_BOUND), 1),
            "bound": _BAR_BOUND,
        }
    return {"name": _words(one["name"]), "value": text, "bound": _signs(bound), "style": style, "bar": bar}


def _all_runs(found: Sequence[Latest], now_seconds: float) -> dict[str, Any]:
    """Every run of every name that ever ran, by the day."""
    rows = [
        (one.entry.name, [_span(run, run["verdict"], run["verdict"]) for run in one.runs])
        for one in found
        if one.runs
    ]
    start = min(span.start for _, spans in rows for span in spans)
    # A tick is a moment of the calendar when the axis begins at one.
    unit = DAY_SECONDS if now_seconds - start > 2 * DAY_SECONDS else 60.0
    start = start // unit * unit

    def tick(offset: float) -> str:
        text = moment_text(start + offset)
        return text[5:10] if unit == DAY_SECONDS else text[11:16]

    return draw(
        rows, [], start, now_seconds, STATES, label_width=_NAMES_WIDTH, tick_text=tick, narrowest=_DOT
    )


def _span(what: Mapping[str, Any], verdict: str, note: str) -> Span:
    start, end = parse_time(what["started_at"]), parse_time(what["ended_at"])
    assert start is not None, "times are checked before they are written"
    assert end is not None, "times are checked before they are written"
    took = f"{end - start:.3g} s"
    return Span(_STATE_OF[verdict], start, end, f"{what['name']}: {note}, {took}, {moment_text(start)}")


def _run(one: Latest) -> dict[str, Any]:
    """The last run of a name in full."""
    run = one.last
    assert run is not None, "only names that ran have a last run"
    rows = [(step["name"], [_span(step, step["result"], step["result"])]) for step in run["steps"]]
    start, end = parse_time(run["started_at"]), parse_time(run["ended_at"])
    assert start is not None, "times are checked before they are written"
    assert end is not None, "times are checked before they are written"
    picture = draw(
        rows, [], start, end, STATES, label_width=_NAMES_WIDTH, tick_text=lambda offset: f"{offset:g} s"
    )
    return {
        "title": one.entry.title,
        "record": run,
        "style": run["verdict"],
        "open": run["verdict"] != "pass",
        "when": moment_text(start),
        "took": f"{end - start:.3g} s",
        "picture": picture,
        "values": [_value(value) for value in run["values"]],
    }


def _controls(found: Sequence[Latest], catalogue: Catalogue) -> list[dict[str, Any]]:
    rows = []
    for control, text in catalogue.controls.items():
        behind = [one for one in found if control in one.entry.controls]
        if behind:
            good = sum(one.standing == "pass" for one in behind)
            rows.append(
                {
                    "control": control,
                    "text": text,
                    "names": [
                        {"name": one.entry.name, "style": _STANDINGS[one.standing][0]} for one in behind
                    ],
                    "proved": f"{good} of {len(behind)}",
                    "style": "pass" if good == len(behind) else "fail",
                }
            )
    return rows


def age_text(seconds: float) -> str:
    """`3 days`, `5 hours`, `2 minutes`."""
    for word, length in (("day", DAY_SECONDS), ("hour", 3600.0), ("minute", 60.0)):
        if seconds >= length:
            return plural(int(seconds / length), word)
    return "just now"


def _words(name: str) -> str:
    """`orders_left` as `orders left`; the unit is said with the value."""
    return name.removesuffix("_seconds").replace("_", " ").replace(".", ": ")


def _signs(text: str) -> str:
    return text.replace("<=", "≤").replace(">=", "≥")
