"""USDM's JSON: how orders, fills, positions and accounts look on the wire, in the venue's field names."""

from __future__ import annotations

from decimal import Decimal

from venue_sim.dialect import STP_MODE, Json
from venue_sim.exchange import Market
from venue_sim.model import BUY, MARGIN_ASSET, NEW, UNIT, ZERO, Account, Fill, Order, Rules, money
from venue_sim.usdm.algo import CONTRACT_PRICE, AlgoOrder
from venue_sim.usdm.checks import MULTIPLIER_DOWN, MULTIPLIER_UP, decimals
from venue_sim.usdm.exchange import CLOSE_POSITION, FuturesExchange, reduces_only
from venue_sim.usdm.funding import FundingPayment
from venue_sim.usdm.margin import MAINTENANCE_RATE, Exposure, Margin

PERPETUAL_UNTIL_MS = 4_133_404_800_000
HIGHEST_LEVERAGE = 125
NOTIONAL_CAP = 1_000_000_000
ORDER_TYPES = [
    "LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET",
]  # fmt: skip


def average_price(order: Order) -> Decimal:
    """What an order was filled at, to eight decimals."""
    return (order.executed_quote / order.executed).quantize(UNIT) if order.executed else ZERO


def order(found: Order) -> Json:
    """An order without its time, as answers to placing and cancelling have it."""
    return {
        "orderId": found.order_id,
        "symbol": found.rules.symbol,
        "status": found.status,
        "clientOrderId": found.client_order_id,
        "price": money(found.price),
        "avgPrice": money(average_price(found)),
        "origQty": money(found.quantity),
        "executedQty": money(found.executed),
        "cumQty": money(found.executed),
        "cumQuote": money(found.executed_quote),
        "timeInForce": found.time_in_force,
        "type": found.type,
        "reduceOnly": reduces_only(found),
        "closePosition": bool(found.extra and found.extra.get(CLOSE_POSITION)),
        "side": found.side,
        "positionSide": "BOTH",
        "stopPrice": money(ZERO),
        "workingType": CONTRACT_PRICE,
        "priceProtect": False,
        "origType": found.type,
        "priceMatch": "NONE",
        "selfTradePreventionMode": STP_MODE,
        "goodTillDate": 0,
        "updateTime": found.updated_ms,
    }


def new_order(placed: Order, response: str) -> Json:
    """Answer to a placed order: as it was accepted (ACK), or as it is after matching (RESULT)."""
    answer = order(placed)
    if response == "ACK":
        zero = money(ZERO)
        answer |= {"status": NEW, "avgPrice": zero, "executedQty": zero, "cumQty": zero, "cumQuote": zero}
    return answer


def order_status(found: Order) -> Json:
    """An order as queried."""
    answer = order(found)
    del answer["cumQty"]
    return answer | {"time": found.created_ms}


def user_trade(fill: Fill) -> Json:
    """A fill as its account sees it."""
    filled = fill.order
    return {
        "symbol": filled.rules.symbol,
        "id": fill.trade_id,
        "orderId": filled.order_id,
        "side": filled.side,
        "price": money(fill.price),
        "qty": money(fill.quantity),
        "quoteQty": money(fill.quote),
        "realizedPnl": money(fill.realised),
        "commission": money(fill.commission),
        "commissionAsset": fill.commission_asset,
        "time": fill.time_ms,
        "positionSide": "BOTH",
        "buyer": filled.side == BUY,
        "maker": fill.is_maker,
    }


def income(fill: Fill) -> list[Json]:
    """A fill's entries in the income history, one of each type."""
    rows = [("COMMISSION", -fill.commission), ("REALIZED_PNL", fill.realised)]
    return [
        {
            "symbol": fill.order.rules.symbol,
            "incomeType": kind,
            "income": money(amount),
            "asset": MARGIN_ASSET,
            "info": str(fill.trade_id),
            "time": fill.time_ms,
            "tranId": fill.trade_id * 2 + number,
            "tradeId": str(fill.trade_id),
        }
        for number, (kind, amount) in enumerate(rows)
        if amount
    ]


def funding_fee(payment: FundingPayment) -> Json:
    """A funding payment's entry in the income history."""
    return {
        "symbol": payment.symbol,
        "incomeType": "FUNDING_FEE",
        "income": money(payment.paid),
        "asset": MARGIN_ASSET,
        "info": "FUNDING_FEE",
        "time": payment.time_ms,
        "tranId": payment.transaction_id,
        "tradeId": "",
    }


def algo_order(algo: AlgoOrder, became: Order | None) -> Json:
    """A conditional order; `became` is the order that it is now."""
    return {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_algo_id,
        "algoType": "CONDITIONAL",
        "orderType": algo.type,
        "symbol": algo.symbol,
        "side": algo.side,
        "positionSide": "BOTH",
        "timeInForce": algo.time_in_force,
        "quantity": money(algo.quantity),
        "algoStatus": algo.status,
        "actualOrderId": str(algo.order_id) if algo.order_id is not None else "",
        "actualPrice": money(average_price(became) if became else ZERO),
        "triggerPrice": money(algo.trigger_price),
        "price": money(algo.price),
        "icebergQuantity": None,
        "tpTriggerPrice": money(ZERO),
        "tpPrice": money(ZERO),
        "slTriggerPrice": money(ZERO),
        "slPrice": money(ZERO),
        "tpOrderType": "",
        "selfTradePreventionMode": STP_MODE,
        "workingType": algo.working_type,
        "priceMatch": "NONE",
        "closePosition": algo.close_position,
        "priceProtect": False,
        "reduceOnly": algo.reduce_only or algo.close_position,
        "createTime": algo.created_ms,
        "updateTime": algo.updated_ms,
        "triggerTime": algo.triggered_ms,
        "goodTillDate": 0,
    }


def symbol_info(rules: Rules) -> Json:
    """A contract of exchangeInfo, with the filters that the emulator enforces."""
    lot = {
        "minQty": money(rules.step_size),
        "maxQty": money(rules.max_quantity),
        "stepSize": money(rules.step_size),
    }
    return {
        "symbol": rules.symbol,
        "pair": rules.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": PERPETUAL_UNTIL_MS,
        "onboardDate": 1_569_398_400_000,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": rules.base,
        "quoteAsset": rules.quote,
        "marginAsset": MARGIN_ASSET,
        "pricePrecision": decimals(rules.tick_size),
        "quantityPrecision": decimals(rules.step_size),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": money(rules.tick_size),
                "maxPrice": money(rules.max_price),
                "tickSize": money(rules.tick_size),
            },
            {"filterType": "LOT_SIZE", **lot},
            {"filterType": "MARKET_LOT_SIZE", **lot},
            {"filterType": "MAX_NUM_ORDERS", "limit": rules.max_open_orders},
            {"filterType": "MIN_NOTIONAL", "notional": money(rules.min_notional)},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": str(MULTIPLIER_UP),
                "multiplierDown": str(MULTIPLIER_DOWN),
                "multiplierDecimal": "4",
            },
        ],
        "orderTypes": ORDER_TYPES,
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def premium_index(exchange: FuturesExchange, market: Market, now_ms: int) -> Json:
    """Mark price, and the funding that comes by itself."""
    mark = money(exchange.mark(market))
    return {
        "symbol": market.rules.symbol,
        "markPrice": mark,
        "indexPrice": money(market.last_price),
        "estimatedSettlePrice": mark,
        "lastFundingRate": money(exchange.fundings.rate),
        "interestRate": money(ZERO),
        "nextFundingTime": exchange.fundings.next_ms(now_ms),
        "time": now_ms,
    }


def leverage_bracket(rules: Rules) -> Json:
    """One bracket for all sizes."""
    return {
        "symbol": rules.symbol,
        "notionalCoef": 1.0,
        "brackets": [
            {
                "bracket": 1,
                "initialLeverage": HIGHEST_LEVERAGE,
                "notionalCap": NOTIONAL_CAP,
                "notionalFloor": 0,
                "maintMarginRatio": float(MAINTENANCE_RATE),
                "cum": 0.0,
            }
        ],
    }


def balance(held: Account, margin: Margin) -> Json:
    """The wallet as the balance endpoint shows it."""
    return {
        "accountAlias": held.name,
        "asset": MARGIN_ASSET,
        "balance": money(margin.wallet),
        "crossWalletBalance": money(margin.wallet),
        "crossUnPnl": money(margin.unrealised),
        "availableBalance": money(margin.available),
        "maxWithdrawAmount": money(margin.available),
        "marginAvailable": True,
        "updateTime": held.updated_ms,
    }


def account(exchange: FuturesExchange, held: Account, version: int) -> Json:
    """The account, its wallet and its positions; version 2 lists every contract, 3 only those in use."""
    margin = exchange.margin(held)
    totals = {
        "InitialMargin": margin.initial,
        "MaintMargin": margin.maintenance,
        "WalletBalance": margin.wallet,
        "UnrealizedProfit": margin.unrealised,
        "MarginBalance": margin.balance,
        "PositionInitialMargin": margin.positions,
        "OpenOrderInitialMargin": margin.orders,
        "CrossWalletBalance": margin.wallet,
        "CrossUnPnl": margin.unrealised,
    }
    shown = {name: money(value) for name, value in totals.items()}
    available = {"availableBalance": money(margin.available), "maxWithdrawAmount": money(margin.available)}
    answer: Json = {f"total{name}": value for name, value in shown.items()} | available
    answer["assets"] = [
        {"asset": MARGIN_ASSET, **{name[0].lower() + name[1:]: value for name, value in shown.items()}}
        | available
        | {"marginAvailable": True, "updateTime": held.updated_ms}
    ]
    answer["positions"] = [
        _account_position(exchange, held, symbol, exposure)
        for symbol, exposure in exchange.exposures(held).items()
        if version == 2 or _in_use(exposure)
    ]
    if version == 2:
        answer |= {
            "feeTier": 0, "canTrade": True, "canDeposit": True, "canWithdraw": False,
            "multiAssetsMargin": False, "tradeGroupId": -1, "updateTime": held.updated_ms,
        }  # fmt: skip
    return answer


def position_risk(exchange: FuturesExchange, held: Account, version: int, symbol: str | None) -> list[Json]:
    """Positions with their mark price; version 2 lists every contract, 3 only those in use."""
    rows = []
    for name, exposure in exchange.exposures(held).items():
        if symbol not in (None, name) or not (version == 2 or _in_use(exposure)):
            continue
        position = exchange.position(held, name)
        leverage = exchange.leverage(held, name)
        mark = exchange.mark(exchange.markets[name])
        row = {
            "symbol": name,
            "positionSide": "BOTH",
            "positionAmt": money(position.amount),
            "entryPrice": money(position.entry_price),
            "breakEvenPrice": money(position.entry_price),
            "markPrice": money(mark),
            "unRealizedProfit": money(position.unrealised(mark)),
            "liquidationPrice": money(ZERO),
            "isolatedMargin": money(ZERO),
            "notional": money(exposure.position),
            "isolatedWallet": money(ZERO),
            "updateTime": position.updated_ms,
        }
        if version == 2:
            row |= {
                "leverage": str(leverage),
                "maxNotionalValue": str(NOTIONAL_CAP),
                "marginType": "cross",
                "isAutoAddMargin": "false",
            }
        else:
            row |= {"marginAsset": MARGIN_ASSET, **_margins(exposure, leverage), "adl": 0}
        rows.append(row)
    return rows


def _account_position(exchange: FuturesExchange, held: Account, symbol: str, exposure: Exposure) -> Json:
    position = exchange.position(held, symbol)
    leverage = exchange.leverage(held, symbol)
    return {
        "symbol": symbol,
        "positionSide": "BOTH",
        "positionAmt": money(position.amount),
        "entryPrice": money(position.entry_price),
        "breakEvenPrice": money(position.entry_price),
        "unrealizedProfit": money(exposure.position - position.cost),
        "notional": money(exposure.position),
        "isolatedMargin": money(ZERO),
        "isolatedWallet": money(ZERO),
        "isolated": False,
        "leverage": str(leverage),
        "maxNotional": str(NOTIONAL_CAP),
        **_margins(exposure, leverage),
        "updateTime": position.updated_ms,
    }


def _margins(exposure: Exposure, leverage: int) -> Json:
    initial, own = exposure.initial(leverage), exposure.of_position(leverage)
    return {
        "initialMargin": money(initial),
        "maintMargin": money(exposure.maintenance),
        "positionInitialMargin": money(own),
        "openOrderInitialMargin": money(initial - own),
        "bidNotional": money(exposure.bids),
        "askNotional": money(exposure.asks),
    }


def _in_use(exposure: Exposure) -> bool:
    return bool(exposure.position or exposure.bids or exposure.asks)
