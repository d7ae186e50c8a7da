"""Checks before each order, the day's loss, and what it is all worth in USD: pure, time is an argument."""

from trader.risk.codes import RejectCode, Rejection
from trader.risk.engine import RiskEngine
from trader.risk.inputs import RiskInput
from trader.risk.limits import Change, Direction, Limits
from trader.risk.loss import DailyLoss, LossLevel
from trader.risk.pnl import DailyPnl
from trader.risk.valuation import Valuation

__all__ = [
    "Change",
    "DailyLoss",
    "DailyPnl",
    "Direction",
    "Limits",
    "LossLevel",
    "RejectCode",
    "Rejection",
    "RiskEngine",
    "RiskInput",
    "Valuation",
]
