"""Whatever parameters come, an operation answers or refuses as the venue does, and money stays right."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from venue_sim.auth import Caller, KeyRing
from venue_sim.clock import Clock
from venue_sim.endpoints import ENDPOINTS
from venue_sim.errors import VenueError
from venue_sim.exchange import Exchange
from venue_sim.faults import Faults
from venue_sim.limits import Limits
from venue_sim.model import ZERO, Account, ApiKey, Balance, Rules
from venue_sim.parameters import Parameters
from venue_sim.venue import Venue

RULES = Rules("BTCUSDT", "BTC", "USDT", Decimal(100), Decimal("0.00000001"), Decimal(1), Decimal(5))

amounts = st.one_of(
    st.sampled_from(["0", "1", "100", "99.5", "0.00000001", "9" * 20, "0." + "9" * 20, "1e5", "-1", "", "x"]),
    st.integers(0, 10**20).map(str),
)
VALUES: dict[str, st.SearchStrategy[str]] = {
    "symbol": st.sampled_from(["BTCUSDT", "BTCUSDT", "BTCUSDT", "ETHUSDT", "", "?"]),
    "side": st.sampled_from(["BUY", "SELL", "buy"]),
    "type": st.sampled_from(["LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS", "OTHER"]),
    "timeInForce": st.sampled_from(["GTC", "IOC", "FOK", "GTX"]),
    "quantity": amounts,
    "quoteOrderQty": amounts,
    "price": amounts,
    "limit": amounts,
    "orderId": st.sampled_from(["1", "2", "3", "9999", "x"]),
    "fromId": amounts,
    "startTime": amounts,
    "endTime": amounts,
    "newClientOrderId": st.sampled_from(["a", "b", "c", "", "with space"]),
    "origClientOrderId": st.sampled_from(["a", "b", "c", "", "with space"]),
}


KEY = ApiKey("", "key-of-account", b"s")


def exchange() -> Exchange:
    accounts = [
        Account(
            name,
            1,
            balances={"USDT": Balance(Decimal(10**6)), "BTC": Balance(Decimal(10**6))},
        )
        for name in "ab"
    ]
    return Exchange([RULES], accounts, 0)


def bare_venue() -> Venue:
    limits = Limits(10**9, 10**9, 10**9)
    clock = Clock(Faults(0, frozenset(), frozenset()))
    return Venue(exchange(), limits, KeyRing([]), clock, random.Random(1))


@st.composite
def requests(draw: st.DrawFn) -> tuple[Any, str, Parameters]:
    endpoint = draw(st.sampled_from(ENDPOINTS))
    names = sorted(VALUES.keys() & endpoint.parameters)
    sent = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    if endpoint.places_order and draw(st.booleans()):
        sent = ["symbol", "side", "type", "timeInForce", "quantity", "price"]
    return endpoint, draw(st.sampled_from("ab")), Parameters({name: draw(VALUES[name]) for name in sent})


@settings(max_examples=300, deadline=None)
@given(st.lists(requests(), max_size=12))
def test_any_parameters(calls: list[tuple[Any, str, Parameters]]) -> None:
    venue = bare_venue()
    for number, (endpoint, who, parameters) in enumerate(calls):
        account = venue.exchange.accounts[who]
        assert endpoint.weigh(parameters) > 0
        try:
            if endpoint.signed:
                venue.caller = Caller(account, KEY)
                answer = endpoint.signed(venue, account, parameters, number)
            else:
                answer = endpoint.public(venue, parameters, number)
        except VenueError as refusal:
            answer = {"code": refusal.code, "msg": refusal.message}
        orjson.dumps(answer)
        for asset in ("USDT", "BTC"):
            held = [a.balance(asset) for a in venue.exchange.accounts.values()]
            assert all(b.free >= 0 and b.locked >= 0 for b in held)
            assert sum((b.free + b.locked for b in held), ZERO) == 2 * 10**6


def test_an_enormous_quote_quantity_is_answered() -> None:
    venue = bare_venue()
    place = next(endpoint for endpoint in ENDPOINTS if endpoint.places_order).signed
    assert place is not None
    common = {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC"}
    sell = Parameters(common | {"quantity": "5", "price": "0.00000100"})
    with pytest.raises(VenueError, match="NOTIONAL"):
        place(venue, venue.exchange.accounts["a"], sell, 0)
    place(venue, venue.exchange.accounts["a"], Parameters(sell | {"price": "1"}), 0)
    buy = Parameters({"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": "9" * 20})
    bought = place(venue, venue.exchange.accounts["b"], buy, 0)
    assert (bought["status"], bought["executedQty"]) == ("FILLED", "5.00000000")
