"""The two ways to see a host: its service's own health, and what node_exporter says with the service dead.

They are two processes on two ports; the second one answers while the service hangs, and the first one while
node_exporter is down.
"""

import asyncio
import json
from collections.abc import Awaitable, Mapping

import aiohttp

from trader.peers.judge import Sight

HEALTH, EXPORTER = "health", "exporter"
_LARGEST_BYTES = 1_000_000
# Only what is read here: all of the host's figures would cost it more than this watch is worth.
_COLLECT = "collect[]=textfile"
BEAT, STOPPED = "trader_heartbeat_timestamp_seconds", "trader_heartbeat_stopped"


class Ways:
    """Asks both ways at once.

    Args:
        host: its name, which its health must tell: another service on that address is not it.
        timeout_seconds: longest wait for one answer.
    """

    def __init__(
        self, session: aiohttp.ClientSession, host: str, health: str, exporter: str, timeout_seconds: float
    ) -> None:
        self._session = session
        self._host = host
        self._health = health
        self._exporter = f"{exporter}{'&' if '?' in exporter else '?'}{_COLLECT}"
        self._timeout_seconds = timeout_seconds

    async def look(self) -> dict[str, Sight]:
        """One look; whatever goes wrong is a sight with a problem."""
        health, exporter = await asyncio.gather(
            self._sight(self._by_health()), self._sight(self._by_exporter())
        )
        return {HEALTH: health, EXPORTER: exporter}

    async def _sight(self, way: Awaitable[Sight]) -> Sight:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await way
        except TimeoutError:
            return Sight(problem=f"no answer within {self._timeout_seconds:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Sight(problem=" ".join(f"{type(error).__name__}: {error}".split())[:200])

    async def _by_health(self) -> Sight:
        return health_sight(self._host, await self._get(self._health))

    async def _by_exporter(self) -> Sight:
        return exporter_sight(await self._get(self._exporter))

    async def _get(self, url: str) -> str:
        async with self._session.get(url, allow_redirects=False) as answer:
            if answer.status != 200:
                raise ValueError(f"HTTP {answer.status}")
            return (await answer.content.read(_LARGEST_BYTES)).decode()


def health_sight(host: str, body: str) -> Sight:
    """What a body of /healthz shows.

    Raises:
        ValueError: it is no JSON.
    """
    health = json.loads(body)
    if not isinstance(health, dict) or health.get("host") != host:
        told = health.get("host") if isinstance(health, dict) else None
        return Sight(problem=f"the answer is not of {host} but of {told!r:.60}")
    if "heartbeats" not in health:
        return Sight(problem="its health counts no heartbeats")
    return Sight(mark=f"{health.get('started_at_ns')} {health['heartbeats']}")


def exporter_sight(body: str) -> Sight:
    """What node_exporter's text shows."""
    values = _values(body)
    if (beat := values.get(BEAT)) is None:
        return Sight(problem=f"no {BEAT}")
    return Sight(mark=beat, stopped=values.get(STOPPED) == "1")


def _values(body: str) -> Mapping[str, str]:
    """The series without labels, as they are written."""
    pairs = (line.split() for line in body.splitlines() if not line.startswith("#"))
    return {pair[0]: pair[1] for pair in pairs if len(pair) >= 2}
