"""The tests of a state, made from its case.

It fires at the threshold, after its `for` and with its labels, and nothing else fires; it is silent just
below; it resolves after its `keepFiringFor`; without data it does what slo.yml says, for as long as it says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ops.slo.cases import STEP, Case, Change, Fade, RuleTest, Value, firing, healthy, others, series, up
from ops.slo.model import Alert, seconds

CHANGE = 630  # seconds after which the series change
SLOW = 20  # samples between two evaluations in tests of a day
DAY = 86_400

_Series = Mapping[str, Value]
_Wanted = list[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class _Scene:
    """An alert and its series: in a healthy fleet (`base`), before, while it fires, just below, ended."""

    alert: Alert
    case: Case
    base: _Series
    before: _Series
    fires: _Series
    silent: _Series
    ends: _Series

    @property
    def fired(self) -> _Wanted:
        """The series by which Prometheus says that it fires, with every label."""
        own = {"alertname": self.alert.name, "alertstate": "firing"}
        labels = sorted((own | self.alert.labels | self.case.labels).items())
        return [("ALERTS{" + ", ".join(f'{name}="{value}"' for name, value in labels) + "}", 1)]

    @property
    def firing_at(self) -> int:
        return CHANGE + up(self.case.delay_seconds) + up(seconds(self.alert.for_))

    def test(self, name: str, *phases: tuple[int, _Series], step: int = STEP, **more: Any) -> RuleTest:
        return RuleTest(f"{self.alert.name} {name}", series(self.base, phases, step), step=step, **more)


def tests(alert: Alert, case: Case) -> list[RuleTest]:
    """The tests of one state."""
    scene = _scene(alert, case)
    if alert.severity == "none":
        always = _fires(scene)
        always.checks.insert(0, (0, firing(alert), scene.fired))
        return [always]
    found = [_fires(scene), _silent(scene), _without_data(scene)]
    if alert.no_data == "fires":
        found.append(_starts_without_data(scene))
    forgets = case.forgets_seconds or (DAY if alert.no_data == "keeps" else 0)
    if forgets:
        found.append(_forgets(scene, forgets))
    if 0 < seconds(alert.for_) < 2 * STEP:
        found.append(_short_for(scene))
    found += [_fades(scene, name, fade) for name, fade in case.fades.items()]
    found += [_absent(scene, name, missing) for name, missing in case.absent.items()]
    found += [_also(scene, name, changes, []) for name, changes in case.also_silent.items()]
    found += [_also(scene, name, changes, scene.fired) for name, changes in case.also_fires.items()]
    return found


def _scene(alert: Alert, case: Case) -> _Scene:
    base = healthy()
    if case.twin:
        for name, change in case.change.items():
            base[name.replace("{", '{instance="before",', 1)] = Value.of(change.silent)
    return _Scene(
        alert,
        case,
        base,
        {name: _healthy(name, change, base) for name, change in case.change.items()},
        {name: Value.of(change.fires) for name, change in case.change.items()},
        {name: Value.of(change.silent) for name, change in case.change.items()},
        {name: Value(value="stale") for name in case.ends or case.change},
    )


def _healthy(name: str, change: Change, base: _Series) -> Value:
    if change.healthy is not None:
        return Value.of(change.healthy)
    return base.get(name, Value())


def _fires(scene: _Scene) -> RuleTest:
    alert, case = scene.alert, scene.case
    recovery = scene.firing_at + 300
    resolved_at = recovery + up(case.after_seconds) + up(seconds(alert.keep))
    test = scene.test(
        "fires, alone, and resolves",
        (0, scene.before),
        (CHANGE, scene.fires),
        (recovery, scene.before),
        (resolved_at + 2 * STEP, {}),
        whole=True,
    )
    if scene.firing_at > CHANGE:
        test.checks.append((scene.firing_at - STEP, firing(alert), []))
    test.checks.append((scene.firing_at, firing(alert), scene.fired))
    test.checks.append((recovery - STEP, *others([alert.name, *case.companions])))
    if case.resolves:
        if resolved_at > recovery + STEP:
            test.checks.append((resolved_at - STEP, firing(alert), scene.fired))
        test.checks.append((resolved_at + STEP, firing(alert), []))
    return test


def _silent(scene: _Scene) -> RuleTest:
    end = scene.firing_at + 300
    test = scene.test("is silent just below", (0, scene.before), (CHANGE, scene.silent), (end, {}))
    for time in (CHANGE - STEP, CHANGE, scene.firing_at, end - STEP):
        test.checks.append((time, f'ALERTS{{alertname="{scene.alert.name}"}}', []))
    return test


def _without_data(scene: _Scene) -> RuleTest:
    alert, gone = scene.alert, scene.firing_at + 300
    looked = gone + scene.case.no_data_seconds
    test = scene.test(
        f"without data {alert.no_data}",
        (0, scene.before),
        (CHANGE, scene.fires),
        (gone, scene.ends),
        (looked + 60, {}),
        without_data=True,
    )
    test.checks.append((gone - STEP, firing(alert), scene.fired))
    test.checks.append((looked, firing(alert), [] if alert.no_data == "resolves" else scene.fired))
    return test


def _starts_without_data(scene: _Scene) -> RuleTest:
    """Nothing is wrong, and then nothing is known."""
    case = scene.case
    wait = seconds(scene.alert.for_) if case.fires_after_seconds is None else case.fires_after_seconds
    every = 1 if wait < 2 * 3_600 else SLOW
    margin = every * STEP
    gone = up(CHANGE, margin)
    firing_at = gone + up(wait, margin)
    test = scene.test(
        "fires when its series end",
        (0, scene.before),
        (gone, scene.ends),
        (firing_at + 4 * margin, {}),
        every=every,
        without_data=True,
    )
    if firing_at > gone:
        test.checks.append((firing_at - margin, firing(scene.alert), []))
    # What was sampled just before the end is in the window for a step longer.
    test.checks.append((firing_at + 2 * margin, firing(scene.alert), scene.fired))
    return test


def _forgets(scene: _Scene, after: int) -> RuleTest:
    """What the series said last holds for so many seconds, and no longer."""
    alert, margin = scene.alert, SLOW * STEP
    starts = up(CHANGE, margin)
    gone = starts + up(scene.case.delay_seconds + seconds(alert.for_), margin) + 2 * margin
    over = gone + after + up(seconds(alert.keep), margin) + 3 * margin
    test = scene.test(
        f"holds for {after} seconds without data",
        (0, scene.before),
        (starts, scene.fires),
        (gone, scene.ends),
        (over + margin, {}),
        every=SLOW,
    )
    test.checks.append((gone + after - margin, firing(alert), scene.fired))
    test.checks.append((over, firing(alert), []))
    return test


def _fades(scene: _Scene, name: str, fade: Fade) -> RuleTest:
    """What changed once is told for so many seconds."""
    alert, margin = scene.alert, SLOW * STEP
    starts = up(CHANGE, margin)
    ends = starts + fade.seconds
    over = ends + up(seconds(alert.keep), margin) + 3 * margin
    values = {one: Value.of(value) for one, value in fade.series.items()}
    test = scene.test(name, (0, {}), (starts, values), (over + margin, {}), every=SLOW)
    test.checks.append((ends - margin, firing(alert), scene.fired))
    test.checks.append((over, firing(alert), []))
    return test


def _short_for(scene: _Scene) -> RuleTest:
    """A `for` of a few seconds, looked at in steps of five."""
    step, starts = 5, 60
    firing_at = starts + seconds(scene.alert.for_)
    test = scene.test(
        "waits for its for",
        (0, scene.before),
        (starts, scene.fires),
        (firing_at + 2 * step, {}),
        step=step,
    )
    test.checks.append((firing_at - step, firing(scene.alert), []))
    test.checks.append((firing_at, firing(scene.alert), scene.fired))
    return test


def _absent(scene: _Scene, name: str, missing: list[str]) -> RuleTest:
    end = scene.firing_at + 300
    left = {one: value for one, value in scene.base.items() if one not in missing}
    test = RuleTest(f"{scene.alert.name}: {name}", series(left, [(0, {}), (end, {})]))
    test.checks.append((end - STEP, firing(scene.alert), scene.fired))
    return test


def _also(scene: _Scene, name: str, changes: Mapping[str, Any], wanted: _Wanted) -> RuleTest:
    end = scene.firing_at + 300
    values = {one: Value.of(value) for one, value in changes.items()}
    before = {one: scene.before.get(one, scene.base.get(one, Value())) for one in values}
    test = RuleTest(
        f"{scene.alert.name}: {name}",
        series(scene.base, [(0, {**scene.before, **before}), (CHANGE, values), (end, {})]),
    )
    test.checks.append((end - STEP, firing(scene.alert), wanted))
    return test
