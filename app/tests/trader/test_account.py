"""What the account holds and what its key may do, from each venue's own answers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.trader.venue_wire import connected
from trader.venue.interface import VenueError
from trader.venue.venues import RULES

# venue, path, answer, may trade, may withdraw
KEYS: list[tuple[str, str, Any, bool, bool]] = [
    (
        "binance",
        "/sapi/v1/account/apiRestrictions",
        {"enableReading": True, "enableWithdrawals": False, "enableSpotAndMarginTrading": True},
        True,
        False,
    ),
    (
        "binance",
        "/sapi/v1/account/apiRestrictions",
        {"enableWithdrawals": True, "enableSpotAndMarginTrading": False, "enableFutures": True},
        False,
        True,
    ),
    (
        "binanceusdm",
        "/sapi/v1/account/apiRestrictions",
        {"enableWithdrawals": False, "enableSpotAndMarginTrading": False, "enableFutures": True},
        True,
        False,
    ),
    (
        "kraken",
        "/GetApiKeyInfo",
        {"error": [], "result": {"permissions": ["query-funds", "modify-trades"]}},
        True,
        False,
    ),
    (
        "kraken",
        "/GetApiKeyInfo",
        {"error": [], "result": {"permissions": ["withdraw-funds"]}},
        False,
        True,
    ),
    (
        "bybit",
        "/v5/user/query-api",
        {
            "retCode": 0,
            "result": {"readOnly": 0, "permissions": {"Spot": ["SpotTrade"], "Wallet": ["AccountTransfer"]}},
        },
        True,
        False,
    ),
    (
        "bybit",
        "/v5/user/query-api",
        {
            "retCode": 0,
            "result": {"readOnly": 1, "permissions": {"Spot": ["SpotTrade"], "Wallet": ["Withdraw"]}},
        },
        False,
        True,
    ),
    ("okx", "/account/config", {"code": "0", "data": [{"perm": "read_only,trade"}]}, True, False),
    ("okx", "/account/config", {"code": "0", "data": [{"perm": "read_only, withdraw"}]}, False, True),
    (
        "coinbase",
        "/key_permissions",
        {"can_view": True, "can_trade": True, "can_transfer": False},
        True,
        False,
    ),
    (
        "coinbase",
        "/key_permissions",
        {"can_view": True, "can_trade": False, "can_transfer": True},
        False,
        True,
    ),
]


@pytest.mark.parametrize(("venue", "path", "answer", "trade", "withdraw"), KEYS)
async def test_what_a_key_may_do(venue: str, path: str, answer: Any, trade: bool, withdraw: bool) -> None:
    gateway, wire = await connected(venue)
    wire.answer(path, answer)
    may = await gateway.permissions()
    assert (may.trade, may.withdraw) == (trade, withdraw)
    assert may.text
    assert "\n" not in may.text


async def test_kraken_futures_cannot_tell() -> None:
    gateway, wire = await connected("krakenfutures")
    may = await gateway.permissions()
    assert (may.trade, may.withdraw) == (None, None)
    assert wire.requests == []


@pytest.mark.parametrize("venue", sorted(set(RULES) - {"krakenfutures"}))
@pytest.mark.parametrize("odd", [{}, [], "<html>", {"retCode": 0, "code": "0", "result": {}, "data": []}])
async def test_an_answer_that_cannot_be_read_is_not_a_safe_key(venue: str, odd: Any) -> None:
    gateway, wire = await connected(venue)
    wire.answer("", odd)
    with pytest.raises(VenueError, match="permissions"):
        await gateway.permissions()


async def test_positions_are_signed_and_without_the_flat_ones() -> None:
    gateway, wire = await connected("binanceusdm")
    rows = [{"symbol": "BTCUSDT", "positionAmt": "-0.0120", "positionSide": "BOTH"}]
    wire.answer("/fapi/v3/positionRisk", rows)
    assert await gateway.positions() == {"BTC/USDT:USDT": Decimal("-0.0120")}
    wire.answer("/fapi/v3/positionRisk", [{"symbol": "BTCUSDT", "positionAmt": "0.000"}])
    assert await gateway.positions() == {}
    gateway, wire = await connected("krakenfutures")
    position = {"symbol": "PF_XBTUSD", "side": "short", "size": 0.0123, "price": 1}
    wire.answer("/openpositions", {"result": "success", "openPositions": [position]})
    assert await gateway.positions() == {"BTC/USD:USD": Decimal("-0.0123")}


@pytest.mark.parametrize("venue", ["binanceusdm", "krakenfutures"])
@pytest.mark.parametrize(
    "odd", [{}, "<html>", [{"symbol": "BTCUSDT"}], [{"symbol": "?", "positionAmt": "1"}]]
)
async def test_odd_positions_are_not_flat(venue: str, odd: Any) -> None:
    gateway, wire = await connected(venue)
    wire.answer("", odd)
    with pytest.raises(VenueError, match="positions"):
        await gateway.positions()


async def test_a_spot_venue_has_no_positions() -> None:
    gateway, wire = await connected("kraken")
    assert await gateway.positions() == {}
    assert wire.requests == []


async def test_a_derivatives_balance_is_the_wallets() -> None:
    gateway, wire = await connected("binanceusdm")
    asset = {
        "asset": "USDT",
        "walletBalance": "1000.5",
        "marginBalance": "1200.5",
        "availableBalance": "900",
        "initialMargin": "100",
        "updateTime": 1_700_000_000_000,
    }
    wire.answer("/fapi/v3/account", {"assets": [asset], "positions": []})
    assert await gateway.balances() == {"USDT": Decimal("1000.5")}


BALANCES: list[tuple[str, str, Any, dict[str, Decimal]]] = [
    (
        "binance",
        "/account",
        {
            "balances": [
                {"asset": "BTC", "free": "1.5", "locked": "0.5"},
                {"asset": "X", "free": "0", "locked": "0"},
            ]
        },
        {"BTC": Decimal("2.0")},
    ),
    (
        "kraken",
        "/BalanceEx",
        {"error": [], "result": {"XXBT": {"balance": "2.0", "hold_trade": "0.5"}}},
        {"BTC": Decimal("2.0")},
    ),
    (
        "krakenfutures",
        "/accounts",
        {
            "result": "success",
            "accounts": {
                "flex": {
                    "type": "multiCollateralMarginAccount",
                    "currencies": {"USD": {"quantity": 2.5, "available": 1}},
                }
            },
        },
        {"USD": Decimal("2.5")},
    ),
    (
        "bybit",
        "/wallet-balance",
        {
            "retCode": 0,
            "result": {
                "list": [{"accountType": "UNIFIED", "coin": [{"coin": "BTC", "walletBalance": "2.0"}]}]
            },
        },
        {"BTC": Decimal("2.0")},
    ),
    (
        "okx",
        "/account/balance",
        {
            "code": "0",
            "data": [{"details": [{"ccy": "BTC", "eq": "2.0", "availBal": "1", "frozenBal": "1"}]}],
        },
        {"BTC": Decimal("2.0")},
    ),
    (
        "coinbase",
        "/brokerage/accounts",
        {
            "accounts": [
                {
                    "uuid": "u",
                    "currency": "BTC",
                    "type": "ACCOUNT_TYPE_CRYPTO",
                    "available_balance": {"value": "1.5", "currency": "BTC"},
                    "hold": {"value": "0.5", "currency": "BTC"},
                }
            ],
            "has_next": False,
        },
        {"BTC": Decimal("2.0")},
    ),
]


@pytest.mark.parametrize(("venue", "path", "answer", "held"), BALANCES)
async def test_balances_are_whole_and_exact(
    venue: str, path: str, answer: Any, held: dict[str, Decimal]
) -> None:
    gateway, wire = await connected(venue)
    wire.answer(path, answer)
    assert await gateway.balances() == held


TIMES: list[tuple[str, str, Any]] = [
    ("binance", "/api/v3/time", {"serverTime": 1_700_000_000_000}),
    ("binanceusdm", "/fapi/v1/time", {"serverTime": 1_700_000_000_000}),
    ("kraken", "/Time", {"error": [], "result": {"unixtime": 1_700_000_000}}),
    (
        "krakenfutures",
        "/instruments/PF_XBTUSD/status",
        {"serverTime": "2023-11-14T22:13:20.000Z", "result": "success"},
    ),
    ("bybit", "/v5/market/time", {"retCode": 0, "result": {}, "time": 1_700_000_000_000}),
    ("okx", "/public/time", {"code": "0", "data": [{"ts": "1700000000000"}]}),
    ("coinbase", "/v2/time", {"data": {"epoch": 1_700_000_000}}),
]


@pytest.mark.parametrize(("venue", "path", "answer"), TIMES)
async def test_the_venues_clock(venue: str, path: str, answer: Any) -> None:
    gateway, wire = await connected(venue)
    wire.answer(path, answer)
    assert await gateway.time_ms() == 1_700_000_000_000
    wire.answer(path, {"code": "0", "retCode": 0, "error": [], "data": {}, "result": {}})
    with pytest.raises(VenueError, match="time"):
        await gateway.time_ms()
