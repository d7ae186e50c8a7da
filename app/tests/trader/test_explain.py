"""Any number of the last fills explains a balance; nothing else does."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from trader.model.orders import total_changes
from trader.reconcile.explain import drift_usd, holding_differences

amounts = st.decimals(min_value=-100, max_value=100, places=4)
change = st.dictionaries(st.sampled_from(["BTC", "USDT", "BNB"]), amounts, max_size=3)
BASELINE = {"BTC": Decimal(1_000), "USDT": Decimal(1_000)}


def usd(key: str, amount: Decimal) -> Decimal | None:
    return {"BTC": amount * 60_000, "USDT": amount}.get(key)


def balances_after(changes: list[dict[str, Decimal]]) -> dict[str, Decimal]:
    total = total_changes([BASELINE, *changes])
    return {asset: amount for asset, amount in total.items() if amount != 0}


@given(st.lists(change, max_size=6), st.integers(min_value=0, max_value=6))
def test_a_picture_from_between_two_fills_is_explained(fills: list[dict[str, Decimal]], seen: int) -> None:
    venue = balances_after(fills[:seen])
    assert holding_differences(venue, BASELINE, total_changes(fills), fills, usd) == []


@given(st.lists(change, max_size=6), amounts.filter(lambda amount: amount != 0))
def test_money_that_nothing_explains_is_a_difference(fills: list[dict[str, Decimal]], lost: Decimal) -> None:
    venue = balances_after(fills)
    venue["XRP"] = lost
    [difference] = holding_differences(venue, BASELINE, total_changes(fills), [], usd)
    assert difference.kind == "balance"
    assert difference.text.startswith("XRP: ")


def test_a_part_that_cannot_be_valued_makes_the_whole_unknown() -> None:
    known = holding_differences({"USDT": Decimal(5)}, {}, {}, [], usd)
    both = holding_differences({"USDT": Decimal(-5), "XRP": Decimal(1)}, {}, {}, [], usd)
    assert drift_usd(known) == 5
    assert drift_usd(both) is None
    assert drift_usd([]) == 0


def test_a_fill_from_before_the_question_does_not_explain() -> None:
    fill = {"BTC": Decimal(1)}
    [difference] = holding_differences(BASELINE, BASELINE, fill, [], usd)
    assert difference.text == "BTC: 1000 there, 1001 here (USD 60000.00)"
    assert difference.usd == 60_000
