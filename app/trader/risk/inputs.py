"""What the checks look at."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from trader.model.orders import Order
from trader.model.values import Instrument, Quote, TradingState
from trader.risk.valuation import Usd


@dataclass(frozen=True, slots=True)
class RiskInput:
    """The state of the world at one moment; mappings may be the live ones, nothing is changed.

    Args:
        positions: sum of our fills by symbol, in base units; a missing symbol is flat.
        orders: every order of ours that is not final: without an answer, unknown, open, being cancelled.
        usd: value of one unit of an asset or of a derivative (`Valuation.usd`).
        daily_pnl_usd: since midnight UTC (`DailyPnl.value`); None = not known.
    """

    state: TradingState
    instruments: Mapping[str, Instrument]
    quotes: Mapping[str, Quote]
    positions: Mapping[str, Decimal]
    orders: Collection[Order]
    usd: Usd
    daily_pnl_usd: Decimal | None
