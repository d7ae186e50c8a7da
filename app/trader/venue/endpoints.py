"""What we ask of a venue, by one name each, and what it costs there."""

from dataclasses import dataclass
from enum import StrEnum


class Endpoint(StrEnum):
    PLACE = "place"
    CANCEL = "cancel"
    CANCEL_ALL = "cancel_all"
    QUERY = "query"
    OPEN_ORDERS = "open_orders"
    OPEN_ORDERS_ALL = "open_orders_all"
    TRADES = "trades"
    BALANCES = "balances"
    POSITIONS = "positions"
    FUNDING = "funding"
    TIME = "time"
    EXCHANGE_INFO = "exchange_info"
    LISTEN_KEY = "listen_key"
    DEAD_MAN = "dead_man"


class Counted(StrEnum):
    """What a venue counts, in Binance's words for it."""

    WEIGHT = "REQUEST_WEIGHT"
    ORDERS = "ORDERS"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one request takes from the budget."""

    weight: int
    orders: int = 0

    def of(self, counted: Counted) -> int:
        return self.orders if counted is Counted.ORDERS else self.weight


@dataclass(frozen=True, slots=True)
class Limit:
    """So much of what is counted in any `seconds`."""

    counted: Counted
    seconds: float
    amount: int


@dataclass(frozen=True, slots=True)
class Tariff:
    """A venue's limits and prices.

    Args:
        costs: by endpoint; what is not there costs `other`.
    """

    limits: tuple[Limit, ...]
    costs: dict[Endpoint, Cost]
    other: Cost = Cost(1)

    def cost(self, endpoint: Endpoint) -> Cost:
        return self.costs.get(endpoint, self.other)


# Weights as documented for a request on one symbol (developers.binance.com, spot and USD-M). The limits are
# those of exchangeInfo; what it really answers replaces them (see `Budget.learn_rows`).
TARIFFS: dict[str, Tariff] = {
    "binance": Tariff(
        (
            Limit(Counted.WEIGHT, 60, 6_000),
            Limit(Counted.ORDERS, 10, 50),
            Limit(Counted.ORDERS, 86_400, 160_000),
        ),
        {
            Endpoint.PLACE: Cost(1, orders=1),
            Endpoint.CANCEL: Cost(1),
            Endpoint.CANCEL_ALL: Cost(1),
            Endpoint.QUERY: Cost(4),
            Endpoint.OPEN_ORDERS: Cost(6),
            Endpoint.OPEN_ORDERS_ALL: Cost(80),  # of every symbol
            Endpoint.TRADES: Cost(20),
            Endpoint.BALANCES: Cost(20),
            Endpoint.TIME: Cost(1),
            Endpoint.EXCHANGE_INFO: Cost(20),
            Endpoint.LISTEN_KEY: Cost(2),
        },
    ),
    "binanceusdm": Tariff(
        (
            Limit(Counted.WEIGHT, 60, 2_400),
            Limit(Counted.ORDERS, 10, 300),
            Limit(Counted.ORDERS, 60, 1_200),
        ),
        {
            # Documented as weight 0; 1 costs little and keeps orders behind waiting cancels.
            Endpoint.PLACE: Cost(1, orders=1),
            Endpoint.CANCEL: Cost(1),
            Endpoint.CANCEL_ALL: Cost(1),
            Endpoint.QUERY: Cost(1),
            Endpoint.OPEN_ORDERS: Cost(1),
            Endpoint.OPEN_ORDERS_ALL: Cost(40),
            Endpoint.TRADES: Cost(5),
            Endpoint.BALANCES: Cost(5),
            Endpoint.POSITIONS: Cost(5),
            Endpoint.FUNDING: Cost(30),
            Endpoint.TIME: Cost(1),
            Endpoint.EXCHANGE_INFO: Cost(1),
            Endpoint.LISTEN_KEY: Cost(1),
            Endpoint.DEAD_MAN: Cost(10),
        },
    ),
}


def tariff(venue: str, rate_limit_ms: float) -> Tariff:
    """A venue's tariff; without a row of its own, one request per `rate_limit_ms`, in bursts of a second.

    Args:
        venue: ccxt's id.
        rate_limit_ms: ccxt's `rateLimit` of the venue.
    """
    if venue in TARIFFS:
        return TARIFFS[venue]
    seconds = max(1.0, rate_limit_ms / 1_000)
    amount = max(1, int(1_000 * seconds / rate_limit_ms))
    return Tariff((Limit(Counted.WEIGHT, seconds, amount),), {})
