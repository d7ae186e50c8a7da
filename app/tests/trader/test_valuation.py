"""What is worth what in USD; what is not known is never 0."""

from decimal import Decimal

import pytest

from tests.trader.support import BTC
from trader.model.values import Instrument, Quote
from trader.risk import Valuation
from trader.risk.valuation import STABLE, holding, is_linear

D = Decimal


def valuation(*quotes: tuple[str, str, str]) -> Valuation:
    return Valuation({symbol: Quote(symbol, D(bid), D(ask), 1) for symbol, bid, ask in quotes})


@pytest.mark.parametrize("asset", STABLE)
def test_a_stablecoin_is_one_dollar_by_policy(asset: str) -> None:
    assert valuation((f"{asset}/USD", "0.5", "0.5")).usd(asset) == 1


@pytest.mark.parametrize("stable", STABLE)
def test_an_asset_is_worth_its_mid(stable: str) -> None:
    assert valuation((f"BTC/{stable}", "59999", "60002")).usd("BTC") == D("60000.5")


@pytest.mark.parametrize(
    ("key", "quotes"),
    [
        ("BTC", []),
        ("BTC", [("ETH/USDT", "3000", "3001")]),
        ("BTC", [("BTC/EUR", "50000", "50001")]),
        ("BTC", [("BTC/USDT", "0", "0")]),
        ("BTC/USDT:USDT", [("BTC/USDT", "60000", "60000")]),
        ("BTC/ETH:ETH", [("BTC/ETH:ETH", "20", "20")]),
    ],
)
def test_unknown_is_none(key: str, quotes: list[tuple[str, str, str]]) -> None:
    assert valuation(*quotes).usd(key) is None
    assert valuation(*quotes).value(key, D(2)) is None
    assert valuation(*quotes).value(key, D(0)) == 0


def test_spot_is_asked_before_a_perpetual() -> None:
    both = [("BTC/USDT:USDT", "61000", "61000"), ("BTC/USDC", "60000", "60000")]
    assert valuation(*both).usd("BTC") == 60_000
    assert valuation(both[0]).usd("BTC") == 61_000
    assert valuation(*both).value("BTC", D("0.5")) == 30_000


@pytest.mark.parametrize("symbol", ["BTC/USDT:USDT", "BTC/USDT:USDT-261225"])
def test_a_derivative_has_its_own_price(symbol: str) -> None:
    assert valuation((symbol, "61000", "61002"), ("BTC/USDT", "1", "1")).usd(symbol) == 61_001


def test_a_derivative_that_pays_in_a_coin_is_worth_that_coin() -> None:
    quotes = [("ETH/BTC:BTC", "0.05", "0.05"), ("BTC/USDT", "60000", "60000")]
    assert valuation(*quotes).usd("ETH/BTC:BTC") == 3_000


def test_what_an_order_makes_us_hold() -> None:
    perpetual = Instrument("BTC/USDT:USDT", "BTC", "USDT", D(1), D(1), D(0), settle="USDT")
    inverse = Instrument("BTC/USD:BTC", "BTC", "USD", D(1), D(1), D(0), settle="BTC")
    assert (holding(BTC), holding(perpetual)) == ("BTC", "BTC/USDT:USDT")
    assert (is_linear(BTC), is_linear(perpetual), is_linear(inverse)) == (True, True, False)
