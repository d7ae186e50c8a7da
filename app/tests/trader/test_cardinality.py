"""The number of series of a host has a bound, because no label has values without one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import trader
from tests.trader.cardinality import (
    SERIES_BOUND,
    Declared,
    declaration_problems,
    exposed_problems,
    series,
)
from trader.risk.codes import RejectCode
from trader.service.kill import TRIGGERS
from trader.telemetry.metrics import Metrics
from trader.telemetry.release import running_release
from trader.venue.budget import Priority
from trader.venue.endpoints import Endpoint
from trader.venue.streams import Stream

DECLARED: Declared = yaml.safe_load((Path(trader.__file__).parent / "telemetry" / "metrics.yml").read_text())[
    "metrics"
]


# What the service sets while it runs comes from these.
OF_THE_CODE = {
    ("trader_breaker_state", "endpoint"): {endpoint.value for endpoint in Endpoint},
    ("trader_risk_rejections_total", "code"): {code.value for code in RejectCode},
    ("trader_stream_age_seconds", "stream"): {stream.value for stream in Stream},
    ("trader_ws_reconnects_total", "stream"): {stream.value for stream in Stream},
    ("trader_budget_waiting", "priority"): {priority.name.lower() for priority in Priority},
    ("trader_kills_total", "trigger"): TRIGGERS | {"other"},
}


@pytest.fixture
def metrics() -> Metrics:
    found = Metrics()
    found.release(running_release())
    return found


def scraped(metrics: Metrics) -> str:
    return metrics.expose().decode()


def test_only_allowed_labels_are_declared() -> None:
    assert list(declaration_problems(DECLARED)) == []


@pytest.mark.parametrize(("name", "label"), OF_THE_CODE)
def test_the_values_of_a_label_are_those_of_the_code(name: str, label: str) -> None:
    (entry,) = (entry for entry in DECLARED if entry["name"] == name)
    assert set(entry["labels"][label]) == OF_THE_CODE[name, label]


def test_every_series_that_can_be_is_there_from_the_start(
    metrics: Metrics, record_property: Callable[[str, object], None]
) -> None:
    assert exposed_problems(scraped(metrics), DECLARED) == []
    record_property("series per host, every one that can be", series(scraped(metrics)))
    assert series(scraped(metrics)) < SERIES_BOUND


def test_the_bound_is_the_one_that_alerts() -> None:
    """What both sides must agree on is a data file."""
    slo = Path(__file__).parents[3] / "monitoring" / "slo.yml"
    states = {one["metadata"]["name"]: one["spec"] for one in yaml.safe_load_all(slo.read_text()) if one}
    assert states["TooManySeries"]["threshold"] == SERIES_BOUND


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ({"order_id": []}, "order_id is no label that is allowed"),
        ({"outcome": []}, "outcome has no list of values"),
        ({"outcome": ["Timeout after 3 s: https://venue"]}, "which is no short name"),
        ({"outcome": [f"v{n}" for n in range(41)]}, "has 41 values, more than 40"),
    ],
)
def test_a_declaration_without_a_bound(labels: dict[str, list[str]], problem: str) -> None:
    declared = copy.deepcopy(DECLARED)
    next(entry for entry in declared if entry["name"] == "trader_orders_total")["labels"] = labels
    (found, *_) = declaration_problems(declared)
    assert found.startswith("trader_orders_total: ")
    assert found.endswith(problem)


@pytest.mark.parametrize("value", ["bw-7f3a-000123", "ExchangeNotAvailable: GET https://venue/api", "XBTUSD"])
def test_a_value_that_is_made_while_running(metrics: Metrics, value: str) -> None:
    metrics.count("trader_errors_total", **{"class": value})
    assert exposed_problems(scraped(metrics), DECLARED) == [
        f"trader_errors_total: class={value!r} is not in metrics.yml"
    ]


def test_a_series_that_nothing_declares(metrics: Metrics) -> None:
    text = scraped(metrics) + 'trader_orders{order_id="1"} 1\n'
    assert exposed_problems(text, DECLARED) == ["trader_orders is not in metrics.yml"]


def test_a_label_that_nothing_declares(metrics: Metrics) -> None:
    text = scraped(metrics).replace("trader_fills_total 0.0", 'trader_fills_total{symbol="BTC"} 0.0')
    assert exposed_problems(text, DECLARED) == ["trader_fills_total has the labels ['symbol'], not []"]


def test_two_releases_in_one_process(metrics: Metrics) -> None:
    metrics.set("trader_build_info", 1, release="r2", sha256="b2", version="2")
    assert exposed_problems(scraped(metrics), DECLARED) == ["trader_build_info has 2 series, not 1"]
