"""The background market stays sane for hours and repeats with its seed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from venue_sim.config import Background, Symbol
from venue_sim.exchange import LIMIT, Exchange, NewOrder
from venue_sim.flow import Flow
from venue_sim.model import BUY, SELL, ZERO, Account, Balance, Rules

RULES = Rules("BTCUSDT", "BTC", "USDT", Decimal(60_000), Decimal("0.01"), Decimal("0.00001"), Decimal(5))
CHEAP = Rules("DOGEUSDT", "DOGE", "USDT", Decimal("0.1"), Decimal("0.00001"), Decimal(1), Decimal(5))


def symbol(price: str, tick_size: str, step_size: str) -> Rules:
    """Rules as the settings make them."""
    amounts = {"price": price, "tick_size": tick_size, "step_size": step_size, "min_notional": "5"}
    return Symbol.model_validate({"symbol": "XUSDT", "base": "X", "quote": "USDT", **amounts}).rules()


HOUR_OF_STEPS = 20 * 3600


def market(rules: Rules, seed: int = 7) -> tuple[Exchange, Flow]:
    whale = Account("whale", 1, balances={rules.base: Balance(Decimal(10**7)), "USDT": Balance()})
    exchange = Exchange([rules], [whale], 0)
    flow = Flow(exchange, exchange.markets[rules.symbol], Background(), seed)
    flow.fill_book(0)
    return exchange, flow


@pytest.mark.parametrize("rules", [RULES, CHEAP], ids=lambda rules: rules.symbol)
def test_an_hour_stays_in_its_band_with_a_full_book(rules: Rules) -> None:
    exchange, flow = market(rules)
    book = exchange.markets[rules.symbol].book
    furthest = ZERO
    for step in range(HOUR_OF_STEPS):
        flow.step(step)
        bid, ask = book.bids.best, book.asks.best
        assert bid is not None
        assert ask is not None
        assert bid < ask
        furthest = max(furthest, abs((bid + ask) / 2 / rules.price - 1))
        if step % 100 == 0:
            assert len(book.bids) > 5
            assert len(book.asks) > 5
            assert (ask - bid) / rules.price < Decimal("0.005")
    assert Decimal("0.0001") < furthest < Decimal("0.01"), "the price must live, within its band"
    assert exchange.markets[rules.symbol].trade_count > HOUR_OF_STEPS // 50
    assert len(exchange.house.orders) < 300, "the house keeps its closed orders"


@pytest.mark.parametrize(
    "rules",
    [
        symbol("0.00001234", "0.00000001", "1"),
        symbol("5000000", "1", "0.00001"),
        symbol("60000", "100", "1"),
        symbol("0.3", "0.1", "1000000"),
    ],
    ids=lambda rules: str(rules.price),
)
def test_odd_symbols_have_a_market_too(rules: Rules) -> None:
    exchange, flow = market(rules)
    for step in range(3000):
        flow.step(step)
    book = exchange.markets["XUSDT"].book
    assert book.bids.best is not None
    assert book.asks.best is not None
    assert exchange.markets["XUSDT"].trade_count > 0


def test_the_same_seed_makes_the_same_market() -> None:
    def run(seed: int) -> object:
        exchange, flow = market(RULES, seed)
        for step in range(2000):
            flow.step(step)
        return exchange.markets["BTCUSDT"].book.depth(1000), exchange.next_trade_id

    assert run(7) == run(7)
    assert run(7) != run(8)


def test_a_swept_side_comes_back() -> None:
    exchange, flow = market(RULES)
    book = exchange.markets["BTCUSDT"].book
    whale = exchange.accounts["whale"]
    sweep = NewOrder("BTCUSDT", SELL, "MARKET", "sweep", quantity=Decimal(1_000_000))
    exchange.place(whale, sweep, 0)
    assert book.bids.best is None
    for step in range(200):
        flow.step(step)
    assert len(book.bids) > 10
    assert book.bids.best is not None
    assert abs(book.bids.best / RULES.price - 1) < Decimal("0.01")


def test_it_takes_a_clients_quote() -> None:
    exchange, flow = market(RULES)
    whale = exchange.accounts["whale"]
    quote = NewOrder("BTCUSDT", SELL, "LIMIT", "quote", quantity=Decimal("0.01"), price=Decimal("60000.01"))
    order, _ = exchange.place(whale, quote, 0)
    for step in range(2000):
        flow.step(step)
    assert order.status == "FILLED"
    assert whale.fills[0].is_maker
    assert whale.balance("USDT").free == order.executed_quote
    assert order.side != BUY


@pytest.mark.parametrize("bps", [200, -200])
def test_a_jump_moves_the_market_at_once_and_it_stays_there(bps: int) -> None:
    exchange, flow = market(RULES)
    book = exchange.markets[RULES.symbol].book

    def away() -> Decimal:
        assert book.bids.best is not None
        assert book.asks.best is not None
        return ((book.bids.best + book.asks.best) / 2 / RULES.price - 1) * 10_000

    whale = exchange.accounts["whale"]
    whale.balances["USDT"].free = Decimal(10**6)
    side, price = (SELL, Decimal(60_600)) if bps > 0 else (BUY, Decimal(59_400))
    new = NewOrder(RULES.symbol, side, LIMIT, "w", "GTC", Decimal("0.001"), price=price)
    between, _ = exchange.place(whale, new, 1)
    flow.jump(bps, 2)
    assert abs(away() - bps) < 10
    assert not between.is_open, "an order in between is filled"
    for step in range(2_000):
        flow.step(step)
    assert abs(away() - bps) < 100
    assert len(book.bids) > 5
    assert len(book.asks) > 5
