"""The judge of alert-path drills, and the time that the role's own intervals leave for a page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from ops import paths
from ops.drills.alert_path import CASES, Configured, Seen, judge, seconds
from ops.evidence.catalogue import catalogue
from ops.slo.model import load
from ops.slo.rules import all_alerts
from tests.alerting.conftest import configuration

ALERTS = {alert.name: alert for alert in all_alerts(load())}
MONEY_SECONDS = 15
START = 1_795_770_000_000_000_000
GOOD = Seen(
    started_ns=START,
    exposed_ns=START + 2_000_000_000,
    page_ns=START + 9_000_000_000,
    page_name="DailyLoss80",
    until_ns=START + 10_000_000_000,
    budget_seconds=12,
    scrape_seconds=5,
    resolved=0,
    held={},
)
HELD = {"service": 0.0, "exporter": 0.0, "prometheus": 0.0, "alertmanager": 14.0}


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Configured:
    """What the roles configure when an inventory says nothing."""
    role = yaml.safe_load((paths.ROOT / "roles/prometheus/defaults/main.yml").read_text())
    deadman = yaml.safe_load((paths.ROOT / "roles/deadman/defaults/main.yml").read_text())
    route = configuration(tmp_path_factory.mktemp("alertmanager"), alertmanager_page={"email": {"to": "a@b"}})
    jobs = [{"job_name": name} for name in ("trader", "prometheus", "alertmanager", "deadman")]
    jobs.append({"job_name": "node", "scrape_interval": role["prometheus_node_scrape_interval"]})
    interval = role["prometheus_scrape_interval"]
    return Configured(
        prometheus={
            "global": {"scrape_interval": interval, "evaluation_interval": interval},
            "scrape_configs": jobs,
        },
        flags={"rules.alert.resend-delay": role["prometheus_resend_delay"]},
        rules={
            name: {"duration": seconds(alert.for_), "labels": alert.labels} for name, alert in ALERTS.items()
        },
        route=yaml.safe_load(route)["route"],
        patience_seconds=deadman["deadman_patience_seconds"],
    )


def verdict(seen: Seen, name: str = "loss", problem: str = "") -> tuple[str, str]:
    found = judge(catalogue().entry(f"alert_path.{name}"), "trader-01", seen, problem)
    return found["verdict"], " / ".join(found["reasons"])


def test_a_page_in_time_is_green() -> None:
    assert verdict(GOOD) == ("pass", "")


def test_a_page_that_comes_too_late_turns_it_red() -> None:
    late = replace(GOOD, page_ns=START + 14_500_000_000)
    assert verdict(late) == ("fail", "over_budget_seconds: 0.500 s is not max 0")


def test_nobody_told_turns_it_red() -> None:
    nobody = replace(GOOD, page_ns=None, page_name="")
    found, why = verdict(nobody, "prometheus_dead")
    assert (found, "nobody was told by AlertPathDead" in why) == ("fail", True)


def test_an_alert_that_was_lost_meanwhile_turns_it_red() -> None:
    assert verdict(replace(GOOD, held=HELD), "kill") == ("pass", "")
    found, why = verdict(replace(GOOD, held=HELD | {"service": 0.3}), "kill")
    assert (found, why) == ("fail", "gap_service_seconds: 0.300 s is not max 0")
    found, why = verdict(replace(GOOD, held={}), "kill")
    assert (found, "gap_prometheus_seconds: no data" in why) == ("fail", True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"resolved": 1}, "false_resolves"),
        ({"exposed_ns": None}, "never showed the fault"),
        ({"scrape_seconds": 1.0}, "scrape_interval_seconds"),
        ({"budget_seconds": None}, "over_budget_seconds: no data"),
        (
            {"page_ns": START + 18_000_000_000, "budget_seconds": 60.0},
            "seconds_to_page: 16.000 s is not",
        ),
    ],
)
def test_what_is_not_proved_is_red(change: dict[str, Any], reason: str) -> None:
    found, why = verdict(replace(GOOD, **change))
    assert found == "fail"
    assert reason in why


def test_a_failed_act_is_red() -> None:
    assert verdict(GOOD, problem="the venue refused it")[0] == "fail"


def test_every_class_has_its_evidence_and_its_alerts_exist() -> None:
    names = {name for name in catalogue().entries if name.startswith("alert_path.")}
    assert names == {f"alert_path.{name}" for name in CASES}
    told = {alert for case in CASES.values() for alert in case.alerts}
    assert told - {"AlertPathDead"} <= set(ALERTS)


@pytest.mark.parametrize(
    ("name", "series", "shows"),
    [
        ("kill", "trader_latch_tripped", (1, 0)),
        ("drift", "trader_reconcile_drift_usd", (100.1, 100)),
        ("unknown", "trader_unknown_oldest_age_seconds", (30.1, 30)),
        ("rejects", "trader_consecutive_order_failures", (3, 2)),
        ("slippage", "trader_slippage_worst_bps", (100.1, 100)),
        ("clock", "trader_clock_offset_seconds", (-0.26, 0.25)),
    ],
)
def test_a_fault_is_shown_from_the_threshold_of_its_alert_on(
    name: str, series: str, shows: tuple[float, float]
) -> None:
    """The numbers above stand beside those of slo.yml: a threshold that moves must move here too."""
    case = CASES[name]
    assert case.shown is not None
    assert case.shown({series: shows[0]}, {})
    assert not case.shown({series: shows[1]}, {})
    assert not case.shown({}, {})
    threshold = ALERTS[case.alerts[0]].threshold
    assert abs(shows[0]) >= threshold >= abs(shows[1])


def test_loss_and_reconnects_are_shown_from_their_threshold_on() -> None:
    loss, feed = CASES["loss"].shown, CASES["feed"].shown
    assert loss is not None
    assert feed is not None
    limit = {"trader_daily_loss_limit_usd": 200.0}
    share = ALERTS["DailyLoss80"].threshold
    assert loss({"trader_daily_pnl_usd": -200 * share, **limit}, {})
    assert not loss({"trader_daily_pnl_usd": -200 * share + 1, **limit}, {})
    count = ALERTS["ReconnectStorm"].threshold
    streams = {"trader_ws_reconnects_total[('stream', 'fills')]": 5.0}
    assert feed(streams | {"trader_ws_reconnects_total[('stream', 'quotes')]": count}, streams)
    assert not feed(streams | {"trader_ws_reconnects_total[('stream', 'quotes')]": count - 1}, streams)


def test_the_intervals_leave_money_fifteen_seconds(production: Configured) -> None:
    """What an alert waits for on purpose (`for`) is part of what it says, not of its way."""
    of_money = [alert for alert in ALERTS.values() if alert.money and alert.severity == "page"]
    assert len(of_money) > 5
    for alert in of_money:
        way = (
            production.scrape_seconds("trader")
            + seconds(production.prometheus["global"]["evaluation_interval"])
            + production.wait_seconds(alert.name)
        )
        assert way + 2 <= MONEY_SECONDS, alert.name


@pytest.mark.parametrize(
    ("name", "budget"),
    [
        ("kill", 5 + 5 + 0 + 0 + 2),
        ("rejects", 5 + 5 + 0 + 1 + 2),
        ("service_dead", 5 + 5 + 30 + 1 + 2),
        ("exporter_dead", 15 + 5 + 60 + 1 + 2),
        ("deadman_dead", 5 + 5 + 60 + 1 + 2),
        ("alertmanager_dead", 90 + 1 + 2),
        ("prometheus_dead", 4 * 15 + 90 + 1 + 2),
    ],
)
def test_the_budget_is_the_sum_of_what_is_waited_for(
    production: Configured, name: str, budget: float
) -> None:
    assert production.budget_seconds(name) == budget


def test_a_slower_interval_gives_a_longer_budget(production: Configured) -> None:
    slow: dict[str, Any] = dict(production.prometheus)
    slow["global"] = {"scrape_interval": "30s", "evaluation_interval": "1m30s"}
    assert replace(production, prometheus=slow).budget_seconds("kill") == 30 + 90 + 2
