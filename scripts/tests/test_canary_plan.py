import copy
import json
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ops.canary.plan import SCHEMA, Plan, lay_out, make_plan, render
from ops.errors import OperatorError
from tests.canary_helpers import RELEASE, SHA256, plan_of, settings

USUAL = [(10, 60.0), (25, 50.0), (50, 40.0), (75, 30.0), (100, 20.0)]


def hosts(count: int) -> tuple[str, ...]:
    return tuple(f"trader-{number:02}" for number in range(1, count + 1))


@st.composite
def shares(draw: st.DrawFn) -> list[tuple[int, float]]:
    percents = sorted(draw(st.sets(st.integers(1, 99), max_size=12)) | {100})
    return [(percent, float(draw(st.integers(1, 900)))) for percent in percents]


@given(shares(), st.integers(1, 60))
def test_every_host_changes_exactly_once_and_counts_are_ceilings(
    plan: list[tuple[int, float]], count: int
) -> None:
    phases, notes = lay_out(plan, hosts(count))
    assert [host for phase in phases for host in phase.batch] == list(hosts(count))
    assert all(phase.batch for phase in phases)
    assert [phase.number for phase in phases] == list(range(1, len(phases) + 1))
    wanted = sorted({math.ceil(count * percent / 100 - 1e-9) for percent, _ in plan})
    assert [len(phase.updated) for phase in phases] == wanted
    for before, after in pairwise(phases):
        assert after.updated == before.updated + after.batch
    assert len(plan) - len(phases) == sum(note.split(" of ")[0].count("%") - 1 for note in notes)


@given(shares(), st.integers(1, 60))
def test_phases_that_coincide_keep_the_longest_soak(plan: list[tuple[int, float]], count: int) -> None:
    phases, _ = lay_out(plan, hosts(count))
    for phase in phases:
        same = [soak for percent, soak in plan if -(-count * percent // 100) == len(phase.updated)]
        assert phase.soak_seconds == max(same)


@pytest.mark.parametrize(
    ("count", "updated"),
    [
        (10, [1, 3, 5, 8, 10]),
        (3, [1, 2, 3]),
        (4, [1, 2, 3, 4]),
        (5, [1, 2, 3, 4, 5]),
        (6, [1, 2, 3, 5, 6]),
        (8, [1, 2, 4, 6, 8]),
        (20, [2, 5, 10, 15, 20]),
        (1, [1]),
        (2, [1, 2]),
    ],
)
def test_the_usual_shares(count: int, updated: list[int]) -> None:
    phases, _ = lay_out(USUAL, hosts(count))
    assert [len(phase.updated) for phase in phases] == updated


def test_a_collapse_is_said() -> None:
    phases, notes = lay_out(USUAL, hosts(3))
    assert notes == (
        "10 % and 25 % of 3 hosts are the same 1: one phase (number 1), soak 60 s",
        "75 % and 100 % of 3 hosts are the same 3: one phase (number 3), soak 30 s",
    )
    assert [phase.percent for phase in phases] == [25, 50, 100]
    assert lay_out(USUAL, hosts(10))[1] == ()


def broken(path: str, value: Any) -> dict[str, Any]:
    """The settings with one key replaced; `...` removes it."""
    data = copy.deepcopy(settings())
    *parents, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
    target: Any = data
    for part in parents:
        target = target[part]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("phases.1.percent", "ten", 'canary.phases[1].percent: "ten" must be a whole number'),
        ("phases.1.percent", 12.5, "canary.phases[1].percent: 12.5 must be a whole number"),
        ("phases.1.percent", True, "canary.phases[1].percent: true must be a whole number"),
        ("phases.1.percent", 0, "canary.phases[1].percent: 0 must be at least 1"),
        ("phases.2.percent", 101, "canary.phases[2].percent: 101 must be at most 100"),
        ("phases.1.percent", 25, "canary.phases[1].percent: 25 must be greater than 25, the phase before it"),
        ("phases.1.percent", 10, "canary.phases[1].percent: 10 must be greater than 25, the phase before it"),
        ("phases.2.percent", 99, "canary.phases[2].percent: 99 must be 100, it is the last"),
        ("phases.0.soak_seconds", ..., "canary.phases[0].soak_seconds is missing"),
        ("phases.0.soak_seconds", 0, "canary.phases[0].soak_seconds: 0 must be more than 0"),
        ("phases.0.soak_seconds", 2, "canary.phases[0].soak_seconds: 2 is too short to judge"),
        ("phases.0.soak", 60, "canary.phases[0].soak is unknown; known are percent, soak_seconds"),
        ("phases", [], "canary.phases: at least one is needed"),
        ("phases", {}, "canary.phases: {} must be a list"),
        ("phases", ..., "canary.phases is missing"),
        ("criteria", [], "canary.criteria: at least one is needed"),
        ("criteria.0.below", ..., "canary.criteria[0]: exactly one of max, below and min must be given"),
        ("criteria.0.max", 1, "canary.criteria[0]: exactly one of max, below and min must be given"),
        ("criteria.0.below", "1 %", 'canary.criteria[0].below: "1 %" must be a number'),
        (
            "criteria.0.query",
            "up",
            "canary.criteria[0].query: it must use $window, so that it judges the soak",
        ),
        ("criteria.0.query", "x[$window] $host", "canary.criteria[0].query: $host is unknown"),
        ("criteria.0.minimum_samples", ..., "canary.criteria[0]: minimum_samples and minimum_samples_query"),
        ("criteria.1.name", "errors", "canary.criteria[1].name: 'errors' is used twice"),
        ("prometheus_url", "monitor:9090", 'canary.prometheus_url: "monitor:9090" must be a URL'),
        ("scrape_interval_seconds", 0, "canary.scrape_interval_seconds: 0 must be more than 0"),
    ],
)
def test_a_malformed_plan_is_one_line_that_names_the_key(path: str, value: Any, message: str) -> None:
    with pytest.raises(OperatorError) as caught:
        make_plan(broken(path, value), hosts(4), inventory="lab", release=RELEASE, sha256=SHA256)
    assert message in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("value", [None, [], "plan", 3])
def test_a_plan_that_is_no_mapping(value: Any) -> None:
    with pytest.raises(OperatorError, match=r"^canary: .* must be a mapping$"):
        make_plan(value, hosts(4), inventory="lab", release=RELEASE, sha256=SHA256)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "the group to roll out to is empty"),
        (["a", "b", "a"], "host a is in the list twice"),
        (["a", 3], "3 is not a host name"),
        (['a"} or up{x="'], "is not a host name"),
    ],
)
def test_hosts_are_checked(names: list[Any], message: str) -> None:
    with pytest.raises(OperatorError, match=message):
        make_plan(settings(), names, inventory="lab", release=RELEASE, sha256=SHA256)


def test_a_plan_survives_its_json_and_shows_a_change() -> None:
    plan = plan_of(10)
    data = json.loads(json.dumps(plan.to_json()))
    assert Plan.from_json(data) == plan
    data["phases"][0]["batch"] = ["trader-10"]
    with pytest.raises(OperatorError, match="changed after the rollout began"):
        Plan.from_json(data)


def test_a_query_is_filled_with_whole_seconds_and_a_safe_pattern() -> None:
    query = render('x{host=~"$hosts"}[$window]', ["trader-01", "a.b"], 59.9)
    assert query == 'x{host=~"trader-01|a[.]b"}[59s]'


def test_the_published_schema_holds_and_its_example_is_a_plan() -> None:
    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    for example in schema["examples"]:
        plan = make_plan(example, hosts(10), inventory="lab", release=RELEASE, sha256=SHA256)
        assert [len(phase.updated) for phase in plan.phases] == [1, 3, 5, 8, 10]
