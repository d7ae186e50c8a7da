"""TWAP: its pace, its end, and that it never sends more than it was told to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.trader.support import BTC, make_order
from trader.model.intents import Cancel, Intent, Place
from trader.model.orders import Order
from trader.model.transitions import OrderState, Signal
from trader.model.values import Instrument, OrderKind, Quote, Side
from trader.strategy.base import StrategyError
from trader.strategy.twap import Parameters, Twap

D = Decimal
ZERO = D(0)
MID = D(60_000)
SECOND_NS = 1_000_000_000
VALUES: dict[str, Any] = {
    "symbol": "BTC/USDT",
    "side": "buy",
    "quantity": "0.01",
    "duration_seconds": 100,
    "slices": 10,
}


@dataclass
class Market:
    """A view, and a venue that does what the test says."""

    held: Decimal = ZERO
    live: list[Order] = field(default_factory=list)
    ended: list[Order] = field(default_factory=list)
    sent: list[Place] = field(default_factory=list)
    mid: Decimal | None = MID

    def quote(self, symbol: str) -> Quote | None:
        return None if self.mid is None else Quote(symbol, self.mid - 1, self.mid + 1, 1)

    def instrument(self, symbol: str) -> Instrument:
        return BTC

    def orders(self, symbol: str) -> Sequence[Order]:
        return list(self.live)

    def position(self, symbol: str) -> Decimal:
        return self.held

    def take(self, intents: list[Intent], *, refuse: bool = False) -> list[Place]:
        """Open what is wanted; a market order is filled at once."""
        for intent in intents:
            match intent:
                case Cancel(client_id):
                    for order in [order for order in self.live if order.client_id == client_id]:
                        self.end(order, Signal.CANCELED)
                case Place():
                    self.sent.append(intent)
                    if refuse:
                        continue
                    order = make_order(
                        f"trader-01-1-{len(self.sent)}",
                        OrderState.OPEN,
                        side=intent.side,
                        kind=intent.kind,
                        quantity=intent.quantity,
                        price=intent.price,
                        slot=intent.slot,
                    )
                    self.live.append(order)
                    if intent.kind is OrderKind.MARKET:
                        self.fill(order, order.quantity)
        return [intent for intent in intents if isinstance(intent, Place)]

    def end(self, order: Order, signal: Signal) -> None:
        order.signal(signal)
        self.live.remove(order)
        self.ended.append(order)

    def fill(self, order: Order, quantity: Decimal) -> None:
        order.filled += quantity
        self.held += order.side.sign * quantity
        if order.filled == order.quantity and order in self.live:
            self.end(order, Signal.FILLED)


def twap(**values: Any) -> Twap:
    return Twap(Parameters(**VALUES | values))


def run(strategy: Twap, market: Market, seconds: range, **how: Any) -> list[tuple[int, Decimal]]:
    """Tick once a second; returns when what was sent."""
    sent = []
    for second in seconds:
        placed = market.take(strategy.on_timer(market, second * SECOND_NS), **how)
        sent += [(second, place.quantity) for place in placed]
    return sent


@pytest.mark.parametrize("side", list(Side))
def test_equal_slices_at_equal_times(side: Side) -> None:
    strategy, market = twap(side=side), Market()
    assert run(strategy, market, range(200)) == [(10 * n, D("0.001")) for n in range(10)]
    assert market.held == side.sign * D("0.01")
    assert strategy.ended
    assert all(place.kind is OrderKind.MARKET and place.price is None for place in market.sent)


def test_lots_that_do_not_divide_are_all_sent() -> None:
    strategy, market = twap(slices=3, catch_up_slices=0), Market()
    assert [q for _, q in run(strategy, market, range(200))] == [D("0.00333"), D("0.00333"), D("0.00334")]


@pytest.mark.parametrize(
    ("side", "bps", "price"), [("buy", "5", 60_030), ("sell", "5", 59_970), ("buy", "-5", 59_970)]
)
def test_a_limit_is_measured_from_the_mid(side: str, bps: str, price: int) -> None:
    market = Market()
    market.take(twap(side=side, limit_bps=bps).on_timer(market, 0))
    [place] = market.sent
    assert (place.kind, place.price) == (OrderKind.LIMIT, D(price))


def test_an_unfilled_slice_is_cancelled_and_caught_up() -> None:
    strategy, market = twap(limit_bps=0), Market()
    assert run(strategy, market, range(10)) == [(0, D("0.001"))]
    # Its cancel leaves with the second slice, and until that is settled its quantity may yet be filled.
    assert run(strategy, market, range(10, 20)) == [(10, D("0.001"))]
    assert [order.state for order in market.ended] == [OrderState.CANCELED]
    assert run(strategy, market, range(20, 30)) == [(20, D("0.002"))]


@pytest.mark.parametrize(("catch_up", "expected"), [(0, "0.00101"), (1, "0.00201"), (5, "0.005")])
def test_what_a_halt_left_out_is_caught_up_within_the_bound(catch_up: int, expected: str) -> None:
    strategy, market = twap(catch_up_slices=catch_up), Market()
    run(strategy, market, range(1))
    assert run(strategy, market, range(50, 51)) == [(50, D(expected))]


def test_a_refused_slice_is_tried_again_with_the_next_one_only() -> None:
    strategy, market = twap(), Market()
    assert run(strategy, market, range(10), refuse=True) == [(0, D("0.001"))]
    assert run(strategy, market, range(10, 20)) == [(10, D("0.002"))]


@pytest.mark.parametrize("ended_at", [5, 8])
def test_a_fill_that_is_told_late_is_not_bought_again(ended_at: int) -> None:
    strategy, market = twap(slices=2, duration_seconds=20, limit_bps=0), Market()
    assert run(strategy, market, range(ended_at)) == [(0, D("0.005"))]
    # Filled at the venue; the order's end is known here, its trade is not.
    [order] = market.live
    market.end(order, Signal.FILLED)
    assert run(strategy, market, range(ended_at, ended_at + 6)) == [(10, D("0.005"))]
    market.fill(order, D("0.005"))
    assert run(strategy, market, range(ended_at + 6, 40)) == []


def test_at_its_end_it_cancels_and_stops() -> None:
    strategy, market = twap(limit_bps=0), Market()
    run(strategy, market, range(100))
    assert len(market.live) == 1
    assert not strategy.ended
    sent = len(market.sent)
    run(strategy, market, range(100, 200))
    assert (market.live, len(market.sent), strategy.ended) == ([], sent, True)
    assert market.held == 0


def test_without_a_quote_it_waits() -> None:
    strategy, market = twap(), Market(mid=None)
    assert run(strategy, market, range(3)) == []
    market.mid = MID
    assert run(strategy, market, range(3, 5)) == [(3, D("0.001"))]


def test_after_a_restart_only_the_rest_is_sent_at_the_same_pace() -> None:
    market = Market()
    run(twap(limit_bps=1), market, range(1))
    market.fill(market.live[0], D("0.0004"))
    market.held += D("0.006")  # six earlier slices
    market.live[0].slot = ""  # what the journal does not keep
    strategy = twap(limit_bps=1)
    first = market.take(strategy.on_timer(market, 10**15))
    # Seven slices are due; of the one that is out no more than its rest can come.
    assert [place.quantity for place in first] == []
    assert market.live == []
    again = run(strategy, market, range(10**6 + 7, 10**6 + 10))
    assert again == [(10**6 + 7, D("0.0006"))]
    for second in range(10**6 + 10, 10**6 + 60):
        for order in list(market.live):
            market.fill(order, order.quantity - order.filled)
        market.take(strategy.on_timer(market, second * SECOND_NS))
    assert market.held == D("0.01")
    assert strategy.ended


def test_when_it_was_done_before_the_restart_nothing_is_sent() -> None:
    strategy, market = twap(), Market(held=D("0.01"))
    assert run(strategy, market, range(200)) == []
    assert strategy.ended


def test_it_counts_from_the_position_it_was_told_of() -> None:
    market = Market(held=D("5.002"))
    assert sum(q for _, q in run(twap(start_position="5"), market, range(200))) == D("0.008")


def test_a_position_that_it_cannot_have_made_is_refused() -> None:
    with pytest.raises(
        StrategyError, match=r"^strategy\.parameters\.start_position: 0, but the position is -1"
    ):
        twap().on_timer(Market(held=D(-1)), 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"quantity": "0.000015"}, r"^strategy\.parameters\.quantity: 0\.000015 is no multiple"),
        (
            {"quantity": "0.0008"},
            r"^strategy\.parameters\.slices: one of 10 is 0\.00008 BTC, less than BTC/USDT",
        ),
    ],
)
def test_what_the_venue_would_refuse_names_the_setting(values: dict[str, str], message: str) -> None:
    with pytest.raises(StrategyError, match=message):
        twap(**values).on_timer(Market(), 0)


@pytest.mark.parametrize(
    "values",
    [{"quantity": 0}, {"slices": 11}, {"side": "long"}, {"limit": 5}, {"limit_bps": 2_000}],
    ids=str,
)
def test_wrong_parameters(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        twap(**values)


# What can befall at each second: nothing; a part or all of the oldest live order is filled; it ends although
# its fills are told later; trading pauses; the process dies and starts again.
events = st.lists(
    st.sampled_from(
        ["-", "-", "-", "part", "fill", "fill_untold", "expire_untold", "refuse", "restart", "halt"]
    ),
    min_size=20,
    max_size=100,
)


@settings(max_examples=150)
@given(
    events,
    st.sampled_from(Side),
    st.sampled_from([None, D(0)]),
    st.integers(1, 5),
    st.integers(0, 5),
    st.integers(2, 10),
)
def test_it_never_buys_more_than_the_whole(
    happened: list[str], side: Side, limit: Decimal | None, delay: int, catch_up: int, slices: int
) -> None:
    quantity = D("0.01")
    values: dict[str, Any] = {"side": side, "limit_bps": limit, "catch_up_slices": catch_up}
    values |= {"slices": slices, "duration_seconds": 10 * slices}
    strategy, market = twap(**values), Market()
    untold: list[tuple[int, Order, Decimal]] = []

    def told(until: int) -> None:
        for entry in [entry for entry in untold if entry[0] <= until]:
            untold.remove(entry)
            market.fill(entry[1], entry[2])

    def truth() -> Decimal:
        return side.sign * market.held + sum((quantity for _, _, quantity in untold), D(0))

    for second, event in enumerate(happened):
        told(second)
        oldest = market.live[0] if market.live else None
        if event == "restart":
            told(second + 100)  # the first reconciliation asks for all trades
            for order in market.live:
                order.slot = ""
            strategy = twap(**values)
        elif oldest is not None:
            left = oldest.quantity - oldest.filled
            if event == "part":
                market.fill(oldest, BTC.quantity(left / 2))
            elif event == "fill":
                market.fill(oldest, left)
            elif event in ("fill_untold", "expire_untold"):
                part = left if event == "fill_untold" else BTC.quantity(left / 2)
                market.end(oldest, Signal.FILLED if event == "fill_untold" else Signal.EXPIRED)
                untold.append((second + delay, oldest, part))
        if event != "halt":
            market.take(strategy.on_timer(market, second * SECOND_NS), refuse=event == "refuse")
        assert truth() + sum((o.quantity - o.filled for o in market.live), D(0)) <= quantity
