"""The table under the name by which the settings import it; see `venues`."""

from trader.venue.venues import RULES

__all__ = ["RULES"]
