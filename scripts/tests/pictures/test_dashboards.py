"""Grafana's dashboards: stored as they are made, well formed, every query answered by a real Prometheus."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from ops import paths, pictures
from ops.errors import OperatorError
from ops.pictures import fleet as fleet_board
from ops.pictures.spec import Board, Picture, Query, Row, bound, limits
from ops.slo.model import Model, load
from ops.slo.rules import all_alerts
from tests.pictures_fleet import Running

pytestmark = pytest.mark.rules

FOLDER = paths.ROOT / "monitoring" / "dashboards"
NAMES = ("fleet", "host", "order_path", "risk", "rollout")
MADE = {path.stem: text for path, text in pictures.generate(paths.ROOT).items()}


def panels(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(MADE[name])["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def targets() -> list[Any]:
    return list(_targets())


def _targets() -> Iterator[Any]:
    for name in NAMES:
        for panel in panels(name):
            for target in panel["targets"]:
                yield pytest.param(target["expr"], id=f"{name}: {panel['title']} {target['refId']}")


def test_what_is_stored_is_what_is_made() -> None:
    assert set(MADE) == set(NAMES) == {path.stem for path in FOLDER.glob("*.json")}
    for name, text in MADE.items():
        assert (FOLDER / f"{name}.json").read_text() == text, f"{name}: run ./scripts/slo generate"
    assert {path.stem: text for path, text in pictures.generate(paths.ROOT).items()} == MADE


@pytest.mark.parametrize("name", NAMES)
def test_the_model_of_grafana_reads_it_back(name: str) -> None:
    read = dashboard.Dashboard.from_json(json.loads(MADE[name]))
    assert json.loads(json.dumps(read, cls=JSONEncoder)) == json.loads(MADE[name])


def test_addresses_are_unique() -> None:
    uids = [json.loads(text)["uid"] for text in MADE.values()]
    assert len(set(uids)) == len(uids)
    assert all(8 <= len(uid) <= 40 for uid in uids)


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_has_its_own_place_and_says_what_it_shows(name: str) -> None:
    everything: list[dict[str, Any]] = json.loads(MADE[name])["panels"]
    ids = [panel["id"] for panel in everything]
    assert len(set(ids)) == len(ids)
    for panel in panels(name):
        assert panel["title"], panel["id"]
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
    titles = [panel["title"] for panel in panels(name)]
    assert len(set(titles)) == len(titles)
    for one, other in combinations(everything, 2):
        assert not overlap(one["gridPos"], other["gridPos"]), f"{one['title']} covers {other['title']}"
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in everything)


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def test_panels_that_cover_each_other_would_be_seen() -> None:
    place = {"x": 0, "y": 0, "w": 8, "h": 4}
    assert overlap(place, {"x": 7, "y": 3, "w": 8, "h": 4})
    assert not overlap(place, {"x": 8, "y": 0, "w": 8, "h": 4})
    assert not overlap(place, {"x": 0, "y": 4, "w": 8, "h": 4})


@pytest.mark.parametrize("expr", targets())
def test_prometheus_answers_a_panel_with_series(ill_fleet: Running, expr: str) -> None:
    """In the fleet in which something is wrong, for also the tables of alerts must be filled."""
    assert ill_fleet.wait_for(lambda: ill_fleet.query(pictures.filled(expr)), 30), f"no series: {expr}"


@pytest.mark.parametrize("name", NAMES)
def test_runbooks_that_are_linked_are_of_alerts(name: str, model: Model) -> None:
    known = {alert.name for alert in all_alerts(model)}
    links = [link["url"] for panel in panels(name) for link in panel.get("links", ())]
    assert links
    for url in links:
        assert url.startswith("${runbooks:raw}/"), url
        assert Path(url).stem in known, url


def test_a_metric_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = Picture("lines", "Wrong", "Nothing exposes it.", (Query("rate(trader_order_total[5m])"),))
    wrong = Board("wrong", "Wrong", "Wrong", (Row("Wrong", (picture,)),))
    monkeypatch.setattr(fleet_board, "board", lambda _: wrong)
    with pytest.raises(OperatorError, match="panel 'Wrong' reads trader_order_total"):
        pictures.generate(paths.ROOT)


def test_a_metric_that_does_not_exist_has_no_series(ill_fleet: Running) -> None:
    assert ill_fleet.query("rate(trader_orders_total[5m])")
    assert not ill_fleet.query("rate(trader_order_total[5m])")


def test_thresholds_are_those_of_slo_yml(model: Model) -> None:
    assert limits(model, "DailyLoss80", "DailyLoss50") == ((None, "green"), (0.5, "orange"), (0.8, "red"))
    assert limits(model, "DiskFull", "DiskLow", below=True) == (
        (None, "red"),
        (0.05, "orange"),
        (0.15, "green"),
    )
    assert bound(model, "order-latency-p95") == 0.1
    topic, state = model.states["ReconciliationDrift"]
    changed = replace(
        model,
        states={**model.states, "ReconciliationDrift": (topic, state.model_copy(update={"threshold": 7.0}))},
    )
    boards = {board.slug: board for board in pictures.boards(changed)}
    drifts = [picture for row in boards["risk"].rows for picture in row.pictures if picture.title == "Drift"]
    assert [picture.steps[1] for picture in drifts] == [(7.0, "red")]


def test_every_alert_of_money_is_reached_from_a_panel() -> None:
    linked = {
        name
        for board in pictures.boards(load())
        for row in board.rows
        for picture in row.pictures
        for name in picture.alerts
    }
    money = {alert.name for alert in all_alerts(load()) if alert.money}
    assert money <= linked, sorted(money - linked)
