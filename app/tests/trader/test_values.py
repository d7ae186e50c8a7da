from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.trader.support import BTC
from trader.model.values import Quote, Side

amounts = st.decimals(min_value=Decimal("0.01"), max_value=Decimal(10**6), places=6)


@given(amounts, st.sampled_from(Side))
def test_a_passive_price_is_on_the_grid_and_never_more_aggressive(price: Decimal, side: Side) -> None:
    placed = BTC.passive_price(price, side)
    assert placed % BTC.tick_size == 0
    assert side.sign * (price - placed) >= 0
    assert abs(price - placed) < BTC.tick_size


@given(amounts)
def test_a_quantity_is_cut_to_the_lot_grid(quantity: Decimal) -> None:
    cut = BTC.quantity(quantity)
    assert cut % BTC.step_size == 0
    assert 0 <= quantity - cut < BTC.step_size


def test_the_mid_is_between() -> None:
    assert Quote("BTC/USDT", Decimal(10), Decimal(11), 1).mid == Decimal("10.5")
