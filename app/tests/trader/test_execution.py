"""What fills cost against the market at the decision."""

from decimal import Decimal

import pytest

from trader.model.values import Quote, Side
from trader.orders.execution import KEPT, WINDOW_SECONDS, Slippage

QUOTE = Quote("BTC/USDT", Decimal(99), Decimal(101), 0)


@pytest.mark.parametrize(
    ("side", "price", "cost"),
    [(Side.BUY, "101", "100"), (Side.SELL, "99", "100"), (Side.BUY, "99", "-100"), (Side.SELL, "100", "0")],
)
def test_a_cost_is_positive(side: Side, price: str, cost: str) -> None:
    slippage = Slippage()
    slippage.decided("a", QUOTE)
    assert slippage.filled("a", side, Decimal(price), 0.0) == Decimal(cost)
    assert slippage.worst_bps(0.0) == max(Decimal(cost), Decimal(0))


def test_the_worst_of_the_last_minutes_is_told() -> None:
    slippage = Slippage()
    for name in ("a", "b"):
        slippage.decided(name, QUOTE)
    slippage.filled("a", Side.BUY, Decimal("101.5"), 0.0)
    slippage.filled("b", Side.BUY, Decimal("100.5"), 10.0)
    assert slippage.worst_bps(WINDOW_SECONDS) == 150
    assert slippage.worst_bps(WINDOW_SECONDS + 1) == 50
    assert slippage.worst_bps(WINDOW_SECONDS + 11) == 0


def test_without_a_quote_nothing_is_claimed() -> None:
    slippage = Slippage()
    slippage.decided("a", None)
    assert slippage.filled("a", Side.BUY, Decimal(500), 0.0) is None
    assert slippage.worst_bps(0.0) == 0


def test_old_decisions_are_forgotten() -> None:
    slippage = Slippage()
    for number in range(KEPT + 1):
        slippage.decided(str(number), QUOTE)
    assert slippage.filled("0", Side.BUY, Decimal(101), 0.0) is None
    assert slippage.filled("1", Side.BUY, Decimal(101), 0.0) is not None
