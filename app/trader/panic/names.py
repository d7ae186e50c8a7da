"""Names of the venue when DNS fails: the last good addresses that the service keeps.

They are only read, and only then: the file is the service's, and its disk may hang. TLS proves who answers,
so an old address does no harm.
"""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from trader.venue import address_file
from trader.venue.address_file import AddressFileError

PATIENCE_SECONDS = 1.0
REMEMBERED_SECONDS = 30.0  # so long DNS is not asked again: each lookup that hangs holds a thread


class LastResortResolver(AbstractResolver):
    """Asks the system; when that fails or is slow, the service's file.

    Args:
        path: of the file (see `address_file`).
        report: called with one line of text when it is needed.
        real: None = the system's resolver.
    """

    def __init__(
        self, path: Path, report: Callable[[str], None], real: AbstractResolver | None = None
    ) -> None:
        self._path = path
        self._report = report
        self._real = real
        self._kept: dict[tuple[str, int], tuple[tuple[str, ...], float]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name.

        Raises:
            OSError: neither DNS nor the file has any.
        """
        addresses, until = self._kept.get((host, int(family)), ((), 0.0))
        if asyncio.get_running_loop().time() < until:
            return _results(host, port, addresses)
        if self._real is None:
            self._real = aiohttp.ThreadedResolver()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._real.resolve(host, port, family)
        except TimeoutError:
            why: OSError = socket.gaierror(socket.EAI_AGAIN, f"no answer within {PATIENCE_SECONDS:g} s")
        except OSError as error:
            why = error
        return _results(host, port, await self._from_file(host, int(family), why))

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _from_file(self, host: str, family: int, why: OSError) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                names = await asyncio.to_thread(address_file.read, self._path)
        except (AddressFileError, TimeoutError) as error:
            self._report(
                f"{host}: {why}; the last good addresses cannot be read: {error or 'the disk hangs'}"
            )
            raise why from error
        addresses = names.get((host, family)) or names.get((host, int(socket.AF_UNSPEC)))
        if not addresses:
            raise why
        self._report(f"{host}: {why}; using {', '.join(addresses)}")
        self._kept[host, family] = addresses, asyncio.get_running_loop().time() + REMEMBERED_SECONDS
        return addresses


def _results(host: str, port: int, addresses: tuple[str, ...]) -> list[ResolveResult]:
    return [
        ResolveResult(
            hostname=host,
            host=address,
            port=port,
            family=address_file.family_of(address),
            proto=0,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for address in addresses
    ]
