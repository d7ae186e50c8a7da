"""What the rest of the service asks of a venue, whoever answers: the real one, or the paper one.

What moves an order says what its answer proved, and never tries twice.
"""

import re
import time
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from trader.model.orders import Order
from trader.model.values import Fill, Instrument, OrderReport, Payment
from trader.venue.outcomes import Outcome

_QUERY = re.compile(r"\?[^\s\"']+")


class VenueError(Exception):
    """A query failed; one line with the reason."""


class Found(StrEnum):
    FOUND = "found"
    ABSENT = "absent"  # the venue says that it has no such order (proof only after the receive window)
    TAKEN = "taken"  # the venue took the cancel and says nothing of the order: it must be asked
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Placement:
    """The answer to a new order; `report` when acknowledged, else `error`."""

    outcome: Outcome
    report: OrderReport | None = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """The answer to a query or a cancel of one order."""

    found: Found
    report: OrderReport | None = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class KeyPermissions:
    """What the venue lets this API key do; None = the venue cannot tell.

    Args:
        trade: place orders on the market of this account.
        withdraw: move money out of the account's reach: to an address, or to another account's owner.
        text: one line for people, with the venue's own words.
    """

    trade: bool | None
    withdraw: bool | None
    text: str


class Venue(Protocol):
    """One account at one venue. Client ids are ours here; how a venue spells them is its gateway's affair."""

    @property
    def instruments(self) -> dict[str, Instrument]:
        """The traded symbols and their rules; empty before `connect`."""

    @property
    def recv_window_ms(self) -> int:
        """How long the venue may take a request after it was made: "not found" is proof only after that.

        By the venue's own limits this can be longer than the settings ask for (see `venues.VenueRule`).
        """

    async def connect(self) -> None:
        """Load the markets and check that each symbol is there.

        Raises:
            VenueError: the venue is away, or does not know a symbol.
        """

    async def place(self, order: Order) -> Placement:
        """Send one new order, once."""

    async def close_out(self, order: Order) -> Placement:
        """Send one new order that closes a position while trading is halted, once."""

    async def cancel(self, order: Order) -> Lookup:
        """Ask once for a cancel. Only FOUND with a final report ends the order; else it must be queried."""

    async def cancel_stranger(self, report: OrderReport) -> None:
        """Ask once for the cancel of an order that is in no journal, by the venue's own id.

        Raises:
            VenueError: the venue did not say that it is cancelled.
        """

    async def lookup(self, order: Order) -> Lookup:
        """Ask for an order by our client id."""

    async def forgotten(self, venue_order_id: str, symbol: str) -> tuple[Order, OrderReport] | None:
        """The order behind the venue's own id, for one that our record does not have; None = there is none.

        Raises:
            VenueError: the query failed.
        """

    async def open_orders(self) -> list[OrderReport]:
        """Every open order of the account on our symbols, ours or not.

        Raises:
            VenueError: a query failed.
        """

    async def trades(self, symbol: str, after: str | None) -> list[Fill]:
        """Our trades on a symbol that come after the trade `after` (None: the last one only), oldest first.

        A trade may be told twice; (symbol, trade id) is the key. "-1" means from the first that the venue
        still lists.

        Raises:
            VenueError: a query failed.
        """

    async def balances(self) -> dict[str, Decimal]:
        """Total by asset.

        Raises:
            VenueError: the query failed.
        """

    async def positions(self) -> dict[str, Decimal]:
        """Signed quantity by symbol, in base units, without the flat ones; empty on a spot venue.

        Raises:
            VenueError: the query failed.
        """

    async def payments(self, since_ms: int) -> list[Payment]:
        """Funding payments of the account from a time on (UTC ms, inclusive), oldest first.

        Empty where there are none to come: on a spot venue, on paper, and at a venue whose row says that they
        cannot be read (preflight names it).

        Raises:
            VenueError: a query failed.
        """

    async def time_ms(self) -> int:
        """The venue's clock (UTC).

        Raises:
            VenueError: the query failed.
        """

    async def close(self) -> None:
        """Close connections."""


def describe(error: BaseException | None) -> str:
    """An error in one short line: ccxt's messages hold whole pages, and URLs with the request's signature."""
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {_QUERY.sub('?...', lines[0])[:200]}"


def now_ms() -> int:
    """Our clock (UTC), as requests are stamped with it."""
    return time.time_ns() // 1_000_000
