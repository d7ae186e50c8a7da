"""What the account holds and what its key may do: each venue's own answers."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from trader.venue import parse
from trader.venue.interface import KeyPermissions
from trader.venue.parse import OddAnswerError, part
from trader.venue.venues import Market, VenueRule


async def balances(exchange: Any, rule: VenueRule) -> dict[str, Decimal]:
    """Total by asset, without the empty ones; of a derivatives account without unrealised profit.

    Raises:
        Exception: what the request raises; OddAnswerError when its answer cannot be read.
    """
    answer = await exchange.fetch_balance()
    if rule.id != "binanceusdm":
        return parse.balances(answer)
    # ccxt's total is the margin balance, which moves with the market; fills explain the wallet only.
    rows = part(answer, list, "info", "assets")
    wallet = {row["asset"]: row["walletBalance"] for row in rows}
    return parse.balances({"total": wallet})


async def positions(exchange: Any, rule: VenueRule) -> dict[str, Decimal]:
    """Signed quantity by symbol, in base units, without the flat ones; empty on a spot venue.

    Raises:
        Exception: what the request raises; OddAnswerError when its answer cannot be read.
    """
    if rule.market is Market.SPOT:
        return {}
    signed = await _POSITIONS[rule.id](exchange)
    held: dict[str, Decimal] = {}
    for market_id, contracts in signed:
        market = exchange.safe_market(market_id)
        if market["symbol"] is None or market.get("contractSize") is None:
            raise OddAnswerError(f"a position in {market_id!r}, which is no market of {rule.id}")
        size = contracts * Decimal(market["contractSize"])
        held[market["symbol"]] = held.get(market["symbol"], Decimal(0)) + size
    return {symbol: size for symbol, size in held.items() if size != 0}


async def _positions_binanceusdm(exchange: Any) -> list[tuple[str, Decimal]]:
    # Straight to the list: fetch_positions would ask for the table of leverages before it.
    rows = part(await exchange.fapiPrivateV3GetPositionRisk(), list)
    return [(row["symbol"], Decimal(row["positionAmt"])) for row in rows]


async def _positions_krakenfutures(exchange: Any) -> list[tuple[str, Decimal]]:
    rows = part(await exchange.privateGetOpenpositions(), list, "openPositions")
    signs = {"long": 1, "short": -1}
    return [(row["symbol"], signs[row["side"]] * Decimal(str(row["size"]))) for row in rows]


_POSITIONS = {"binanceusdm": _positions_binanceusdm, "krakenfutures": _positions_krakenfutures}


async def permissions(exchange: Any, rule: VenueRule) -> KeyPermissions:
    """What the key may do, as the venue tells it.

    Raises:
        Exception: what the request raises; OddAnswerError when its answer cannot be read.
    """
    return await _PERMISSIONS[rule.id](exchange)


async def _binance(exchange: Any) -> KeyPermissions:
    answer = part(await exchange.sapiGetAccountApiRestrictions(), dict)
    trade = "enableFutures" if exchange.id == "binanceusdm" else "enableSpotAndMarginTrading"
    words = sorted(name for name, value in answer.items() if value is True)
    return KeyPermissions(_flag(answer, trade), _flag(answer, "enableWithdrawals"), ", ".join(words))


async def _kraken(exchange: Any) -> KeyPermissions:
    words = part(await exchange.privatePostGetApiKeyInfo(), list, "result", "permissions")
    return KeyPermissions("modify-trades" in words, "withdraw-funds" in words, ", ".join(words))


async def _krakenfutures(exchange: Any) -> KeyPermissions:
    return KeyPermissions(None, None, "Kraken Futures does not tell; look at the key's page")


async def _bybit(exchange: Any) -> KeyPermissions:
    answer = part(await exchange.privateGetV5UserQueryApi(), dict, "result")
    groups = part(answer, dict, "permissions")
    words = [word for group in groups.values() for word in group or []]
    if answer.get("readOnly") is None:
        raise OddAnswerError("the answer has no readOnly")
    trade = str(answer["readOnly"]) == "0" and "SpotTrade" in words
    return KeyPermissions(trade, "Withdraw" in words, ", ".join(words) or "none")


async def _okx(exchange: Any) -> KeyPermissions:
    [row] = part(await exchange.privateGetAccountConfig(), list, "data")
    words = [word.strip() for word in row["perm"].split(",")]
    return KeyPermissions("trade" in words, "withdraw" in words, ", ".join(words))


async def _coinbase(exchange: Any) -> KeyPermissions:
    answer = part(await exchange.v3PrivateGetBrokerageKeyPermissions(), dict)
    words = sorted(name for name, value in answer.items() if value is True)
    # "transfer" moves money to other accounts and addresses: the venue has no finer word.
    return KeyPermissions(_flag(answer, "can_trade"), _flag(answer, "can_transfer"), ", ".join(words))


def _flag(answer: dict[str, Any], name: str) -> bool:
    value = answer.get(name)
    if not isinstance(value, bool):
        raise OddAnswerError(f"the answer has no {name}")
    return value


_PERMISSIONS: dict[str, Callable[[Any], Awaitable[KeyPermissions]]] = {
    "binance": _binance,
    "binanceusdm": _binance,
    "bybit": _bybit,
    "coinbase": _coinbase,
    "kraken": _kraken,
    "krakenfutures": _krakenfutures,
    "okx": _okx,
}
