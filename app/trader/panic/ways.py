"""What a venue's own way of cancelling everything is made of; the venues are in `venue_ways`.

Requests go out under ccxt's names for the venue's own endpoints: they need no markets, and the venue's own
names of symbols come with the list of open orders, so that none has to be known beforehand.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Row = dict[str, Any]
PAGES = 1_000  # no account has so many; a venue that pages for ever must not hold us


class OddListError(Exception):
    """A list that is none: it must not be taken for an empty one."""


@dataclass(frozen=True, slots=True)
class Open:
    """An open order in the venue's own words; `kind` is what tells it from a normal one, "" = it is one."""

    symbol: str
    order_id: str
    client_id: str = ""
    kind: str = ""

    def __str__(self) -> str:
        kind = f"{self.kind} " if self.kind else ""
        own = f" ({self.client_id})" if self.client_id else ""
        return f"{self.symbol} {kind}{self.order_id}{own}"


@dataclass(frozen=True, slots=True)
class Request:
    """One request: ccxt's name of the endpoint, and its parameters."""

    method: str
    params: Any = None

    def send(self, exchange: Any) -> Awaitable[Any]:
        answer: Awaitable[Any] = getattr(exchange, self.method)({} if self.params is None else self.params)
        return answer


@dataclass(frozen=True, slots=True)
class Cancel:
    """A request that cancels, and which of the listed orders it is for; it may cancel more.

    `named` makes an order of a row of the answer, where the answer names what was cancelled.
    """

    request: Request
    orders: tuple[Open, ...] = ()
    named: Callable[[Row], Open] | None = None

    def cancelled(self, answer: Any) -> set[Open]:
        """What the venue says that it cancelled, as far as it names it."""
        if self.named is None or not isinstance(answer, list):
            return set(self.orders)
        rows = [row for row in answer if isinstance(row, dict) and "orderId" in row]
        return {*self.orders, *map(self.named, rows)}


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of open orders of the whole account.

    Args:
        request: of the first page.
        rows: where the orders stand in the answer.
        read: makes an order of a row.
        by_id: the rows are a mapping from their ids.
        after: what asks for the page behind this one, from the answer and its orders; None = there is none.
    """

    request: Request
    rows: tuple[str, ...]
    read: Callable[[Row], Open]
    by_id: bool = False
    after: Callable[[Row, list[Open]], Row | None] = lambda answer, page: None

    async def all(self, send: Callable[[Request], Awaitable[Any]]) -> list[Open]:
        """Every page.

        Raises:
            OddListError: an answer that is no list of orders.
            Exception: what the requests raise.
        """
        found: dict[Open, None] = {}
        request: Request = self.request
        for _ in range(PAGES):
            answer = await send(request)
            page = self._page(answer)
            new = [order for order in page if order not in found]
            found |= dict.fromkeys(new)
            more = self.after(answer, page) if new else None
            if more is None:
                return list(found)
            request = Request(request.method, {**self.request.params, **more})
        raise OddListError(f"{request.method}: more than {PAGES} pages")

    def _page(self, answer: Any) -> list[Open]:
        try:
            for name in self.rows:
                answer = answer[name]
            if self.by_id:
                answer = [{"id": order_id, **row} for order_id, row in answer.items()]
            if not isinstance(answer, list):
                raise TypeError(f"{type(answer).__name__} in place of a list")
            return [self.read(row) for row in answer]
        except (KeyError, TypeError, AttributeError) as error:
            raise OddListError(
                f"{self.request.method}: the answer is no list of orders: {error!r}"
            ) from error


class By(StrEnum):
    """What one cancelling request takes."""

    ACCOUNT = "account"
    SYMBOL = "symbol"
    IDS = "ids"


@dataclass(frozen=True, slots=True)
class Bulk:
    """A request that cancels many.

    Args:
        params: from the symbol ("" unless by symbol) and the orders that one request is for.
        kinds: of orders; None = all.
        size: orders in one request, where it takes ids.
        named: see `Cancel`.
    """

    method: str
    by: By
    params: Callable[[str, Sequence[Open]], Any] = lambda symbol, orders: {}
    kinds: frozenset[str] | None = None
    size: int = 1
    named: Callable[[Row], Open] | None = None

    def cancels(self, orders: Sequence[Open]) -> Iterator[Cancel]:
        """The requests for these orders."""
        mine = [order for order in orders if self.kinds is None or order.kind in self.kinds]
        if not mine:
            return
        if self.by is By.SYMBOL:
            for symbol in dict.fromkeys(order.symbol for order in mine):
                yield self._cancel(symbol, [order for order in mine if order.symbol == symbol])
        elif self.by is By.ACCOUNT:
            yield self._cancel("", mine)
        else:
            for start in range(0, len(mine), self.size):
                yield self._cancel("", mine[start : start + self.size])

    def blind(self, symbols: Sequence[str]) -> Iterator[Cancel]:
        """The requests that need no list."""
        if self.by is By.ACCOUNT:
            yield self._cancel("", ())
        elif self.by is By.SYMBOL:
            for symbol in symbols:
                yield self._cancel(symbol, ())

    def _cancel(self, symbol: str, orders: Sequence[Open]) -> Cancel:
        return Cancel(Request(self.method, self.params(symbol, orders)), tuple(orders), self.named)


@dataclass(frozen=True, slots=True)
class Way:
    """One venue.

    Args:
        listings: which together are the whole account.
        bulks: which together cancel whatever is listed.
        single: the request that cancels one order by its id.
        together: requests that may be under way at a time.
    """

    listings: tuple[Listing, ...]
    bulks: tuple[Bulk, ...]
    single: Callable[[Open], Request]
    together: int = 8

    def all_of(self, orders: Sequence[Open]) -> list[Cancel]:
        """The fewest requests that cancel these orders."""
        return [cancel for bulk in self.bulks for cancel in bulk.cancels(orders)]

    def blind(self, symbols: Sequence[str]) -> list[Cancel]:
        """What can be cancelled while the venue lists nothing; `symbols` as the settings have them."""
        raw = [symbol.partition(":")[0].replace("/", "") for symbol in symbols]
        return [cancel for bulk in self.bulks for cancel in bulk.blind(raw)]

    def one(self, order: Open) -> Cancel:
        """Cancel one order by its id."""
        return Cancel(self.single(order), (order,))
