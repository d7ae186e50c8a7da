"""How the account's own stream is opened at each venue, and which of ccxt's connections carry it.

ccxt subscribes at the first watch call and tells nobody when that has worked. Where a venue's way is known
the subscription is made by itself, with its own deadline, so that "subscribed" is a fact. Elsewhere it is a
guess: a watch call that has not failed for a while is taken to be subscribed.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

ENDED_BY_VENUE = ("eventStreamTerminated", "listenKeyExpired", "serverShutdown")


@dataclass(frozen=True, slots=True)
class Channel:
    """The user stream of one venue.

    Args:
        subscribe: makes the subscription and returns ccxt's client that carries it; None = at the first watch
            call.
        carries: whether ccxt's connection of this URL is the account's.
    """

    subscribe: Callable[[Any], Awaitable[Any]] | None
    carries: Callable[[str], bool]


async def _binance(exchange: Any) -> Any:
    """Signature subscription on the WebSocket API; one connection for all of the account's events."""
    client = exchange.client(exchange.urls["api"]["ws"]["ws-api"]["spot"])
    await exchange.authenticate({"type": "spot"})
    return client


async def _binanceusdm(exchange: Any) -> Any:
    """A listen key by REST, and a connection that names it."""
    known = exchange.options.get("linear", {}).get("listenKey")
    if known is not None and exchange.get_private_ws_url("linear", known) not in exchange.clients:
        # The connection is gone, perhaps because the key had expired; ccxt would use it for 20 minutes more.
        exchange.options["linear"] = {}
    await exchange.authenticate({})
    client = exchange.client(exchange.get_private_ws_url("linear", exchange.options["linear"]["listenKey"]))
    await client.connect(exchange.session)
    return client


CHANNELS: dict[str, Channel] = {
    "binance": Channel(_binance, lambda url: "/ws-api/" in url),
    "binanceusdm": Channel(_binanceusdm, lambda url: "listenKey=" in url),
    "kraken": Channel(None, lambda url: "ws-auth" in url),
    "krakenfutures": Channel(None, lambda url: True),  # one connection carries all
    "bybit": Channel(None, lambda url: "/private" in url),
    "okx": Channel(None, lambda url: "/private" in url),
    "coinbase": Channel(None, lambda url: True),  # one connection carries all
}


def ended_by_venue(message: Any) -> bool:
    """Whether the venue says with this message that nothing more comes on the connection.

    ccxt knows some of these and waits on for ever after any (ccxt#6760).
    """
    event = message.get("event", message) if isinstance(message, dict) else None
    return isinstance(event, dict) and event.get("e") in ENDED_BY_VENUE
