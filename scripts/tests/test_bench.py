"""The form of benchmarks: a table, a JSON file, and exit 1 when a bound is missed."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.bench import cli, orders
from ops.bench.figures import Figure, show


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
    monkeypatch.setitem(cli.BENCHMARKS, "converge", lambda: [Figure("a", value, "s", at_most=2)])
    assert CliRunner().invoke(cli.main, ["converge"]).exit_code == status


def test_an_unknown_benchmark_is_named() -> None:
    result = CliRunner().invoke(cli.main, ["nothing"])
    assert result.exit_code == 2
    assert "'nothing' is not one of 'converge', 'orders'" in result.output


def test_the_figures_of_orders_are_differences_and_ratios_of_one_run() -> None:
    def row(wire: float, done: float) -> dict[str, dict[str, float]]:
        return {
            key: {"p50": p50, "p99": 2 * p50, "p99.9": 3 * p50}
            for key, p50 in (("wire", wire), ("acknowledged", done))
        }

    rows = {orders.RAW: row(0.5, 2.0), orders.OURS: row(0.8, 1.5), orders.DISK: row(1.5, 2.5)}
    way = {"rows": rows, "risk check": {"p50": 0.02}, "fdatasync": {"p50": 0.5}}
    bounded = [figure for figure in orders.of_way(way) if figure.at_most is not None]
    assert [round(figure.value, 3) for figure in bounded] == [0.3, 0.75, 2.0]
    assert [figure.held for figure in bounded] == [True, True, False]


def test_the_figures_of_a_life_have_the_bounds_that_were_promised() -> None:
    starts = {past: {"reconciled": 1.0, "trading": 3.0} for past in orders.RECONCILED_SECONDS}
    memory = {"orders": 1, "resident_mb": 90.0, "slope_mb_per_hour": 1.0}
    life = {"restarts": starts, "stream": {"p50": 1.0, "p99": 6.0, "missing": 0}, "memory": memory}
    missed = [figure.name for figure in orders.of_life(life) if not figure.held]
    assert missed == ["start to ready", "stream event to state at 200 events/s: p99"]
