"""The same strategy without an order sent: a paper account on live quotes, compared with the live one."""

from trader.shadow.diff import Comparison, Decision, compare, load_decisions
from trader.shadow.paper import PaperSettings, PaperVenue

__all__ = ["Comparison", "Decision", "PaperSettings", "PaperVenue", "compare", "load_decisions"]
