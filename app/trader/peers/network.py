"""Is it our own network that is down? Asked before every panic for another host, and answered right then.

The venue must answer us: else we are the one that is cut off, and could cancel nothing. One other host must
answer too: the way to the venue may stand while the one to the fleet is gone, and then every host looks lost.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Mapping
from pathlib import Path

import aiohttp


class Network:
    """Looks at the venue and at the witnesses.

    Args:
        witnesses: an address of every other host by its name; empty = there is none to ask.
    """

    def __init__(
        self, session: aiohttp.ClientSession, witnesses: Mapping[str, str], timeout_seconds: float
    ) -> None:
        self._session = session
        self._witnesses = witnesses
        self._timeout_seconds = timeout_seconds

    async def problem(self, host: str, venue_time: str, ca_file: Path | None) -> str:
        """Why nothing may be cancelled for a host now; "" = it may.

        Args:
            host: whom it is about; it is no witness to its own loss.
            venue_time: address at the venue that anybody may ask.
            ca_file: authority behind the venue's certificate; None = the public ones.
        """
        others = {name: url for name, url in self._witnesses.items() if name != host}
        venue, *seen = await asyncio.gather(
            self._answers(venue_time, ssl.create_default_context(cafile=ca_file)),
            *(self._answers(url, True) for url in others.values()),
        )
        if venue:
            return f"the venue does not answer: {venue}"
        if others and all(seen):
            return f"no other host answers: {', '.join(sorted(others))}; our own network may be down"
        return ""

    async def _answers(self, url: str, tls: ssl.SSLContext | bool) -> str:
        """Why it does not; "" = it does. Any status is an answer: a venue that is busy is there."""
        return await self._limited(self._ask(url, tls))

    async def _limited(self, asking: Awaitable[None]) -> str:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await asking
        except TimeoutError:
            return f"nothing within {self._timeout_seconds:g} s"
        except (aiohttp.ClientError, OSError) as error:
            return " ".join(f"{type(error).__name__}: {error}".split())[:200]
        return ""

    async def _ask(self, url: str, tls: ssl.SSLContext | bool) -> None:
        async with self._session.get(url, ssl=tls, allow_redirects=False):
            pass
