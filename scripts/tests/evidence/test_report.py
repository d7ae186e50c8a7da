"""The page for those who were not there."""

import re
from pathlib import Path

import pytest

from ops.evidence import report
from ops.evidence.catalogue import catalogue
from ops.evidence.chain import Chain, Examined
from ops.evidence.latest import DAY_SECONDS, latest
from ops.evidence.report import age_text, page, view
from tests.evidence_helpers import FLEET, NOW, draft, with_value
from tests.page import Page


@pytest.fixture
def examined(tmp_path: Path) -> Examined:
    chain = Chain(tmp_path, FLEET)
    chain.add(draft("canary", id="rollout-1"), "ops@control", NOW)
    left = with_value("orders_left", 2, verdict="fail", reasons=["2 orders <b>are left"], id="drill-1")
    chain.add(left, "ops@control", NOW)
    unknown = with_value(
        "activation_seconds", None, drill="kill_switch.pnl", verdict="inconclusive", reasons=["no data"]
    )
    chain.add(unknown, "ops@control", NOW)
    return chain.examine()


def test_the_page_is_whole_says_what_was_measured_and_needs_nothing_else(examined: Examined) -> None:
    html = page(FLEET, examined, catalogue(), NOW)
    shown = Page(html)
    for text in (
        "Evidence of lab-test",
        "chain intact",
        f"1 of {len(catalogue().entries)}",
        "2 orders <b>are left",
        "never run",
        "no data",
        "inconclusive",
        "RTS6-12(1)",
        "Cancel any or all unexecuted orders at once",
        "rollout-1",
        examined.last,
        catalogue().entry("kill_switch.on").red_twin,
    ):
        assert text in shown.text, text
    assert shown.addresses == []
    assert "<script" not in html
    assert "<b>" not in html
    assert not re.search(r"https?://|@import|url\(", html)


def test_a_broken_chain_is_said_first() -> None:
    shown = Page(page(FLEET, Examined([], "record 1 ('x') was changed"), catalogue(), NOW))
    assert shown.text.index("not as it was written") < shown.text.index("Proved now")
    assert "record 1 ('x') was changed" in shown.text
    assert f"0 of {len(catalogue().entries)}" in shown.text


def test_a_missed_bound_and_a_missing_figure_are_marked(examined: Examined) -> None:
    groups = {group["title"]: group for group in view(FLEET, examined, catalogue(), NOW)["groups"]}
    group = groups["Kill switch"]
    rows = {row["name"]: row for row in group["rows"]}
    column = [one["title"] for one in group["columns"]].index("orders left")
    assert group["columns"][column]["bound"] == "≤ 0"
    assert rows["kill_switch.on"]["cells"][column]["style"] == "fail"
    assert rows["kill_switch.pnl"]["cells"][column]["style"] == "pass"
    assert rows["kill_switch.off"]["cells"][column]["text"] == ""
    column = [one["title"] for one in group["columns"]].index("activation")
    assert rows["kill_switch.pnl"]["cells"][column] == {
        "text": "no data",
        "style": "inconclusive",
        "bound": "",
    }
    assert rows["kill_switch.dead_man"]["cells"][column]["bound"] == "< 40 s"


@pytest.mark.parametrize(("days", "standing"), [(30.9, "pass"), (31.1, "stale")])
def test_a_success_grows_old(tmp_path: Path, days: float, standing: str) -> None:
    chain = Chain(tmp_path, FLEET)
    chain.add(draft(), "ops@control", NOW)
    now = NOW + days * DAY_SECONDS
    found = {one.entry.name: one for one in latest(chain.examine().records, catalogue(), now)}
    assert found["kill_switch.on"].standing == standing
    assert found["kill_switch.off"].standing == "never"
    (group,) = [
        one
        for one in view(FLEET, chain.examine(), catalogue(), now)["groups"]
        if one["title"] == "Kill switch"
    ]
    assert group["rows"][0]["standing"] == {"pass": "passed", "stale": "too old"}[standing]


def test_every_state_has_a_colour() -> None:
    template = report.TEMPLATE.read_text()
    for state in report.STATES:
        assert template.count(f"--{state}: #") == 2, state  # light and dark


def test_a_bar_reaches_its_bound_only_when_the_bound_is_missed() -> None:
    kind = {"name": "x_seconds", "unit": "s", "bound": 2, "comparison": "below"}
    good, bad = (report._value({**kind, "value": value, "held": value < 2})["bar"] for value in (1.9, 2.2))
    assert good["length"] < good["bound"] < bad["length"] <= bad["width"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "just now"), (61, "1 minute"), (7300, "2 hours"), (90000, "1 day"), (900000, "10 days")],
)
def test_ages(seconds: float, text: str) -> None:
    assert age_text(seconds) == text
