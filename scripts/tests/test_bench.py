"""The form of benchmarks: a table, a JSON file, and exit 1 when a bound is missed."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ops.bench import cli, orders, program
from ops.bench.figures import Figure, show
from ops.errors import OperatorError
from ops.run import Done


def test_a_bound_is_held_up_to_its_value() -> None:
    assert Figure("a", 12.0, "s", at_most=12).held
    assert not Figure("a", 12.01, "s", at_most=12).held
    assert Figure("a", 1e9, "s").held, "nothing was promised"


def test_the_json_says_what_the_table_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    figures = [Figure("quick", 1.0, "s", at_most=2), Figure("slow", 3.0, "s", at_most=2)]
    assert not show("race", figures, file)
    printed = capsys.readouterr().out
    assert "quick   1.00   s     <= 2   ok" in printed
    assert "slow    3.00   s     <= 2   MISSED" in printed
    written = json.loads(file.read_text())
    assert [figure["held"] for figure in written["figures"]] == [True, False]


@pytest.mark.parametrize(("value", "status"), [(1.0, 0), (3.0, 1)])
def test_a_missed_bound_is_the_exit_status(
    value: float, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cli.BENCHMARKS, "converge", lambda wanted: [Figure("a", value, "s", at_most=2)])
    assert CliRunner().invoke(cli.main, ["converge"]).exit_code == status


def test_an_unknown_benchmark_is_named() -> None:
    result = CliRunner().invoke(cli.main, ["nothing"])
    assert result.exit_code == 2
    assert "'nothing' is not one of 'converge', 'judge', 'kill', 'orders'" in result.output


def test_a_least_value_is_held_from_itself_up() -> None:
    assert Figure("a", 1_000.0, "1/s", at_least=1_000).held
    assert not Figure("a", 999.9, "1/s", at_least=1_000).held
    assert Figure("a", 2.0, "s", at_most=2, at_least=1).bound == "<= 2, >= 1"


def test_peers_belong_to_orders(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.main, ["converge", f"--peers={tmp_path}"])
    assert result.exit_code == 2
    assert "--peers" in result.output


def row(bytes_us: float, acknowledged_us: float) -> dict[str, dict[str, float]]:
    """p50 as given; the tail is far from every bound, and no bound is on it."""
    tail = {"p99": 9e9, "p99.9": 9e9, "count": 2_000}
    return {"bytes_us": {"p50": bytes_us, **tail}, "acknowledged_us": {"p50": acknowledged_us, **tail}}


FOUND: dict[str, dict[str, Any]] = {
    "order_path": {
        "rows": {
            "raw ccxt REST": row(400, 1_000),
            "ours": row(750, 1_000),
            "ours, journal on disk": row(1_100, 1_500),
            "ours, no journal": row(600, 900),
            "ours, no risk check": row(700, 950),
        },
        "fdatasync_us": {"p50": 500, "p99": 900, "p99.9": 1_000, "count": 2_000},
    },
    "stream_state": {"delay_us": {"p50": 900, "p99": 5_000, "p99.9": 9_000}, "events_per_second": 200.0},
    "life": {
        "starts": [
            {"past_orders": past, "reconciled_seconds": [0.9, seconds], "ready_seconds": [2.5, 1.0]}
            for past, seconds in ((0, 1.5), (104, 2.0), (16_400, 6.0))
        ],
        "memory": {"last_mb": 130.0, "slope_mb_per_hour": 0.5, "orders": 16_400.0},
    },
    "error_reports": {
        name: {"acknowledged_us": {"p50": p50, "p99": 9e9}, "line_us": {"p50": 9e9}}
        for name, p50 in (("no reports", 1_000), ("server refuses", 1_100), ("server is silent", 1_100))
    },
    "venue_load": {
        name: {"orders_per_second": 1_000, "low_rate": {"p50_ms": 0.6}} for name in ("rest", "ws")
    },
}


def figures_of(found: dict[str, dict[str, Any]]) -> dict[str, Figure]:
    """What the parts make of what the programs found."""
    parts = [orders.order_path(found["order_path"]), orders.stream_state(found["stream_state"])]
    parts += [orders.life(found["life"]), orders.error_reports(found["error_reports"])]
    parts += [orders.emulator(found["venue_load"])]
    made = [figure for part in parts for figure in part]
    assert len({figure.name for figure in made}) == len(made), "a name stands for one figure"
    return {figure.name: figure for figure in made}


def test_every_promise_about_orders_is_held_at_its_bound() -> None:
    figures = figures_of(FOUND)
    assert [figure.name for figure in figures.values() if not figure.held] == []
    assert len([figure for figure in figures.values() if figure.bound]) == 15
    assert figures["signal to bytes p50, cost of the risk check"].value == 50
    assert figures["signal to bytes p50, cost of the journal"].value == 150
    assert figures["acknowledged, ours, p99.9"].value == 9e9


@pytest.mark.parametrize(
    ("place", "value", "missed"),
    [
        (("order_path", "rows", "ours", "bytes_us", "p50"), 751, "ours - raw ccxt REST"),
        (("order_path", "rows", "ours", "acknowledged_us", "p50"), 1_001, "ours / raw ccxt REST"),
        (("order_path", "fdatasync_us", "p50"), 499, "durable on disk adds"),
        (("stream_state", "delay_us", "p99"), 5_001, "event to state p99"),
        (("stream_state", "events_per_second"), 190, "events per second"),
        (("life", "starts", 0, "reconciled_seconds", 0), 1.6, "0 past orders"),
        (("life", "starts", 1, "reconciled_seconds", 0), 2.1, "104 past orders"),
        (("life", "starts", 2, "reconciled_seconds", 0), 6.1, "16400 past orders"),
        (("life", "starts", 0, "ready_seconds", 1), 2.6, "start to ready"),
        (("life", "memory", "last_mb"), 130.1, "memory after"),
        (("life", "memory", "slope_mb_per_hour"), 9, "slope"),
        (("error_reports", "server refuses", "acknowledged_us", "p50"), 1_101, "refuses / no reports"),
        (("error_reports", "server is silent", "acknowledged_us", "p50"), 1_101, "silent / no reports"),
        (("venue_load", "rest", "orders_per_second"), 999, "REST, orders"),
        (("venue_load", "ws", "orders_per_second"), 999, "WS, orders"),
    ],
)
def test_each_promise_about_orders_can_be_missed(
    place: tuple[str | int, ...], value: float, missed: str
) -> None:
    found = copy.deepcopy(FOUND)
    part: Any = found
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    names = [figure.name for figure in figures_of(found).values() if not figure.held]
    assert len(names) == 1
    assert missed in names[0]


def test_a_program_without_a_result_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(orders, "DISK", tmp_path)
    monkeypatch.setattr(program, "run", lambda *words, **named: Done([], 0, ["some noise"], 1.0))
    with pytest.raises(OperatorError, match=r"benchmarks\.order_path printed no result"):
        orders.orders()
