"""Random days: the identity of profit and loss is exact, every planted discrepancy is found, and none is
invented.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trader.eod.compare import Discrepancy, Side, compare
from trader.eod.pnl import day_result
from trader.model.orders import asset_changes, total_changes
from trader.model.values import Fill, Instrument, Payment
from trader.model.values import Side as Direction

SPOT = Instrument("BTC/USDT", "BTC", "USDT", Decimal("0.01"), Decimal("0.00001"), Decimal(5))
PERP = Instrument(
    "ETH/USDT:USDT", "ETH", "USDT", Decimal("0.01"), Decimal("0.001"), Decimal(5), settle="USDT"
)
INSTRUMENTS = {one.symbol: one for one in (SPOT, PERP)}
MARKS = {"USDT": Decimal(1), "BTC": Decimal(60_000), "BNB": Decimal(600), PERP.symbol: Decimal(3_000)}
START = {"USDT": Decimal(100_000), "BTC": Decimal(2), "BNB": Decimal(10)}


def value(key: str, amount: Decimal) -> Decimal | None:
    return amount * MARKS[key]


@dataclass(frozen=True)
class Truth:
    """What really happened."""

    fills: tuple[Fill, ...]
    payments: tuple[Payment, ...]

    def holdings(self) -> dict[str, Decimal]:
        changes = [asset_changes(fill, INSTRUMENTS[fill.symbol]) for fill in self.fills]
        return total_changes([START, *changes, *({paid.asset: paid.amount} for paid in self.payments)])

    def side(self) -> Side:
        return Side(self.fills, self.payments, self.holdings())


amounts = st.decimals("0.00001", "3", places=5)
prices = st.decimals("50", "70000", places=2)
fees = st.tuples(st.sampled_from(["BTC", "USDT", "BNB", None]), st.decimals("0", "2", places=8))


@st.composite
def fills(draw: st.DrawFn, number: int) -> Fill:
    symbol = draw(st.sampled_from([SPOT.symbol, PERP.symbol]))
    asset, fee = draw(fees)
    return Fill(
        symbol=symbol,
        trade_id=str(number),
        venue_order_id=str(draw(st.integers(1, 4))),  # few orders: most are filled in parts
        side=draw(st.sampled_from(list(Direction))),
        quantity=draw(amounts),
        price=draw(prices),
        fee=Decimal(0) if asset is None else fee,
        fee_asset="USDT" if symbol == PERP.symbol and asset is not None else asset,
        at_ms=number,
        realized=draw(st.decimals("-50", "50", places=8)) if symbol == PERP.symbol else Decimal(0),
    )


@st.composite
def days(draw: st.DrawFn) -> Truth:
    count = draw(st.integers(0, 12))
    paid = draw(st.integers(0, 3))
    return Truth(
        tuple(draw(fills(number)) for number in range(count)),
        tuple(
            Payment(PERP.symbol, f"p{number}", "USDT", draw(st.decimals("-5", "5", places=8)), number)
            for number in range(paid)
        ),
    )


@settings(max_examples=1_000, deadline=None)
@given(days(), st.decimals("-3", "3", places=5), prices, prices)
def test_profit_and_loss_is_exact(day: Truth, opening: Decimal, start: Decimal, end: Decimal) -> None:
    for symbol in INSTRUMENTS:
        own = [fill for fill in day.fills if fill.symbol == symbol]
        result = day_result(symbol, opening, start, own, end)
        assert result.identity_error == 0
        assert result.fifo.total == result.average.total
        assert result.fifo.position == Fraction(opening) + sum(
            (fill.side.sign * Fraction(fill.quantity) for fill in own), Fraction(0)
        )
        # Against the balances: what the fills did to the cash, fees apart, is the cash of the result.
        if symbol == SPOT.symbol:
            changes = total_changes(
                asset_changes(replace(fill, fee_asset=None), INSTRUMENTS[symbol]) for fill in own
            )
            assert Fraction(changes.get("USDT", Decimal(0))) == result.cash


@settings(max_examples=500, deadline=None)
@given(days())
def test_nothing_is_invented(day: Truth) -> None:
    assert compare(day.side(), day.side(), INSTRUMENTS, value) == []


Planted = tuple[Side, Side, Counter[str]]


def plant(day: Truth, chance: random.Random) -> Planted:
    """What the journal has, what the venue has, and the kinds and keys of what was planted between them."""
    ours, paid = list(day.fills), list(day.payments)
    planted: Counter[str] = Counter()
    for fill in day.fills:
        match chance.randrange(8):
            case 0:
                ours.remove(fill)
                planted[f"missing_fill {fill.trade_id}"] += 1
            case 1:
                ours.append(fill)
                planted[f"duplicate_fill {fill.trade_id}"] += 1
            case 2:
                ours[ours.index(fill)] = replace(fill, quantity=fill.quantity + Decimal("0.00001"))
                planted[f"changed_fill {fill.trade_id}"] += 1
            case _:
                pass
    if chance.random() < 0.3:
        extra = Fill(SPOT.symbol, "900", "9", Direction.BUY, Decimal(1), Decimal(100), Decimal(0), None, 1)
        ours.append(extra)
        planted["unknown_fill 900"] += 1
    for payment in day.payments:
        match chance.randrange(4):
            case 0:
                paid.remove(payment)
                planted[f"missing_funding {payment.payment_id}"] += 1
            case 1:
                paid[paid.index(payment)] = replace(payment, amount=payment.amount + 1)
                planted[f"changed_funding {payment.payment_id}"] += 1
            case _:
                pass
    changes = [asset_changes(fill, INSTRUMENTS[fill.symbol]) for fill in ours]
    held = total_changes([START, *changes, *({one.asset: one.amount} for one in paid)])
    there = dict(day.holdings())
    if chance.random() < 0.4:  # somebody moved money, or it is gone
        asset = chance.choice(list(START))
        there[asset] = there.get(asset, Decimal(0)) + chance.choice([Decimal("-0.5"), Decimal(3)])
        planted[f"balance {asset}"] += 1
    return Side(ours, paid, held), Side(day.fills, day.payments, there), planted


@settings(max_examples=1_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(days(), st.integers(0, 2**32))
def test_every_planted_discrepancy_is_found_and_no_other(day: Truth, seed: int) -> None:
    ours, theirs, planted = plant(day, random.Random(seed))
    found = compare(ours, theirs, INSTRUMENTS, value)
    assert Counter(f"{one.kind} {one.key}" for one in found) == planted
    assert all(one.usd is not None and one.usd >= 0 for one in found)


def only(ours: Side, theirs: Side) -> Discrepancy:
    (found,) = compare(ours, theirs, INSTRUMENTS, value)
    return found


ONE = Fill(SPOT.symbol, "1", "7", Direction.BUY, Decimal("0.5"), Decimal(60_000), Decimal(1), "BNB", 1)


@pytest.mark.parametrize(
    ("change", "usd"),
    [
        (lambda fill: [], Decimal(30_000)),
        (lambda fill: [replace(fill, price=Decimal(60_001))], Decimal("0.5")),
        (lambda fill: [replace(fill, fee=Decimal(2))], Decimal(600)),
        (lambda fill: [fill, fill], Decimal(30_000)),
    ],
)
def test_what_it_is_worth(change: Callable[[Fill], list[Fill]], usd: Decimal) -> None:
    ours = change(ONE)
    held = total_changes([START, *(asset_changes(fill, SPOT) for fill in ours)])
    assert only(Side(ours, [], held), Truth((ONE,), ()).side()).usd == usd


def test_orders_that_are_open_on_one_side() -> None:
    ours = Side([], [], {}, frozenset({"a", "b"}))
    theirs = Side([], [], {}, frozenset({"b", "c"}))
    found = compare(ours, theirs, INSTRUMENTS, value)
    assert [(one.kind, one.key) for one in found] == [("open_there", "c"), ("open_here", "a")]


def test_an_amount_that_cannot_be_valued_is_not_worth_nothing() -> None:
    found = compare(
        Side([], [], {}), Side([], [], {"XYZ": Decimal(1)}), INSTRUMENTS, lambda key, amount: None
    )
    assert [one.usd for one in found] == [None]


def test_a_short_position_that_is_turned() -> None:
    def fill(number: int, side: Direction, quantity: str, price: str) -> Fill:
        return replace(ONE, trade_id=str(number), side=side, quantity=Decimal(quantity), price=Decimal(price))

    trades = [
        fill(1, Direction.SELL, "3", "110"),  # closes 1 that cost 100, opens 2 short at 110
        fill(2, Direction.BUY, "1", "100"),  # closes 1 short
        fill(3, Direction.BUY, "2", "120"),  # closes 1 short at a loss, opens 1 long
    ]
    result = day_result(SPOT.symbol, Decimal(1), Decimal(100), trades, Decimal(130))
    for way in (result.fifo, result.average):
        assert [way.realised, way.unrealised] == [Fraction(10 + 10 - 10), Fraction(10)]
    assert result.identity_error == 0
