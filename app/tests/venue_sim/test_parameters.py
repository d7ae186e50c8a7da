"""How parameters are read, and each way in which they are refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venue_sim.errors import VenueError
from venue_sim.parameters import Parameters


def refusal(value: str, getter: str = "decimal") -> int:
    with pytest.raises(VenueError) as refused:
        getattr(Parameters(x=value), getter)("x")
    return refused.value.code


@given(st.integers(0, 10**18), st.integers(0, 8))
def test_amounts_are_exact(units: int, decimals: int) -> None:
    text = f"{Decimal(units).scaleb(-decimals):f}"
    assert Parameters(x=text).decimal("x") == Decimal(text)


ARABIC_ONE = "\u0661"


@pytest.mark.parametrize(
    "text", ["1e3", "-1", "+1", " 1", "1.", ".5", "1,0", "NaN", "Infinity", "0x1", "1\n", ARABIC_ONE]
)
def test_amounts_with_other_characters(text: str) -> None:
    assert refusal(text) == -1100


def test_amounts_with_too_many_decimals() -> None:
    assert refusal("0.000000001") == -1111
    assert Parameters(x="0.1000000000").decimal("x") == Decimal("0.1")
    assert Parameters(x="100000000000").decimal("x") == 100_000_000_000


def test_empty_and_absent() -> None:
    assert refusal("") == -1105
    assert refusal("", "integer") == -1105
    assert Parameters().decimal("x") is None
    with pytest.raises(VenueError, match=r"-1102 Mandatory parameter 'symbol'"):
        Parameters().symbol()


@pytest.mark.parametrize(
    ("text", "good"), [("a" * 36, True), ("a" * 37, False), ("h-1_1.A:/", True), ("a b", False)]
)
def test_client_ids(text: str, good: bool) -> None:
    if good:
        assert Parameters(x=text).client_id("x") == text
    else:
        assert refusal(text, "client_id") == -1100


def test_limit() -> None:
    assert Parameters().limit(500, 1000) == 500
    assert Parameters(limit="0").limit(500, 1000) == 500
    assert Parameters(limit="7").limit(500, 1000) == 7
    assert Parameters(limit="9999").limit(500, 1000) == 1000
