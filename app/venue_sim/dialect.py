"""The venue's JSON: how orders, fills, accounts and books look on the wire.

Field names and their spelling ("cummulativeQuoteQty" too) are the venue's own, from its public documentation.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from venue_sim.exchange import LIMIT, LIMIT_MAKER, MARKET, Market
from venue_sim.model import BUY, DECIMALS, Account, ApiKey, Fill, Order, Rules, Trade, money

Json = dict[str, Any]

STP_MODE = "NONE"
KEY_CREATED_MS = 1_700_000_000_000
ORDER_TYPES = [LIMIT, LIMIT_MAKER, MARKET]


def new_order(order: Order, fills: list[Fill], response: str) -> Json:
    """Answer to a placed order; `response` is ACK, RESULT or FULL."""
    answer: Json = {
        "symbol": order.rules.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "transactTime": order.updated_ms,
    }
    if response == "ACK":
        return answer
    answer |= _state(order)
    answer["workingTime"] = order.created_ms
    if response == "FULL":
        answer["fills"] = [
            {
                "price": money(fill.price),
                "qty": money(fill.quantity),
                "commission": money(fill.commission),
                "commissionAsset": fill.commission_asset,
                "tradeId": fill.trade_id,
            }
            for fill in fills
        ]
    return answer


def order_status(order: Order) -> Json:
    """An order as queried."""
    return {
        "symbol": order.rules.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        **_state(order),
        "stopPrice": money(Decimal(0)),
        "icebergQty": money(Decimal(0)),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": True,
        "workingTime": order.created_ms,
    }


def cancelled(order: Order, cancel_id: str) -> Json:
    """Answer to a cancelled order."""
    return {
        "symbol": order.rules.symbol,
        "origClientOrderId": order.client_order_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": cancel_id,
        "transactTime": order.updated_ms,
        **_state(order),
    }


def _state(order: Order) -> Json:
    return {
        "price": money(order.price),
        "origQty": money(order.quantity),
        "executedQty": money(order.executed),
        "origQuoteOrderQty": money(order.quote_quantity),
        "cummulativeQuoteQty": money(order.executed_quote),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        "selfTradePreventionMode": STP_MODE,
        **(order.extra or {}),
    }


def my_trade(fill: Fill) -> Json:
    """A fill as its account sees it."""
    order = fill.order
    return {
        "symbol": order.rules.symbol,
        "id": fill.trade_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "price": money(fill.price),
        "qty": money(fill.quantity),
        "quoteQty": money(fill.quote),
        "commission": money(fill.commission),
        "commissionAsset": fill.commission_asset,
        "time": fill.time_ms,
        "isBuyer": order.side == BUY,
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }


def public_trade(trade: Trade) -> Json:
    """A trade as everybody sees it."""
    return {
        "id": trade.trade_id,
        "price": money(trade.price),
        "qty": money(trade.quantity),
        "quoteQty": money(trade.quote),
        "time": trade.time_ms,
        "isBuyerMaker": trade.buyer_is_maker,
        "isBestMatch": True,
    }


def aggregate_trade(trade: Trade) -> Json:
    """A trade as aggTrades lists it."""
    return {
        "a": trade.trade_id,
        "p": money(trade.price),
        "q": money(trade.quantity),
        "f": trade.trade_id,
        "l": trade.trade_id,
        "T": trade.time_ms,
        "m": trade.buyer_is_maker,
        "M": True,
    }


def account(held: Account, maker_fee: Decimal, taker_fee: Decimal, omit_zero: bool = False) -> Json:
    """An account's balances and permissions."""
    return {
        "makerCommission": int(maker_fee * 10_000),
        "takerCommission": int(taker_fee * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": money(maker_fee),
            "taker": money(taker_fee),
            "buyer": money(Decimal(0)),
            "seller": money(Decimal(0)),
        },
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": held.updated_ms,
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": money(b.free), "locked": money(b.locked)}
            for asset, b in sorted(held.balances.items())
            if b.free or b.locked or not omit_zero
        ],
        "permissions": ["SPOT"],
        "uid": held.uid,
    }


def api_restrictions(held: Account, key: ApiKey) -> Json:
    """What an API key of an account may do (GET /sapi/v1/account/apiRestrictions)."""
    return {
        "ipRestrict": False,
        "createTime": KEY_CREATED_MS,
        "enableReading": True,
        "enableWithdrawals": key.withdrawals,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": held.usdm_balance is not None,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableSpotAndMarginTrading": True,
        "enablePortfolioMarginTrading": False,
    }


def depth(market: Market, limit: int) -> Json:
    """A snapshot of the book."""
    bids, asks = market.book.depth(limit)
    return {"lastUpdateId": market.book.update_id, "bids": levels(bids), "asks": levels(asks)}


def levels(found: list[tuple[Decimal, Decimal]]) -> list[list[str]]:
    """Levels as pairs of strings."""
    return [[money(price), money(quantity)] for price, quantity in found]


def best(market: Market) -> tuple[str, str, str, str]:
    """Best bid, its quantity, best ask, its quantity; zeros where a side is empty."""
    bids, asks = market.book.depth(1)
    bid, bid_quantity = bids[0] if bids else (Decimal(0), Decimal(0))
    ask, ask_quantity = asks[0] if asks else (Decimal(0), Decimal(0))
    return money(bid), money(bid_quantity), money(ask), money(ask_quantity)


def symbol_info(rules: Rules) -> Json:
    """A symbol of exchangeInfo, with the filters that the emulator enforces."""
    return {
        "symbol": rules.symbol,
        "status": "TRADING",
        "baseAsset": rules.base,
        "baseAssetPrecision": DECIMALS,
        "quoteAsset": rules.quote,
        "quotePrecision": DECIMALS,
        "quoteAssetPrecision": DECIMALS,
        "baseCommissionPrecision": DECIMALS,
        "quoteCommissionPrecision": DECIMALS,
        "orderTypes": ORDER_TYPES,
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": money(rules.tick_size),
                "maxPrice": money(rules.max_price),
                "tickSize": money(rules.tick_size),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": money(rules.step_size),
                "maxQty": money(rules.max_quantity),
                "stepSize": money(rules.step_size),
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": money(rules.min_notional),
                "applyMinToMarket": True,
                "maxNotional": money(rules.max_price * rules.max_quantity),
                "applyMaxToMarket": False,
                "avgPriceMins": 0,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": rules.max_open_orders},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": STP_MODE,
        "allowedSelfTradePreventionModes": [STP_MODE],
    }


def ticker(market: Market, now_ms: int) -> Json:
    """ticker/24hr. Figures run from the emulator's start, not over a moving day."""
    bid, bid_quantity, ask, ask_quantity = best(market)
    change = market.last_price - market.open_price
    last = market.trades[-1] if market.trades else None
    average = market.quote_volume / market.volume if market.volume else market.open_price
    return {
        "symbol": market.rules.symbol,
        "priceChange": money(change),
        "priceChangePercent": format(change / market.open_price * 100, ".3f"),
        "weightedAvgPrice": money(average),
        "prevClosePrice": money(market.open_price),
        "lastPrice": money(market.last_price),
        "lastQty": money(last.quantity if last else Decimal(0)),
        "bidPrice": bid,
        "bidQty": bid_quantity,
        "askPrice": ask,
        "askQty": ask_quantity,
        "openPrice": money(market.open_price),
        "highPrice": money(market.high_price),
        "lowPrice": money(market.low_price),
        "volume": money(market.volume),
        "quoteVolume": money(market.quote_volume),
        "openTime": market.open_ms,
        "closeTime": now_ms,
        "firstId": market.first_trade_id,
        "lastId": last.trade_id if last else -1,
        "count": market.trade_count,
    }
