"""Names of the venue, with the last good addresses for when DNS fails, over restarts too.

An old address is used however old it is: TLS proves who answers there, so a wrong one fails as surely as no
address at all, and a right one keeps the cancels going.
"""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection

from trader.venue import address_file
from trader.venue.address_file import AddressFileError, Names
from trader.venue.interface import describe

Key = tuple[str, int]


class LastGoodResolver(AbstractResolver):
    """Asks the real resolver; when it fails or is slow, gives what it said last.

    One lookup of a name runs at a time. A lookup that hangs holds a thread of the loop's pool, and further
    ones would take them all; so while it hangs, the last good addresses are given at once.

    Args:
        path: of the file that keeps the addresses (see `address_file`).
        timeout_seconds: for the real resolver.
        report: called with the name of an event (dns_fallback, dns_changed, dns_cache) and one line of text.
        real: None = the system's resolver.

    Attributes:
        fallbacks: answers that came from the last good addresses.
    """

    def __init__(
        self,
        path: Path,
        timeout_seconds: float = 2.0,
        report: Callable[[str, str], None] = lambda event, text: None,
        real: AbstractResolver | None = None,
    ) -> None:
        self._path = path
        self._timeout_seconds = timeout_seconds
        self._report = report
        self._real = real
        self._flying: dict[Key, tuple[asyncio.Task[list[ResolveResult]], float]] = {}
        self._names: Names = {}
        self.fallbacks = 0
        try:
            self._names = address_file.read(path)
        except AddressFileError as error:
            report("dns_cache", f"starts empty: {error}")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name.

        Raises:
            OSError: it cannot be resolved, and never was.
        """
        key = host, int(family)
        loop = asyncio.get_running_loop()
        if key not in self._flying:
            task = loop.create_task(self._ask(host, family))
            self._flying[key] = task, loop.time() + self._timeout_seconds
            task.add_done_callback(lambda task: self._landed(key, task))
        task, until = self._flying[key]
        await asyncio.wait([task], timeout=max(0.0, until - loop.time()))
        if not task.done():
            why: OSError = socket.gaierror(socket.EAI_AGAIN, f"no answer within {self._timeout_seconds:g} s")
        elif task.cancelled():
            why = socket.gaierror(socket.EAI_AGAIN, "the resolver was closed")
        elif (error := task.exception()) is None:
            return [{**found, "port": port} for found in task.result()]
        elif isinstance(error, OSError):
            why = error
        else:
            raise error
        return self._last_good(key, port, why)

    async def close(self) -> None:
        """Give up lookups under way."""
        for task, _ in list(self._flying.values()):
            task.cancel()

    async def _ask(self, host: str, family: socket.AddressFamily) -> list[ResolveResult]:
        if self._real is None:
            self._real = aiohttp.ThreadedResolver()
        found = await self._real.resolve(host, 0, family)
        if not found:
            raise socket.gaierror(socket.EAI_NODATA, "an answer without addresses")
        return found

    def _landed(self, key: Key, task: asyncio.Task[list[ResolveResult]]) -> None:
        """Remember a good answer, also one that nobody waits for any more."""
        del self._flying[key]
        if task.cancelled() or task.exception() is not None:
            return
        addresses = tuple(dict.fromkeys(found["host"] for found in task.result()))
        known = self._names.get(key, ())
        if set(addresses) == set(known):
            return
        self._names[key] = addresses
        if known:
            self._report("dns_changed", f"{key[0]}: {', '.join(known)} -> {', '.join(addresses)}")
        try:
            address_file.write(self._path, self._names)
        except AddressFileError as error:
            self._report("dns_cache", f"not written: {error}")

    def _last_good(self, key: Key, port: int, why: OSError) -> list[ResolveResult]:
        addresses = self._names.get(key)
        if addresses is None:
            raise why
        self.fallbacks += 1
        self._report("dns_fallback", f"{key[0]}: {describe(why)}; using {', '.join(addresses)}")
        return [
            ResolveResult(
                hostname=key[0],
                host=address,
                port=port,
                family=address_file.family_of(address),
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]


class GatedConnector(aiohttp.TCPConnector):
    """Asks once more when a request has its connection, before a byte of it leaves.

    To resolve, to connect and to shake hands takes seconds where the network is bad, and a request is signed
    before that.
    """

    def __init__(self, may_leave: Callable[[], None], **settings: Any) -> None:
        super().__init__(**settings)
        self._may_leave = may_leave

    async def connect(self, *request: Any, **settings: Any) -> Connection:
        connection = await super().connect(*request, **settings)
        try:
            self._may_leave()
        except BaseException:
            connection.release()
            raise
        return connection


def use_resolver(
    exchange: Any, resolver: AbstractResolver, may_leave: Callable[[], None] = lambda: None
) -> None:
    """Let a ccxt instance resolve names this way, for requests and streams: both use its one session.

    ccxt makes the session itself in `open` and takes no resolver. All else of `open` stays ccxt's; the
    session is made here with ccxt's own settings, and ccxt closes it as its own.

    Args:
        may_leave: called when a request has its connection; what it raises keeps the request from leaving.
    """
    plain_open = exchange.open

    def open_with_resolver(lazy: bool = False) -> None:
        own = exchange.own_session
        exchange.own_session = False  # everything but the session
        try:
            plain_open(lazy)
        finally:
            exchange.own_session = own
        if own and exchange.session is None:
            exchange.tcp_connector = GatedConnector(
                may_leave,
                ssl=exchange.ssl_context,
                loop=exchange.asyncio_loop,
                enable_cleanup_closed=True,
                family=socket.AF_UNSPEC,
                happy_eyeballs_delay=0,
                resolver=resolver,
            )
            exchange.session = aiohttp.ClientSession(
                loop=exchange.asyncio_loop,
                connector=exchange.tcp_connector,
                trust_env=exchange.aiohttp_trust_env,
            )

    exchange.open = open_with_resolver
