"""The form of benchmarks: a table, a JSON file, and exit 1 when a bound is missed."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.bench import cli
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
    assert "'nothing' is not 'converge'" in result.output
