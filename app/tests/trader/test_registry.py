"""Strategies are found by entry point; ours also without any installed metadata."""

import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.trader.support import APP
from trader import strategy
from trader.strategy import StrategyError
from trader.strategy.quoter import Quoter
from trader.strategy.registry import BUILT_IN, GROUP, STRATEGIES, load, table
from trader.strategy.twap import Twap

TWAP = {"symbol": "BTC/USDT", "side": "buy", "quantity": "0.1", "duration_seconds": 100, "slices": 10}


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


def test_the_project_declares_what_is_built_in() -> None:
    project = tomllib.loads((APP / "pyproject.toml").read_text())["project"]
    assert project["entry-points"][GROUP] == BUILT_IN


@pytest.mark.parametrize(("name", "parameters", "kind"), [("quoter", {}, Quoter), ("twap", TWAP, Twap)])
def test_ours_load(name: str, parameters: dict[str, Any], kind: type) -> None:
    assert isinstance(strategy.load(name, parameters, ["BTC/USDT"]), kind)
    assert name in STRATEGIES


def test_ours_load_from_a_tree_without_metadata(tmp_path: Path) -> None:
    program = "import trader.strategy as s; print(type(s.load('quoter', {}, ['BTC/USDT'])).__name__)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(APP)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "Quoter\n"


def test_wrong_parameters_are_those_of_the_strategy() -> None:
    with pytest.raises(ValidationError, match="levels"):
        load("quoter", {"levels": 0}, ["BTC/USDT"])
    with pytest.raises(ValidationError, match="'BTC/USDT' is not traded; symbols: ETH/USDT"):
        load("twap", TWAP, ["ETH/USDT"])


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(StrategyError, match=r"'oracle' is no strategy; there are: .*quoter, twap"):
        load("oracle", {}, ["BTC/USDT"])


def test_another_package_may_offer_one() -> None:
    found = table([point("mine", "trader.strategy.quoter:make")])
    assert isinstance(load("mine", {}, ["BTC/USDT"], found), Quoter)
    assert set(found) == {"mine", "quoter", "twap"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("trader.nowhere:make", "ModuleNotFoundError: No module named 'trader.nowhere'"),
        ("trader.strategy.quoter:nothing", "AttributeError: .*nothing"),
        ("broken_strategy:make", "ZeroDivisionError: division by zero"),
    ],
)
def test_code_that_cannot_be_loaded_is_one_line(
    value: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_strategy.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(
        StrategyError, match=rf"^strategy\.name: 'mine' \({value}\) cannot be loaded: {reason}"
    ) as caught:
        load("mine", {}, ["BTC/USDT"], table([point("mine", value)]))
    assert "\n" not in str(caught.value)


def test_the_same_declaration_twice_is_one_and_another_is_refused() -> None:
    again = table([point("quoter", BUILT_IN["quoter"])])
    assert isinstance(load("quoter", {}, ["BTC/USDT"], again), Quoter)
    clash = table([point("quoter", "other.package:make")])
    with pytest.raises(
        StrategyError, match=r"'quoter' is declared as trader\.strategy\.quoter:make and other"
    ):
        load("quoter", {}, ["BTC/USDT"], clash)
