"""Pace, bounds and manners of the quoter, with a view of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trader.support import BTC, make_order
from trader.model.intents import Cancel, Intent, Place
from trader.model.orders import Order
from trader.model.transitions import OrderState
from trader.model.values import Instrument, OrderKind, Quote, Side
from trader.strategy.base import StrategyError
from trader.strategy.quoter import Parameters, Quoter

MID = Decimal(60_000)
SECOND_NS = 1_000_000_000


@dataclass
class Market:
    """A view."""

    held: Decimal = Decimal(0)
    live: list[Order] = field(default_factory=list)
    quoted: bool = True

    def quote(self, symbol: str) -> Quote | None:
        return Quote(symbol, MID - 1, MID + 1, 1) if self.quoted else None

    def instrument(self, symbol: str) -> Instrument:
        return BTC

    def orders(self, symbol: str) -> Sequence[Order]:
        return self.live

    def position(self, symbol: str) -> Decimal:
        return self.held

    def accept(self, intents: list[Intent], state: OrderState = OrderState.OPEN) -> None:
        """Do at once what is asked, as a fast venue does."""
        cancelled = {intent.client_id for intent in intents if isinstance(intent, Cancel)}
        self.live = [order for order in self.live if order.client_id not in cancelled]
        for intent in intents:
            if isinstance(intent, Place) and intent.kind is OrderKind.LIMIT:
                name = f"trader-01-1-{intent.signal_ns}"
                placed = {"side": intent.side, "price": intent.price, "slot": intent.slot}
                self.live.append(make_order(name, state, **placed))


def quoter(**parameters: Any) -> Quoter:
    return Quoter(Parameters(**parameters), ["BTC/USDT"])


def places(intents: list[Intent]) -> list[Place]:
    return [intent for intent in intents if isinstance(intent, Place)]


def test_one_order_leaves_per_beat_and_the_book_stays_small() -> None:
    strategy, market, sent = quoter(levels=2, take_interval_seconds=0), Market(), 0
    for beat in range(40):
        intents = strategy.on_timer(market, beat)
        sent += len(places(intents))
        market.accept(intents)
        assert len(market.live) <= 4
    assert sent == 40
    assert sorted(order.side for order in market.live) == [Side.BUY] * 2 + [Side.SELL] * 2


def test_the_default_pace_is_between_four_and_five_orders_a_second() -> None:
    strategy, market, sent = quoter(), Market(), 0
    beats = int(60 / strategy.interval_seconds)
    for beat in range(beats):
        now_ns = int(beat * strategy.interval_seconds * SECOND_NS)
        intents = strategy.on_timer(market, now_ns)
        sent += len(places(intents))
        market.accept(intents)
    assert 4 * 60 <= sent <= 5 * 60


@given(st.sampled_from(Side), st.integers(min_value=0, max_value=1_000))
def test_quotes_are_passive_and_on_the_grid(side: Side, seed: int) -> None:
    strategy = quoter(seed=seed, levels=3, take_interval_seconds=0)
    for beat in range(12):
        for place in places(strategy.on_timer(Market(), beat)):
            assert place.price is not None
            assert place.price % BTC.tick_size == 0
            assert place.side.sign * (MID - place.price) > 0
            assert place.quantity == Decimal("0.001")


def test_a_slot_whose_order_has_no_answer_gets_no_second_one() -> None:
    strategy, market = quoter(levels=1, take_interval_seconds=0), Market()
    for beat in range(20):
        market.accept(strategy.on_timer(market, beat), OrderState.UNKNOWN)
    assert len(market.live) == 2


@pytest.mark.parametrize(("held", "side"), [("0.005", Side.SELL), ("-0.005", Side.BUY)])
def test_at_the_bound_it_only_reduces(held: str, side: Side) -> None:
    strategy, market = quoter(take_interval_seconds=1), Market(Decimal(held))
    sent = [place for beat in range(20) for place in places(strategy.on_timer(market, beat * SECOND_NS))]
    assert {place.side for place in sent} == {side}
    assert {place.kind for place in sent} == {OrderKind.LIMIT, OrderKind.MARKET}


def test_it_takes_every_so_often() -> None:
    strategy, market = quoter(take_interval_seconds=2), Market()
    takes = [
        place
        for second in range(11)
        for place in places(strategy.on_timer(market, second * SECOND_NS))
        if place.kind is OrderKind.MARKET
    ]
    assert len(takes) == 5
    assert all(place.price is None for place in takes)


def test_the_same_seed_makes_the_same_decisions() -> None:
    def decisions(seed: int) -> list[list[Intent]]:
        strategy = quoter(seed=seed, take_interval_seconds=1)
        return [strategy.on_timer(Market(), second * SECOND_NS) for second in range(20)]

    assert decisions(1) == decisions(1)
    assert decisions(1) != decisions(2)


def test_orders_of_an_earlier_process_are_cancelled() -> None:
    market = Market(live=[make_order("trader-01-1-9", OrderState.OPEN)])
    assert Cancel("trader-01-1-9") in quoter().on_timer(market, 0)


def test_without_a_quote_it_only_cleans_up() -> None:
    assert quoter(take_interval_seconds=1).on_timer(Market(quoted=False), 5 * SECOND_NS) == []


def test_an_order_that_the_venue_would_refuse_names_the_setting() -> None:
    with pytest.raises(StrategyError, match=r"^strategy\.parameters\.order_size: 0\.00001 BTC is less"):
        quoter(order_size="0.00001").on_timer(Market(), 0)
