import copy
import json
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ops.canary.layout import Host, Share, lay_out, order
from ops.canary.plan import Plan, render
from ops.canary.plan_settings import SCHEMA, make_plan
from ops.errors import OperatorError
from tests.canary_helpers import RELEASE, SHA256, plan_of, settings


def share(percent: int, soak_seconds: float) -> Share:
    return Share(percent, None, soak_seconds, 2 * soak_seconds, 1.0)


USUAL = [share(10, 60), share(25, 50), share(50, 40), share(75, 30), share(100, 20)]


def hosts(count: int) -> tuple[str, ...]:
    return tuple(f"trader-{number:02}" for number in range(1, count + 1))


@st.composite
def shares(draw: st.DrawFn) -> list[Share]:
    percents = sorted(draw(st.sets(st.integers(1, 99), max_size=12)) | {100})
    return [share(percent, float(draw(st.integers(1, 900)))) for percent in percents]


def percents_of(plan: list[Share]) -> list[int]:
    return [one.percent for one in plan if one.percent is not None]


@given(shares(), st.integers(1, 60))
def test_every_host_changes_exactly_once_and_counts_are_ceilings(plan: list[Share], count: int) -> None:
    phases, notes = lay_out(plan, hosts(count))
    assert [host for phase in phases for host in phase.batch] == list(hosts(count))
    assert all(phase.batch for phase in phases)
    assert [phase.number for phase in phases] == list(range(1, len(phases) + 1))
    wanted = sorted({math.ceil(count * percent / 100 - 1e-9) for percent in percents_of(plan)})
    assert [len(phase.updated) for phase in phases] == wanted
    for before, after in pairwise(phases):
        assert after.updated == before.updated + after.batch
    assert len(plan) - len(phases) == sum(note.split(" of ")[0].count("%") - 1 for note in notes)


@given(shares(), st.integers(1, 60))
def test_phases_that_coincide_keep_the_longest_soak(plan: list[Share], count: int) -> None:
    phases, _ = lay_out(plan, hosts(count))
    for phase in phases:
        same = [one.soak_seconds for one in plan if one.updated(count) == len(phase.updated)]
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
    assert [phase.share for phase in phases] == ["25 %", "50 %", "100 %"]
    assert lay_out(USUAL, hosts(10))[1] == ()


LEVEL = {"name": "beside", "kind": "level", "query": "x[$window]", "margin": 0.3}
COUNT = LEVEL | {"kind": "count", "exposure_query": "y[$window]", "harmless_rate": 0.01, "margin": 2}


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
        ("phases.0.soak", 60, "canary.phases[0].soak is unknown; known are percent, hosts, soak_seconds"),
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
        ("phases.0.percent", ..., "canary.phases[0]: exactly one of percent and hosts must be given"),
        ("phases.0.hosts", 2, "canary.phases[0]: exactly one of percent and hosts must be given"),
        ("phases.0.soak_max_seconds", 9, "canary.phases[0].soak_max_seconds: 9 is shorter than soak_seconds"),
        ("phases.0.risk_scale", 1.5, "canary.phases[0].risk_scale: 1.5 must be at most 1"),
        ("order", "size", 'canary.order: "size" must be one of exposure, inventory'),
        ("hold_out", "yes", 'canary.hold_out: "yes" must be true or false'),
        ("judge", {"false_alarms": 0.5}, "canary.judge.false_alarms: 0.5 must be less than 0.5"),
        (
            "compare",
            [COUNT | {"margin": 1}],
            "canary.compare[0].margin: 1 must be more than 1: it is a ratio",
        ),
        (
            "compare",
            [LEVEL | {"exposure_query": "x[$window]"}],
            "kind count needs exposure_query, and kind level has",
        ),
        ("compare", [LEVEL | {"name": "errors"}], "canary.compare[0].name: 'errors' is used twice"),
        ("compare", [LEVEL | {"query": "x"}], "canary.compare[0].query: it must use $window"),
        (
            "freeze",
            {"windows": [{"name": "x", "time_zone": "Mars/Base"}]},
            "there is no time zone 'Mars/Base'",
        ),
        ("freeze", {"windows": [{"name": "x", "from": "8 h"}]}, "'8 h' is not a time such as 08:30"),
        (
            "freeze",
            {"windows": [{"name": "x", "dates": ["25.12."]}]},
            "'25.12.' is not a date such as 2026-12-25",
        ),
        ("freeze", {"windows": [{"name": "x", "days": ["sunday"]}]}, '"sunday" must be one of mon, tue'),
        ("webhooks", ["monitor"], 'canary.webhooks[0]: "monitor" must be a URL'),
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


def test_the_least_to_lose_goes_first_and_the_most_last_over_all_venues() -> None:
    fleet = [
        Host("a", 500, "binance", "one"),
        Host("b", 100, "binance", "one"),
        Host("c", 300, "okx", "two"),
        Host("d", 200, "binance", "two"),
        Host("e", 900, "okx", "one"),
    ]
    assert order(fleet) == ("b", "c", "d", "a", "e")
    assert order([Host(name) for name in "cab"]) == ("c", "a", "b")


def test_an_exposure_that_is_none_is_refused() -> None:
    for bad in (-1, "much", float("inf")):
        with pytest.raises(OperatorError, match="a: canary_exposure_usd must be a number of USD"):
            make_plan(
                settings(),
                [{"name": "a", "exposure_usd": bad}],
                inventory="lab",
                release=RELEASE,
                sha256=SHA256,
            )


def test_the_last_host_is_held_out() -> None:
    phases, notes = lay_out(USUAL, hosts(10), hold_out=True)
    assert [len(phase.updated) for phase in phases] == [1, 3, 5, 8, 9, 10]
    assert phases[-2].share == "9 hosts"
    assert "trader-10 is held out" in notes[0]
    # Where the plan leaves one over by itself, nothing is added.
    assert [len(phase.updated) for phase in lay_out(USUAL, hosts(4), hold_out=True)[0]] == [1, 2, 3, 4]
    assert len(lay_out([share(100, 60)], hosts(1), hold_out=True)[0]) == 1


def test_phases_may_count_hosts() -> None:
    shares = [Share(None, 1, 60, 60, 0.5), Share(None, 4, 60, 60, 1.0), share(100, 60)]
    phases, _ = lay_out(shares, hosts(6))
    assert [(len(phase.updated), phase.share, phase.risk_scale) for phase in phases] == [
        (1, "1 host", 0.5),
        (4, "4 hosts", 1.0),
        (6, "100 %", 1.0),
    ]


def test_a_contracted_schema_is_said_to_be_fix_forward_only() -> None:
    plan = make_plan(
        settings(), hosts(3), inventory="lab", release=RELEASE, sha256=SHA256, schema="contracted"
    )
    assert any("fix forward only" in note for note in plan.notes)
