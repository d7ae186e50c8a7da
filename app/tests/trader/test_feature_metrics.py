"""The real `trader run`: what others see of its money, alive and killed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import yaml

import trader as package
from tests.trader.cardinality import SERIES_BOUND, exposed_problems, series
from tests.trader.live import BUSY, LIMITS, MakeTrader, traded
from tests.trader.support import RunningTrader, until
from tests.venue_sim.support import RunningVenue


def scraped(trader: RunningTrader) -> dict[str, float]:
    """Every series that the service exposes, by its name with labels."""
    lines = trader.get("/metrics")[1].splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))
    }


def test_metrics_and_the_state_file_of_a_killed_service(
    venue: RunningVenue,
    make_trader: MakeTrader,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    trader = make_trader(
        venue, strategy=BUSY, risk=LIMITS | {"max_daily_loss_usd": 1_234}, latch={"textfiles": str(tmp_path)}
    ).start()
    traded(trader, venue)
    until(
        lambda: scraped(trader)['trader_feed_seconds_total{feed="fresh"}'] >= 2, "two seconds of fresh quotes"
    )
    now = scraped(trader)
    assert now["trader_daily_loss_limit_usd"] == 1_234
    assert now["trader_signals_total"] >= now['trader_orders_total{outcome="acknowledged"}'] > 0
    assert now["trader_consecutive_order_failures"] == 0
    # The strategy takes liquidity now and then: half a spread is a cost.
    until(lambda: scraped(trader)["trader_slippage_worst_bps"] > 0, "a fill that cost something")
    text = trader.get("/metrics")[1]
    declared = yaml.safe_load((Path(package.__file__).parent / "telemetry" / "metrics.yml").read_text())
    assert exposed_problems(text, declared["metrics"]) == []
    record_property("series per host, of a service that trades", series(text))
    assert series(text) < SERIES_BOUND
    file = tmp_path / "breakwater_trader.prom"
    until(lambda: "trader_state_reconciled_timestamp_seconds" in file.read_text(), "the state file")
    trader.kill()
    kept = dict(re.findall(r"^(trader_state_\w+) (\S+)$", file.read_text(), re.MULTILINE))
    assert float(kept["trader_state_reconciled_timestamp_seconds"]) > 0
    assert float(kept["trader_state_unknown_since_timestamp_seconds"]) >= 0
    assert abs(float(kept["trader_state_daily_loss_share"])) < 1
