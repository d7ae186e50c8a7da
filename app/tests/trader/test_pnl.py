"""P&L since midnight against the plain difference of two equities."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trader.support import BTC, make_fill
from trader.model.values import Fill, Instrument, Payment, Side
from trader.risk import DailyPnl
from trader.risk.pnl import DAY_MS, Opening, flows_of, utc_day

D = Decimal
DAY = date(2026, 3, 2)
NOTHING: dict[str, Decimal] = {}
MIDNIGHT_MS = (DAY.toordinal() - date(1970, 1, 1).toordinal()) * DAY_MS
PERP = replace(BTC, symbol="BTC/USDT:USDT", settle="USDT", contract_size=D("0.5"))
ETHBTC = replace(BTC, symbol="ETH/BTC", base="ETH", quote="BTC")
INSTRUMENTS = {one.symbol: one for one in (BTC, PERP, ETHBTC)}
USD = {"USDT": D(1), "BTC": D(60_000), "ETH": D(3_000), "BNB": D(600), "BTC/USDT:USDT": D(60_000)}


def trade(
    side: Side = Side.BUY,
    quantity: str = "1",
    price: str = "60000",
    at_ms: int = MIDNIGHT_MS,
    **fields: Any,
) -> Fill:
    values: dict[str, Any] = {"side": side, "price": D(price), "at_ms": at_ms, "fee": D(0), "fee_asset": None}
    return make_fill(quantity=quantity, **values | fields)


def paid(amount: str, at_ms: int = MIDNIGHT_MS, asset: str = "USDT") -> Payment:
    return Payment(PERP.symbol, "1", asset, D(amount), at_ms)


def pnl(**opening: str) -> DailyPnl:
    return DailyPnl(DAY, {key: Opening(D(amount), USD[key]) for key, amount in opening.items()})


@pytest.mark.parametrize(
    ("at_ms", "day"),
    [
        (MIDNIGHT_MS, DAY),
        (MIDNIGHT_MS - 1, date(2026, 3, 1)),
        (MIDNIGHT_MS + DAY_MS - 1, DAY),
        (0, date(1970, 1, 1)),
    ],
)
def test_days_are_utc(at_ms: int, day: date) -> None:
    assert utc_day(at_ms) == day


def test_nothing_held_and_nothing_done_is_zero() -> None:
    assert pnl().value(MIDNIGHT_MS, NOTHING.get) == 0


def test_bought_and_risen() -> None:
    state = pnl()
    state.fill(trade(quantity="2"), BTC, USD.get)
    assert state.value(MIDNIGHT_MS, (USD | {"BTC": D(60_100)}).get) == 200


def test_what_was_held_at_midnight_counts_from_its_price_then() -> None:
    assert pnl(BTC="-2").value(MIDNIGHT_MS, (USD | {"BTC": D(60_100)}).get) == -200


def test_realised_and_unrealised_and_a_fee_in_a_third_asset() -> None:
    state = pnl()
    state.fill(trade(quantity="2", price="60000", fee=D("0.5"), fee_asset="BNB"), BTC, USD.get)
    state.fill(trade(Side.SELL, quantity="1", price="60300"), BTC, USD.get)
    assert state.value(MIDNIGHT_MS, (USD | {"BTC": D(60_100)}).get) == 300 + 100 - 300 == 100


def test_a_derivative_is_realised_plus_position_times_mark_minus_entry() -> None:
    state = pnl()
    state.fill(trade(quantity="2", price="60000", fee=D(3), fee_asset="USDT"), PERP, USD.get)
    state.fill(trade(quantity="2", price="61000"), PERP, USD.get)
    state.fill(trade(Side.SELL, quantity="1", price="62000"), PERP, USD.get)
    entry = D(60_500)
    realised, unrealised = 62_000 - entry, 3 * (61_500 - entry)
    now = (USD | {"BTC/USDT:USDT": D(61_500)}).get
    assert state.value(MIDNIGHT_MS, now) == realised + unrealised - 3


@pytest.mark.parametrize("missing", ["BTC", "BNB"])
def test_a_missing_mark_is_no_number(missing: str) -> None:
    state = pnl()
    state.fill(trade(fee=D("0.5"), fee_asset="BNB"), BTC, USD.get)
    known = {key: value for key, value in USD.items() if key != missing}
    assert state.value(MIDNIGHT_MS, known.get) is None
    assert state.value(MIDNIGHT_MS, USD.get) == -300


def test_what_was_sold_off_needs_no_mark() -> None:
    state = pnl()
    state.fill(trade(), BTC, USD.get)
    state.fill(trade(Side.SELL, price="60001"), BTC, USD.get)
    assert state.value(MIDNIGHT_MS, {"USDT": D(1)}.get) == 1


def test_a_new_day_counts_from_its_own_midnight() -> None:
    state = pnl()
    state.fill(trade(), BTC, USD.get)
    at_night = (USD | {"BTC": D(61_000)}).get
    assert state.value(MIDNIGHT_MS + DAY_MS - 1, at_night) == 1_000
    assert state.roll(MIDNIGHT_MS + DAY_MS - 1, at_night) is False
    assert state.roll(MIDNIGHT_MS + DAY_MS, at_night) is True
    assert state.value(MIDNIGHT_MS + DAY_MS, at_night) == 0
    assert state.value(MIDNIGHT_MS + DAY_MS, (USD | {"BTC": D(61_001)}).get) == 1
    assert state.roll(MIDNIGHT_MS, at_night) is False, "a day never comes again"
    assert state.day == date(2026, 3, 3)


def test_a_midnight_without_marks_takes_the_first_ones() -> None:
    state = pnl()
    state.fill(trade(), BTC, USD.get)
    after_ms = MIDNIGHT_MS + DAY_MS
    assert state.value(after_ms, {"USDT": D(1)}.get) is None
    assert state.value(after_ms, (USD | {"BTC": D(62_000)}).get) == 0
    assert state.value(after_ms, (USD | {"BTC": D(62_005)}).get) == 5


def test_a_late_fill_belongs_to_its_own_day() -> None:
    state = pnl(BTC="1")
    now = (USD | {"BTC": D(60_010)}).get
    assert state.value(MIDNIGHT_MS, now) == 10
    # Bought yesterday at 50000: yesterday's profit. Today it is one more that rose by 10.
    state.fill(trade(price="50000", at_ms=MIDNIGHT_MS - 1), BTC, now)
    assert state.value(MIDNIGHT_MS, now) == 20
    # The same today is today's profit.
    state.fill(trade(price="50000"), BTC, now)
    assert state.value(MIDNIGHT_MS, now) == 20 + 10_010


def test_funding_is_profit_or_loss_of_its_own_day() -> None:
    state = pnl()
    state.pay(paid("-3"), USD.get)
    state.pay(paid("0.0001", asset="BTC"), USD.get)
    assert state.value(MIDNIGHT_MS, USD.get) == -3 + 6
    state.pay(paid("-100", MIDNIGHT_MS - 1), USD.get)
    assert state.value(MIDNIGHT_MS, USD.get) == -3 + 6, "yesterday's loss"
    state.pay(paid("5", MIDNIGHT_MS + DAY_MS), USD.get)
    assert state.day == date(2026, 3, 3)
    assert state.value(MIDNIGHT_MS + DAY_MS, USD.get) == 5


def test_a_fill_may_be_the_first_to_tell_of_a_new_day() -> None:
    state = pnl()
    state.fill(trade(at_ms=MIDNIGHT_MS + DAY_MS), BTC, USD.get)
    assert state.day == date(2026, 3, 3)
    assert state.value(MIDNIGHT_MS, (USD | {"BTC": D(60_001)}).get) == 1


def test_an_inverse_instrument_is_refused() -> None:
    with pytest.raises(ValueError, match="BTC/USDT: P&L of an inverse instrument"):
        flows_of(trade(), replace(BTC, settle="BTC"))


def test_a_journal_without_a_record_begins_with_what_it_holds() -> None:
    positions = {"BTC/USDT": D(1), "BTC/USDT:USDT": D(4), "ETH/USDT": D(9)}
    changes = {"BTC": D(1), "USDT": D(-60_000), "ETH": D(0)}
    state = DailyPnl.begin(MIDNIGHT_MS, changes, positions, INSTRUMENTS)
    assert {key: one.amount for key, one in state.opening.items()} == {
        "BTC": 1,
        "USDT": -60_000,
        "BTC/USDT:USDT": 4,
    }
    assert state.value(MIDNIGHT_MS, USD.get) == 0
    risen = USD | {"BTC": D(60_001), "BTC/USDT:USDT": D(60_010)}
    assert state.value(MIDNIGHT_MS, risen.get) == 1 + 40


class Account:
    """The plain way: balances, positions with average entries, equity in USD; fractions, so it is exact."""

    def __init__(self) -> None:
        self.balances: dict[str, Fraction] = {}
        self.position = Fraction(0)
        self.entry = Fraction(0)

    def add(self, asset: str, amount: Fraction) -> None:
        self.balances[asset] = self.balances.get(asset, Fraction(0)) + amount

    def trade(self, fill: Fill, instrument: Instrument) -> None:
        quantity, price = Fraction(fill.side.sign * fill.quantity), Fraction(fill.price)
        if instrument.settle is None:
            self.add(instrument.base, quantity)
            self.add(instrument.quote, -quantity * price)
        else:
            self.derivative(quantity, price, instrument.settle)
        if fill.fee_asset is not None:
            self.add(fill.fee_asset, -Fraction(fill.fee))

    def derivative(self, quantity: Fraction, price: Fraction, settle: str) -> None:
        if self.position * quantity < 0:
            closed = min(abs(quantity), abs(self.position)) * (1 if quantity < 0 else -1)
            self.add(settle, closed * (price - self.entry))
            if abs(quantity) > abs(self.position):
                self.entry = price
        else:
            held = self.position * self.entry + quantity * price
            self.entry = held / (self.position + quantity)
        self.position += quantity

    def equity(self, usd: Mapping[str, Decimal]) -> Fraction:
        spot = sum((amount * Fraction(usd[asset]) for asset, amount in self.balances.items()), Fraction(0))
        mark = Fraction(usd[PERP.symbol])
        return spot + self.position * (mark - self.entry)


prices = st.integers(1, 10_000).map(lambda units: D(units) / 100)
marks = st.fixed_dictionaries({"BTC": prices, "ETH": prices, "BNB": prices, PERP.symbol: prices})
fills = st.builds(
    lambda symbol, side, lots, price, fee, fee_asset: trade(
        side, str(D(lots) / 1_000), str(price), symbol=symbol, fee=D(fee) / 1_000, fee_asset=fee_asset
    ),
    st.sampled_from(sorted(INSTRUMENTS)),
    st.sampled_from(Side),
    st.integers(1, 5_000),
    prices,
    st.integers(0, 100),
    st.sampled_from(["BNB", "USDT", "BTC", None]),
)


payments = st.builds(
    lambda cents, asset: paid(str(D(cents) / 100), asset=asset),
    st.integers(-5_000, 5_000),
    st.sampled_from(["USDT", "BNB"]),
)
events = st.lists(fills | payments, max_size=15)


def happens(event: Fill | Payment, account: Account, state: DailyPnl, at_ms: int, usd: Any) -> None:
    """A fill or payment, in the plain way and in ours."""
    event = replace(event, at_ms=at_ms)
    if isinstance(event, Payment):
        account.add(event.asset, Fraction(event.amount))
        state.pay(event, usd)
    else:
        account.trade(event, INSTRUMENTS[event.symbol])
        state.fill(event, INSTRUMENTS[event.symbol], usd)


@given(events, events, marks, marks, st.integers(0, 30))
def test_it_equals_the_difference_of_equities(
    yesterday: list[Fill | Payment],
    today: list[Fill | Payment],
    at_midnight: dict[str, Decimal],
    now: dict[str, Decimal],
    restart_after: int,
) -> None:
    usd_then, usd_now = at_midnight | {"USDT": D(1)}, now | {"USDT": D(1)}
    account, state = Account(), DailyPnl(utc_day(MIDNIGHT_MS - DAY_MS))
    for event in yesterday:
        happens(event, account, state, MIDNIGHT_MS - 1, usd_then.get)
    state.roll(MIDNIGHT_MS, usd_then.get)
    before = account.equity(usd_then)
    for number, event in enumerate(today):
        if number == restart_after:
            state = DailyPnl.from_body(json.loads(json.dumps(state.to_body())))
        happens(event, account, state, MIDNIGHT_MS, usd_now.get)
    value = state.value(MIDNIGHT_MS, usd_now.get)
    assert value is not None
    assert Fraction(value) == account.equity(usd_now) - before


@given(st.lists(fills, max_size=8), st.booleans())
def test_it_survives_its_own_text(booked: list[Fill], rolled: bool) -> None:
    state = DailyPnl(DAY)
    for fill in booked:
        state.fill(fill, INSTRUMENTS[fill.symbol], NOTHING.get)
    if rolled:
        state.roll(MIDNIGHT_MS + DAY_MS, USD.get)
    assert DailyPnl.from_body(json.loads(json.dumps(state.to_body()))) == state
