"""Contrasts of a soak: what Prometheus has of hosts with the release and without it becomes a verdict.

Every number that a verdict rests on is kept beside it (phases/<n>/contrasts.json), so that it can be judged
again without Prometheus. A gap in the numbers is never evidence: under four fifths of the steps the
contrast is inconclusive.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ops.canary.judge import COVERAGE
from ops.canary.layout import Phase
from ops.canary.plan import Contrast, Plan, render
from ops.canary.prometheus import Prometheus, PrometheusError, selector
from ops.canary.record import Record
from ops.canary.statistics import level, placebo, share
from ops.canary.statistics.interval import Interval, Verdict
from ops.canary.statistics.level import Series
from ops.files import write_json

# For each query and span: values by host, one for each step; null where there is none.
Data = Mapping[str, Any]
_STARTED = "trader_process_start_timestamp_seconds"
Rows = Mapping[tuple[str, str], tuple[Series, Series]]


def judge_all(
    record: Record, phase: Phase, prometheus: Prometheus, started_seconds: float, ended_seconds: float
) -> list[dict[str, Any]]:
    """Judge every contrast of the plan for one phase, and keep what was judged.

    Args:
        record: the rollout.
        phase: judged are the hosts that have the release at its end.
        prometheus: where the numbers come from.
        started_seconds, ended_seconds: of the soak's window, by Prometheus' clock.
    Returns:
        One object for each; none where no host is left to compare with.
    """
    plan = record.plan
    if not plan.contrasts or not plan.controls(phase):
        return []
    change_seconds = record.events()[0]["at_ns"] / 1e9
    hosts = [*phase.updated, *_controls(plan, phase)]
    spans = spans_of(plan, hosts, prometheus, change_seconds, started_seconds, ended_seconds)
    gathered = {one.name: gather(plan, phase, one, prometheus, spans) for one in plan.contrasts}
    write_json(record.phase_folder(phase.number) / "contrasts.json", gathered)
    return judge_kept(plan, phase, gathered)


def spans_of(
    plan: Plan,
    hosts: Sequence[str],
    prometheus: Prometheus,
    change_seconds: float,
    started_seconds: float,
    ended_seconds: float,
) -> dict[str, tuple[float, float]]:
    """The spans of time that a soak is judged by: before the change, after it, and the past of the placebo.

    What was before a host's last start is no measure: it may have been another release.

    Args:
        plan: how long before.
        hosts: canaries and controls.
        prometheus: knows when they were started.
        change_seconds: when the rollout began (unix).
        started_seconds, ended_seconds: of the soak's window.
    """
    begin = change_seconds - plan.judging.before_seconds
    try:
        answer = prometheus.query(selector(_STARTED, hosts), change_seconds)
    except PrometheusError:
        answer = None  # the numbers will be missing as well, and say so
    for sample in answer.samples if answer else ():
        if sample.value is not None and begin < sample.value < change_seconds:
            begin = sample.value + plan.judging.step_seconds
    spans = {
        "before": (begin, change_seconds),
        "after": (started_seconds, ended_seconds),
    }
    if plan.judging.placebo_windows:
        length = plan.judging.placebo_windows * (ended_seconds - started_seconds)
        spans["past"] = (change_seconds - length, change_seconds)
    return spans


def judge_kept(plan: Plan, phase: Phase, gathered: Mapping[str, Data]) -> list[dict[str, Any]]:
    """Judge what `gather` gave; the same numbers give the same verdicts, on any day."""
    alpha = error_share(plan)
    return [judge_one(plan, phase, one, gathered[one.name], alpha) for one in plan.contrasts]


def error_share(plan: Plan) -> float:
    """Each contrast's part of the rollout's budget of false alarms: every phase is another chance of one."""
    phases = sum(1 for phase in plan.phases if plan.controls(phase))
    return plan.judging.false_alarms / max(1, phases * len(plan.contrasts))


def gather(
    plan: Plan,
    phase: Phase,
    one: Contrast,
    prometheus: Prometheus,
    spans: Mapping[str, tuple[float, float]],
) -> dict[str, Any]:
    """Ask for every step of both spans; `error` says why there are no numbers."""
    step = plan.judging.step_seconds
    hosts = [*phase.updated, *_controls(plan, phase)]
    found: dict[str, Any] = {"spans": {name: list(span) for name, span in spans.items()}}
    for field in ("query", "exposure_query"):
        text = getattr(one, field)
        if text is None:
            continue
        for name, (start, end) in spans.items():
            if name == "past" and one.kind != "level":
                continue
            steps = int((end - start) / step)
            try:
                if steps < 1:
                    raise PrometheusError("the window is shorter than a step")
                # A step is judged at its end: its window reaches back over all of it.
                found[f"{field}_{name}"] = prometheus.query_range(
                    render(text, hosts, step), hosts, end - (steps - 1) * step, end, step
                )
            except PrometheusError as error:
                return found | {"error": f"{name} the change: Prometheus: {error}"}
    return found


def judge_one(plan: Plan, phase: Phase, one: Contrast, data: Data, alpha: float) -> dict[str, Any]:
    """One contrast's verdict with every number of it."""
    controls = _controls(plan, phase)
    result: dict[str, Any] = {
        "name": one.name,
        "description": one.description,
        "kind": one.kind,
        "margin": one.margin,
        "harmless_rate": one.harmless_rate,
        "alpha": alpha,
        "hosts": list(phase.updated),
        "controls": list(controls),
    }
    doubt = data.get("error") or _thin(one, data, [*phase.updated, *controls])
    if doubt:
        return result | {"verdict": "inconclusive", "reason": doubt, "interval": None}
    rows = {
        (field, span): (
            _rows(data, f"{field}_{span}", phase.updated),
            _rows(data, f"{field}_{span}", controls),
        )
        for field in (("query",) if one.kind == "level" else ("query", "exposure_query"))
        for span in ("before", "after", "past")
        if f"{field}_{span}" in data
    }
    return result | (judge_level if one.kind == "level" else judge_count)(one, rows, alpha)


def _controls(plan: Plan, phase: Phase) -> tuple[str, ...]:
    restarted = plan.restarted_control(phase)
    return (restarted,) if restarted else plan.controls(phase)


def _thin(one: Contrast, data: Data, hosts: Sequence[str]) -> str:
    """Which host has too few numbers in which span."""
    for field in ("query",) if one.kind == "level" else ("query", "exposure_query"):
        for span in ("before", "after"):
            for host in hosts:
                values = data[f"{field}_{span}"].get(host, [])
                known = sum(value is not None for value in values)
                if known == 0 or known < COVERAGE * len(values):
                    return f"{host}: {span} the change {known} of {len(values)} steps have a value"
    return ""


def _rows(data: Data, key: str, hosts: Sequence[str]) -> Series:
    return np.array([[np.nan if v is None else v for v in data[key][host]] for host in hosts], dtype=float)


def judge_level(one: Contrast, rows: Rows, alpha: float) -> dict[str, Any]:
    """A contrast of kind `level`.

    Args:
        one: its margin.
        rows: for (field, span) the values of canaries and controls, each hosts x steps.
        alpha: its part of the budget.
    """
    before, after = (level.paired(*rows["query", span]) for span in ("before", "after"))
    steps = rows["query", "after"][0].shape[1]
    if len(before) == 0 or len(after) < COVERAGE * steps:
        reason = f"{len(after)} of {steps} steps have a level above 0 on every host"
        return {"verdict": "inconclusive", "reason": reason, "interval": None}
    found = level.difference(before, after, alpha)
    on_log = found.interval
    rise = Interval(
        float(np.expm1(on_log.estimate)),
        float(np.expm1(on_log.lower)),
        float(np.expm1(on_log.upper)),
        0.0,
        on_log.n,
        on_log.n_effective,
    )
    verdict: Verdict = rise.verdict(one.margin)
    note, part = "", None
    if verdict == "fail" and ("query", "past") in rows:
        part, windows = placebo.rank(level.paired(*rows["query", "past"]), after)
        if windows == 0 or part > 1 / (windows + 1):
            verdict = "inconclusive"
            note = f"; it rose as much without a release in {part:.0%} of {windows} earlier windows"
    blocks = f"{found.blocks_after} blocks of {found.block_steps} steps"
    if np.isinf(rise.upper):
        reason = f"{blocks} are too few to say anything"
    else:
        reason = (
            f"{rise.estimate:+.0%} beside the others, {rise.lower:+.0%} to {rise.upper:+.0%} ({blocks}); "
            f"harmless up to {one.margin:+.0%}{note}"
        )
    return {
        "verdict": verdict,
        "reason": reason,
        "interval": _json(rise),
        "block_steps": found.block_steps,
        "placebo": part,
    }


def judge_count(one: Contrast, rows: Rows, alpha: float) -> dict[str, Any]:
    """A contrast of kind `count`; arguments as for `judge_level`."""
    sums = {
        (field, span, side): float(np.nansum(values))
        for (field, span), both in rows.items()
        for side, values in zip(("canaries", "controls"), both, strict=True)
    }
    clumps = share.clumping(
        *(_in_blocks(np.vstack(rows[field, "before"])) for field in ("query", "exposure_query"))
    )

    def ratio(span: str) -> Interval:
        exposures = [sums["exposure_query", span, side] for side in ("canaries", "controls")]
        part = exposures[0] / sum(exposures) if sum(exposures) > 0 else 0.0
        events = [sums["query", span, side] for side in ("canaries", "controls")]
        return share.ratio(events[0], events[1], part, alpha, clumps)

    assert one.harmless_rate is not None
    events, exposure = sums["query", "after", "canaries"], sums["exposure_query", "after", "canaries"]
    most = share.most(events, exposure, one.harmless_rate, alpha, clumps)
    found, formerly = ratio("after"), ratio("before")
    verdict: Verdict = found.verdict(one.margin)
    note = f"; at most {most:.2%} of their exposure"
    if most < one.harmless_rate:
        verdict = "pass"
    elif verdict == "fail" and formerly.lower > 1:
        # Hosts that differed before are no measure for each other.
        verdict, note = (
            "inconclusive",
            f"; but before the change it was {formerly.estimate:.1f} times already",
        )
    reason = (
        f"{events:.0f} on {exposure:.0f}, {found.estimate:.1f} times the others' rate, {found.lower:.1f} to "
        f"{found.upper:.1f}{note}; harmless up to {one.margin:g} times, or {one.harmless_rate:.2%}"
    )
    exposures = [sums["exposure_query", "after", side] for side in ("canaries", "controls")]
    total = sum(exposures)
    return {
        "verdict": verdict,
        "reason": reason,
        "interval": _json(found),
        "most": most,
        "clumping": clumps,
        "exposure": total,
        "share": exposures[0] / total if total > 0 else 0.0,
        "rate": (sums["query", "after", "canaries"] + sums["query", "after", "controls"]) / max(total, 1.0),
    }


def _in_blocks(rows: Series, steps: int = 10) -> Series:
    """Sums of ten steps: events that come together do so over more than one."""
    count = rows.shape[1] // steps
    if count == 0:
        return rows
    summed: Series = np.nansum(rows[:, : count * steps].reshape(rows.shape[0], count, steps), axis=2)
    return summed


def _json(found: Interval) -> dict[str, Any]:
    """Infinite ends are null: they are no numbers of JSON."""
    return {
        "estimate": None if np.isnan(found.estimate) else found.estimate,
        "lower": found.lower if np.isfinite(found.lower) else None,
        "upper": found.upper if np.isfinite(found.upper) else None,
        "n": found.n,
        "n_effective": found.n_effective,
    }
