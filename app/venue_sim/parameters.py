"""The parameters of a request: how each must look, and the venue's refusal for each way to be wrong."""

from __future__ import annotations

import re
from decimal import Decimal

from venue_sim import errors
from venue_sim.model import DECIMALS

SYMBOL = r"^[A-Z0-9-_.]{1,20}$"
DECIMAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
INTEGER = r"^[0-9]{1,20}$"
CLIENT_ID = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"

_COMPILED = {pattern: re.compile(pattern) for pattern in (SYMBOL, DECIMAL, INTEGER, CLIENT_ID)}


class Parameters(dict[str, str]):
    """What the client sent, by name. The getters refuse as the venue does."""

    def optional(self, name: str, pattern: str) -> str | None:
        """A value that matches `pattern`, or None when it was not sent.

        Raises:
            VenueError: -1105 when empty, -1100 when it has characters outside its legal range.
        """
        value = self.get(name)
        if value is None:
            return None
        if not value:
            raise errors.empty(name)
        if not _COMPILED[pattern].match(value) or value.endswith("\n"):
            raise errors.illegal_characters(name, pattern)
        return value

    def symbol(self) -> str:
        """The mandatory symbol."""
        value = self.optional("symbol", SYMBOL)
        if value is None:
            raise errors.mandatory("symbol")
        return value

    def decimal(self, name: str) -> Decimal | None:
        """An amount with at most eight decimals.

        Raises:
            VenueError: -1100, -1105, or -1111 for more decimals.
        """
        value = self.optional(name, DECIMAL)
        if value is None:
            return None
        if len(value.rpartition(".")[2].rstrip("0")) > DECIMALS and "." in value:
            raise errors.too_much_precision(name)
        return Decimal(value)

    def integer(self, name: str) -> int | None:
        """A whole number, not negative."""
        value = self.optional(name, INTEGER)
        return None if value is None else int(value)

    def limit(self, default: int, highest: int) -> int:
        """The `limit` parameter: absent or zero is the default, more than the highest is the highest."""
        return min(self.integer("limit") or default, highest)

    def choice(self, name: str, code: int, message: str, *allowed: str) -> str | None:
        """One of the allowed words, or the venue's own code and text for that parameter."""
        value = self.get(name)
        if value is None:
            return None
        if not value:
            raise errors.empty(name)
        if value not in allowed:
            raise errors.VenueError(code, message)
        return value

    def client_id(self, name: str) -> str | None:
        """A client order id."""
        return self.optional(name, CLIENT_ID)
