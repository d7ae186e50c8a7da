"""The life of `trader watch-peers`: look, judge, and cancel for who is lost."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from trader.peers.firing import Firing
from trader.peers.judge import Judge, Sight, State
from trader.peers.network import Network
from trader.peers.report import Report, Told
from trader.peers.settings import Peer, PeersSettings
from trader.peers.ways import Ways
from trader.service.notify import Notifier
from trader.service.pulse import SECOND_NS, boot_ns
from trader.telemetry.events import Events

_LEVELS = {State.SEEN: "info", State.STOPPED: "info", State.DOUBT: "warning", State.LOST: "error"}


class Watch:
    """One peer."""

    def __init__(
        self, peer: Peer, settings: PeersSettings, session: aiohttp.ClientSession, events: Events
    ) -> None:
        self._peer = peer
        self._settings = settings
        self._events = events
        own = peer.settings
        self._ways = Ways(session, peer.name, own.health, own.exporter, settings.timeout_seconds)
        self._network = Network(session, settings.witnesses, settings.timeout_seconds)
        self._judge = Judge(settings.lost_seconds, settings.gap_seconds)
        self._firing = Firing(peer, settings.programs, settings.host, events)
        self._state: State | None = None
        self._sights: dict[str, Sight] = {}
        self._held = ""

    @property
    def calm(self) -> bool:
        """There is nothing that a restart of ours would forget."""
        return self._state in (State.SEEN, State.STOPPED) and not self._firing.running

    @property
    def told(self) -> Told:
        ways = {way: sight.mark is not None for way, sight in self._sights.items()}
        state, firing = self._state or State.SEEN, self._firing
        return Told(self._peer.name, state, ways, bool(self._held), firing.fired, firing.cancelled)

    async def look(self) -> None:
        """Look once, and act on it."""
        sights = await self._ways.look()
        now = boot_ns() / SECOND_NS
        state = self._judge.look(now, sights)
        self._announce(state, sights, self._judge.unseen_seconds(now))
        if state is State.LOST:
            await self._fire(self._judge.unseen_seconds(now))
        elif self._firing.running:
            self._events.emit("peer_panic_ended", "warning", peer=self._peer.name, state=state)
            await self._firing.stop()
        if state is not State.LOST:
            self._held = ""

    async def stop(self) -> None:
        """Leave nothing running."""
        await self._firing.stop()

    async def _fire(self, unseen_seconds: float) -> None:
        ended = self._firing.ended
        rests = ended is not None and _loop_seconds() - ended < self._settings.repeat_seconds
        if self._firing.running or rests:
            return
        peer = self._peer
        problem = await self._network.problem(peer.name, peer.venue_time, peer.target.ca_file)
        if problem:
            if not self._held:
                self._events.emit("peer_held", "error", peer=peer.name, message=problem)
            self._held = problem
            return
        self._held = ""
        seen = "; ".join(f"{way}: {sight.problem or 'no new beat'}" for way, sight in self._sights.items())
        reason = f"no heartbeat of {peer.name} for {unseen_seconds:.0f} s by two ways ({seen})"
        self._events.emit("peer_fire", "error", peer=peer.name, message=reason)
        self._firing.start(reason)

    def _announce(self, state: State, sights: dict[str, Sight], unseen_seconds: float) -> None:
        """Say what has changed, once."""
        for way, sight in sights.items():
            before = self._sights.get(way)
            if (before is None or not before.problem) and sight.problem:
                self._events.emit(
                    "peer_way_lost", "warning", peer=self._peer.name, way=way, message=sight.problem
                )
            elif before is not None and before.problem and not sight.problem:
                self._events.emit("peer_way_back", peer=self._peer.name, way=way)
        if state is not self._state:
            seconds = round(unseen_seconds, 1)
            self._events.emit(f"peer_{state}", _LEVELS[state], peer=self._peer.name, unseen_seconds=seconds)
        self._state, self._sights = state, sights


class Watcher:
    """All of them."""

    def __init__(
        self, settings: PeersSettings, peers: Sequence[Peer], events: Events, notifier: Notifier
    ) -> None:
        self._settings = settings
        self._peers = peers
        self._events = events
        self._notifier = notifier
        self._report = Report(settings.textfiles, events)

    async def run(self) -> None:
        """Watch until cancelled, or until the program has been replaced and all is calm."""
        # A connection that is kept proves less than one that is made, and holds another host's port.
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        async with aiohttp.ClientSession(connector=connector, trust_env=False) as session:
            watches = [Watch(peer, self._settings, session, self._events) for peer in self._peers]
            try:
                await self._live(watches)
            finally:
                await asyncio.gather(*(watch.stop() for watch in watches))

    async def _live(self, watches: Sequence[Watch]) -> None:
        ours = _release(self._settings.programs[0])
        names = ", ".join(peer.name for peer in self._peers)
        self._events.emit("watching", peers=[peer.name for peer in self._peers])
        self._notifier.send(READY=1, STATUS=f"watching {names}")
        due = _loop_seconds()
        while True:
            await asyncio.gather(*(watch.look() for watch in watches))
            self._notifier.send(WATCHDOG=1)
            told = [watch.told for watch in watches]
            self._report.tell(told, time.monotonic())
            if _release(self._settings.programs[0]) != ours and all(watch.calm for watch in watches):
                self._events.emit("released", message="another release is active; systemd starts us in it")
                return
            due = max(due + self._settings.look_seconds, _loop_seconds())
            await asyncio.sleep(due - _loop_seconds())


def _release(program: Path) -> Path:
    """Where the program really is: the link to the active release is swapped by a deploy."""
    return program.resolve()


def _loop_seconds() -> float:
    return asyncio.get_running_loop().time()
