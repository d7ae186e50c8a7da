"""What may be recorded, and what is refused with which line."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.errors import OperatorError
from ops.evidence.catalogue import catalogue
from ops.evidence.record import GENESIS, check, complete, parse, seal
from tests.evidence_helpers import NOW, draft, with_value

BY = "ops@control"


def recorded(made: dict[str, Any], folder: Path = Path("/nowhere")) -> dict[str, Any]:
    record = seal(complete(made, folder, BY), GENESIS)
    check(record, NOW)
    return record


def refusal(made: dict[str, Any]) -> str:
    with pytest.raises(OperatorError) as raised:
        recorded(made)
    assert "\n" not in raised.value.message
    return raised.value.message


def test_what_the_catalogue_knows_need_not_be_said() -> None:
    record = recorded(draft())
    assert record["kind"] == "drill"
    assert "RTS6-12(1)" in record["controls"]
    assert record["by"] == BY
    assert record["id"].startswith("20260101T000000Z-kill_switch.on-")
    left = next(one for one in record["values"] if one["name"] == "orders_left")
    assert left == {
        "name": "orders_left",
        "value": 0.0,
        "unit": "orders",
        "bound": 0,
        "comparison": "max",
        "held": True,
    }


@pytest.mark.parametrize("name", list(catalogue().entries))
def test_each_entry_of_the_catalogue_can_pass(name: str) -> None:
    assert recorded(draft(name))["verdict"] == "pass"


@pytest.mark.parametrize("name", list(catalogue().entry("kill_switch.on").figures))
def test_a_pass_needs_each_mandatory_figure(name: str) -> None:
    made = draft()
    made["values"] = [one for one in made["values"] if one["name"] != name]
    assert refusal(made).startswith(f"values: {name} is missing; kill_switch.on cannot pass without it")
    assert "this figure has no value" in refusal(with_value(name, None))
    inconclusive = recorded(with_value(name, None, verdict="inconclusive", reasons=["no data"]))
    assert inconclusive["verdict"] == "inconclusive"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("activation_seconds", 2.0),
        ("cancel_all_seconds", 7),
        ("orders_left", 1),
        ("orders_after_trip", 1),
        ("orders_at_trip", 0),
        ("latch_tripped", 0),
        ("clock_difference_seconds", 0.2),
    ],
)
def test_a_pass_with_a_missed_bound_is_refused_and_a_failure_is_not(name: str, value: float) -> None:
    text = refusal(with_value(name, value))
    assert text.endswith("the verdict cannot be pass: this figure missed its bound")
    assert text.startswith("values[")
    record = recorded(with_value(name, value, verdict="fail", reasons=[f"{name} missed"]))
    assert next(one for one in record["values"] if one["name"] == name)["held"] is False


@pytest.mark.parametrize("key", ["unit", "bound", "comparison", "held"])
def test_a_bound_cannot_be_made_easier_than_the_catalogue_has_it(key: str) -> None:
    easier = {"unit": "minutes", "bound": 20, "comparison": "min", "held": True}
    made = with_value("cancel_all_seconds", 9)
    index = [one["name"] for one in made["values"]].index("cancel_all_seconds")
    made["values"][index][key] = easier[key]
    assert refusal(made).startswith(f"values[{index}].{key}")


def test_a_figure_of_its_own_keeps_its_own_bound() -> None:
    made = draft()
    made["values"] += [
        {"name": "errors", "value": 0.02, "unit": "ratio", "bound": 0.01, "comparison": "below"},
        {"name": "seconds in all", "value": 9, "unit": "s"},
    ]
    assert refusal(made).endswith("this figure missed its bound")
    made["values"][-2]["value"] = 0.001
    errors, seconds = recorded(made)["values"][-2:]
    assert errors["held"] is True
    assert (seconds["bound"], seconds["held"]) == (None, None)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"name": "kill_switch.onn"}, "name: 'kill_switch.onn' is not in"),
        ({"name": None}, "name: None is not in"),
        ({"kind": "chaos"}, 'kind: kill_switch.on has "drill" in the catalogue'),
        ({"controls": []}, "controls: kill_switch.on has"),
        ({"prev": GENESIS}, "prev: it is made when the record is added"),
        ({"sha256": GENESIS}, "sha256: it is made when the record is added"),
        ({"hosts": []}, "hosts: at least one is needed"),
        ({"hosts": ["a b"]}, 'hosts[0]: "a b" must match'),
        ({"inventory": "../lab"}, 'inventory: "../lab" must match'),
        ({"verdict": "passed"}, 'verdict: "passed" must be one of "pass"'),
        ({"verdict": "fail"}, "reasons: a verdict that is not pass needs at least one"),
        ({"reasons": ["but"]}, "reasons: the verdict cannot be pass: reasons against it are given"),
        ({"verdict": "fail", "reasons": ["two\nlines"]}, 'reasons[0]: "two\\nlines" must match'),
        ({"started_at": "2026-01-01"}, 'started_at: "2026-01-01" must be a UTC time such as'),
        ({"started_at": "2026-01-01T00:00:00+01:00"}, "started_at: "),
        ({"started_at": "2026-02-30T00:00:00Z"}, "started_at: 2026-02-30T00:00:00Z is no moment"),
        ({"started_at": "2026-01-01T00:00:10Z"}, "ended_at: 2026-01-01T00:00:09.25Z is before started_at"),
        ({"ended_at": "2026-01-01T00:03:00Z"}, "ended_at: 2026-01-01T00:03:00Z is in the future"),
        ({"release": {"id": "x"}}, "release.sha256: missing"),
        ({"release": {"id": "x", "sha256": "A" * 64}}, "release.sha256: "),
        ({"steps": []}, "steps: at least one is needed"),
        ({"by": "a\x1b[31m"}, "by: "),
        ({"note": 1}, "note: unknown; known are id, kind"),
        ({"values": []}, "values: "),
        ({"values": 3}, "values: 3 must be array"),
        ({"values": [3]}, "values[0]: 3 must be object"),
        ({"values": [{"name": ["x"], "value": 1}]}, "values[0].name: "),
        ({"values": [{"name": "x", "value": "1"}]}, 'values[0].value: "1" must be number or null'),
        ({"values": [{"name": "x", "value": True}]}, "values[0].value: true must be"),
        ({"values": [{"name": "x", "value": 10**400}]}, "values[0].value: "),
        (
            {"values": [{"name": "x", "value": 1, "bound": 2}]},
            "values[0]: bound and comparison must be given",
        ),
        ({"attachments": [{"path": "gone"}]}, "attachments[0].path: gone: No such file or directory"),
        ({"attachments": [{}]}, "attachments[0].path: missing"),
        ({"attachments": "x"}, 'attachments: "x" must be array'),
    ],
)
def test_what_is_malformed_is_refused_by_its_key(changes: dict[str, Any], text: str) -> None:
    assert refusal(draft() | changes).startswith(text)


@pytest.mark.parametrize(
    "key", ["started_at", "ended_at", "inventory", "hosts", "release", "steps", "values"]
)
def test_what_is_missing_is_named(key: str) -> None:
    made = draft()
    del made[key]
    assert refusal(made) == f"{key}: missing"


def test_a_step_that_failed_is_no_pass() -> None:
    made = draft()
    made["steps"][0]["result"] = "fail"
    assert refusal(made) == 'steps[0].result: the verdict cannot be pass: this step is "fail"'


def test_a_figure_given_twice_is_refused() -> None:
    made = draft()
    made["values"].append(made["values"][0])
    assert refusal(made).endswith("is there twice")


def test_attachments_are_hashed_and_named_from_the_folder(tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "log").write_text("x")
    made = draft(attachments=[{"path": "../evidence/../log"}])
    attached = recorded(made, tmp_path / "evidence")["attachments"]
    assert attached == [
        {"path": "../log", "sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}
    ]
    made["attachments"][0]["sha256"] = "0" * 64
    with pytest.raises(OperatorError, match="has another content"):
        recorded(made, tmp_path / "evidence")


@pytest.mark.parametrize(
    "text", ["", "[]", "3", "{", '{"a": NaN}', '{"a": 1e999}', '{"a": "\\ud800"}', "[" * 100_000, "\xff"]
)
def test_what_is_not_json_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(OperatorError) as raised:
        parse(text)
    assert raised.value.message.startswith("the evidence ")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = [*draft(), "id", "kind", "by", "reasons", "controls", "attachments", "red_twin", "other"]


@given(st.dictionaries(st.sampled_from(KEYS), json_values, min_size=1, max_size=3), st.booleans())
def test_anything_is_recorded_or_refused(changes: dict[str, Any], deep: bool) -> None:
    made = draft()
    for key, value in changes.items():
        if deep and isinstance(made.get(key), list) and made[key]:
            made[key][0] = value
        else:
            made[key] = value
    with contextlib.suppress(OperatorError):
        record = seal(complete(parse(json.dumps(made)), Path("/nowhere"), BY), GENESIS)
        check(record, NOW)
        assert record["verdict"] != "pass" or all(one["held"] is not False for one in record["values"])
