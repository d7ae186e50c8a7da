"""The soak: watch every updated host, stop at once when one is lost, then judge the whole window."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ops.canary.acts import checkpoint
from ops.canary.judge import CriterionResult, Verdict, judge, overall, standing_criteria
from ops.canary.layout import Phase
from ops.canary.observe import ACTIVE, Seen, missing, observe
from ops.canary.plan import render
from ops.canary.prometheus import Answer, Prometheus, PrometheusError, QueryError
from ops.canary.record import Record
from ops.files import write_json
from ops.times import utc_text

_PROGRESS_SECONDS = 5.0
# How long Prometheus may be away, or may not have seen the new release yet, in scrapes and at least in
# seconds.
_PATIENCE_SCRAPES = 4
_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Clock:
    """Time on the control node; tests put their own in."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass
class _Watch:
    """What the watch found. The times are by Prometheus' clock, `elapsed_seconds` by ours."""

    started_seconds: float = 0.0
    ended_seconds: float = 0.0
    elapsed_seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    first: dict[str, Seen] = field(default_factory=dict)
    began_at: float = 0.0

    @property
    def over(self) -> bool:
        return bool(self.failures or self.doubts)


def soak(
    record: Record,
    phase: Phase,
    prometheus: Prometheus,
    say: Callable[[str], None],
    clock: Clock | None = None,
) -> dict[str, Any]:
    """Watch and judge one phase, and write its verdict.json.

    Evidence that is not enough after the plan's soak is waited for once, until `soak_max_seconds`.

    Args:
        record: the rollout.
        phase: judged are all hosts of `phase.updated`.
        prometheus: where the numbers come from.
        say: receives a progress line every few seconds.
        clock: of the control node.
    Returns:
        The content of verdict.json: `verdict`, one line for each of its `reasons`, `criteria` and
        `contrasts` with every number.
    Raises:
        StopAskedError: a person asked for it; nothing was judged.
    """
    clock = clock or Clock()
    record.append("soak_started", phase=phase.number, hosts=list(phase.updated), seconds=phase.soak_seconds)
    watch = _watch(record, phase, prometheus, say, clock, _Watch(), phase.soak_seconds)
    verdict = _verdict(record, phase, prometheus, watch, clock)
    longer = phase.soak_max_seconds - phase.soak_seconds
    if verdict["verdict"] == "inconclusive" and longer > 0:
        record.append("extended", phase=phase.number, seconds=longer, reasons=verdict["reasons"])
        say(f"phase {phase.number}: not enough evidence; the soak goes on for {longer:g} s, once")
        # A window with a hole proves nothing: it begins anew. A whole one grows.
        first = _Watch() if watch.over else watch
        watch = _watch(record, phase, prometheus, say, clock, first, phase.soak_max_seconds)
        verdict = _verdict(record, phase, prometheus, watch, clock) | {"extended": True}
    write_json(record.phase_folder(phase.number) / "verdict.json", verdict)
    record.append("verdict", phase=phase.number, verdict=verdict["verdict"], reasons=verdict["reasons"])
    return verdict


def _verdict(
    record: Record, phase: Phase, prometheus: Prometheus, watch: _Watch, clock: Clock
) -> dict[str, Any]:
    doubts = list(watch.doubts)
    results = _judge(record, phase, prometheus, watch, clock, doubts)
    contrasts: list[dict[str, Any]] = []
    if record.plan.contrasts and not watch.failures and watch.ended_seconds - watch.started_seconds >= 1:
        # Here: numpy and scipy cost half a second, and every other command would pay for them.
        from ops.canary import contrast

        contrasts = contrast.judge_all(record, phase, prometheus, watch.started_seconds, watch.ended_seconds)
    verdicts: list[Verdict] = [result.verdict for result in results] + [one["verdict"] for one in contrasts]
    if watch.failures:
        verdicts.append("fail")
    if doubts:
        verdicts.append("inconclusive")
    reasons = watch.failures + doubts
    for result in results:
        reasons += [
            f"{host.host}: {result.criterion.name}: {host.reason}" for host in result.hosts if host.reason
        ]
    reasons += [f"{one['name']}: {one['reason']}" for one in contrasts if one["verdict"] != "pass"]
    return {
        "phase": phase.number,
        "verdict": overall(verdicts),
        "reasons": reasons,
        "release": record.plan.release,
        "hosts": list(phase.updated),
        "window": {
            "started": utc_text(watch.started_seconds),
            "ended": utc_text(watch.ended_seconds),
            "started_seconds": watch.started_seconds,
            "ended_seconds": watch.ended_seconds,
            "soak_seconds": phase.soak_seconds,
            "ended_early": watch.over,
        },
        "watch": {"failures": watch.failures, "doubts": doubts},
        "extended": False,
        "prometheus_url": prometheus.url,
        "criteria": [result.to_json() for result in results],
        "contrasts": contrasts,
    }


def _watch(
    record: Record,
    phase: Phase,
    prometheus: Prometheus,
    say: Callable[[str], None],
    clock: Clock,
    watch: _Watch,
    seconds: float,
) -> _Watch:
    """Watch until the window is so long; a watch that has begun goes on."""
    interval = record.plan.scrape_interval_seconds
    patience = max(_PATIENCE_SECONDS, _PATIENCE_SCRAPES * interval)
    pause = min(max(interval, 1.0), _PROGRESS_SECONDS)
    if not watch.first:
        watch.first = _settle(record, phase, prometheus, clock, patience, watch)
        watch.began_at = clock.monotonic()
        if watch.over:
            return watch
    start = watch.began_at
    heard = shown = clock.monotonic()
    while not watch.over and clock.monotonic() - start < seconds:
        checkpoint(record)
        clock.sleep(max(0.0, min(pause, start + seconds - clock.monotonic())))
        try:
            seen = observe(prometheus, phase.updated, interval)
            watch.ended_seconds = prometheus.now()
        except PrometheusError as error:
            if clock.monotonic() - heard > patience:
                watch.doubts.append(f"Prometheus {prometheus.url} was away for {patience:.0f} s: {error}")
            seen = {}
        else:
            heard = clock.monotonic()
            watch.failures += _lost(record, seen, watch.first)
        watch.elapsed_seconds = clock.monotonic() - start
        if clock.monotonic() - shown >= _PROGRESS_SECONDS:
            shown = clock.monotonic()
            say(_progress(phase, watch.elapsed_seconds, seconds, seen))
    return watch


def _settle(
    record: Record, phase: Phase, prometheus: Prometheus, clock: Clock, patience: float, watch: _Watch
) -> dict[str, Seen]:
    """Wait until Prometheus has scraped the new process of each host; the window begins there.

    Before that its last sample is of the process that was replaced, with the old release and the pause in it.
    """
    plan = record.plan
    start = clock.monotonic()
    while True:
        wrong: list[str] = []
        absent: list[str] = []
        try:
            seen = observe(prometheus, phase.updated, plan.scrape_interval_seconds)
            watch.started_seconds = watch.ended_seconds = prometheus.now()
        except PrometheusError as error:
            seen = {}
            absent.append(f"Prometheus {prometheus.url}: {error}")
        for host, one in seen.items():
            problem = missing(one, plan.scrape_interval_seconds)
            if problem and one.down:
                wrong.append(f"{host}: {problem}")
            elif problem:
                absent.append(f"{host}: {problem}")
            elif (one.release, one.sha256) != (plan.release, plan.sha256):
                wrong.append(f"{host}: it reports release {one.release or 'none'}, not {plan.release}")
        if not wrong and not absent:
            return seen
        if clock.monotonic() - start > patience:
            watch.failures += wrong
            watch.doubts += absent
            return seen
        clock.sleep(min(1.0, plan.scrape_interval_seconds))


def _lost(record: Record, seen: dict[str, Seen], first: dict[str, Seen]) -> list[str]:
    """What ends a soak at once, whatever its criteria say."""
    found = []
    for host, one in seen.items():
        if not one.up_lately:
            found.append(f"{host}: no scrape of it has succeeded for three in a row")
            continue
        if one.release is not None and (one.release, one.sha256) != (record.plan.release, record.plan.sha256):
            found.append(f"{host}: it reports release {one.release}, not {record.plan.release}")
        if one.started_seconds is not None and one.started_seconds != first[host].started_seconds:
            found.append(f"{host}: the process was restarted during the soak")
    return found


def _judge(
    record: Record, phase: Phase, prometheus: Prometheus, watch: _Watch, clock: Clock, doubts: list[str]
) -> list[CriterionResult]:
    window = watch.ended_seconds - watch.started_seconds
    plan = record.plan
    if window < 1:
        doubts.append("there was no window to judge")
        return [judge(one, phase.updated, "there was no window to judge", None) for one in plan.criteria]
    if abs(window - watch.elapsed_seconds) > max(2.0, 0.2 * watch.elapsed_seconds):
        doubts.append(
            f"a clock jumped: {watch.elapsed_seconds:.0f} s passed here, {window:.0f} s on Prometheus"
        )
    standing = standing_criteria(
        plan.release, plan.sha256, phase.updated, window, plan.scrape_interval_seconds
    )
    asker = _Asker(prometheus, phase.updated, watch, clock)
    results = [judge(one, phase.updated, asker.ask(one.query), None, breach) for one, breach in standing]
    for one in plan.criteria:
        samples = None if one.minimum_samples_query is None else asker.ask(one.minimum_samples_query)
        results.append(judge(one, phase.updated, asker.ask(one.query), samples))
    return results


class _Asker:
    """Asks for one window; a Prometheus that stays away costs a short while, not that for each query."""

    def __init__(self, prometheus: Prometheus, hosts: Sequence[str], watch: _Watch, clock: Clock) -> None:
        self._prometheus = prometheus
        self._hosts = hosts
        self._watch = watch
        self._clock = clock
        self._deadline = clock.monotonic() + _PATIENCE_SECONDS
        self._away = ""

    def ask(self, query: str) -> Answer | str:
        """The answer, or why there is none."""
        window = self._watch.ended_seconds - self._watch.started_seconds
        while not self._away:
            try:
                return self._prometheus.query(render(query, self._hosts, window), self._watch.ended_seconds)
            except QueryError as error:
                return f"Prometheus: {error}"
            except PrometheusError as error:
                if self._clock.monotonic() > self._deadline:
                    self._away = f"Prometheus: {error}"
                self._clock.sleep(1.0)
        return self._away


def _progress(phase: Phase, elapsed_seconds: float, seconds: float, seen: dict[str, Seen]) -> str:
    text = f"phase {phase.number}: soaked {elapsed_seconds:.0f} of {seconds:.0f} s"
    if not seen:
        return f"{text}; Prometheus does not answer"
    trading = sum(one.state == ACTIVE for one in seen.values())
    return f"{text}; {trading} of {len(seen)} updated hosts trade"
