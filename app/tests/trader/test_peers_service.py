"""The real service beside a real watcher: what one says in its heartbeat is what the other understands."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.trader.panic_support import open_at_venue, requests_of
from tests.trader.peers_support import LOST_SECONDS, PEER, Endpoint, RunningWatcher
from tests.trader.support import RunningTrader, until
from tests.venue_sim.support import RunningVenue
from trader.service.heartbeat_file import FILE_NAME, HeartbeatFile
from trader.telemetry.events import Events

MakeTrader = Callable[..., RunningTrader]


class Pair:
    """A service, its host's node_exporter, and who watches them."""

    def __init__(self, folder: Path, venue: RunningVenue, make_trader: MakeTrader, **changes: Any) -> None:
        self.venue = venue
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.textfiles = folder / "node_exporter"
        self.textfiles.mkdir()
        self.trader = make_trader(
            venue,
            http={"host": "127.0.0.1", "port": self.port},
            latch={"textfiles": str(self.textfiles)},
            **changes,
        )
        self.exporter = Endpoint(self._metrics)
        ways = (f"http://127.0.0.1:{self.port}/healthz", self.exporter.url)
        self.watcher = RunningWatcher(folder / "watcher", venue, {PEER: ways})

    def _metrics(self) -> str:
        return "".join(path.read_text() for path in sorted(self.textfiles.glob("[!.]*.prom")))

    def trade(self) -> None:
        self.trader.start()
        self.trader.event("trading_started")
        until(lambda: self.trader.health()["open_orders"] > 0, "an order that rests")

    def untouched(self) -> None:
        self.watcher.watched_on()
        self.watcher.did_nothing()

    def close(self) -> None:
        self.watcher.close()
        self.exporter.close()


@pytest.fixture
def make_pair(tmp_path: Path, make_trader: MakeTrader, venue: RunningVenue) -> Iterator[Callable[..., Pair]]:
    made: list[Pair] = []

    def make(**changes: Any) -> Pair:
        made.append(Pair(tmp_path, venue, make_trader, **changes))
        return made[-1]

    yield make
    for pair in made:
        pair.close()


def test_from_trading_over_an_orderly_stop_and_a_start_to_a_crash(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair()
    watcher, trader = pair.watcher, pair.trader
    pair.trade()
    watcher.start()
    watcher.event("peer_seen")
    pair.untouched()
    assert {e["way"] for e in watcher.events if e["event"] == "peer_way_lost"} == set()

    assert trader.terminate() == 0
    watcher.event("peer_stopped")
    pair.untouched()

    pair.trade()
    watcher.event("peer_seen", times=2)
    pair.untouched()

    trader.kill()
    left = open_at_venue(pair.venue)
    assert left
    watcher.event("peer_cancelled")
    assert open_at_venue(pair.venue) == set()
    assert requests_of(pair.venue, "peer")

    trader.start()
    watcher.event("peer_seen", times=3)
    trader.event("trading_started")
    assert trader.terminate() == 0
    assert watcher.terminate() == 0


def test_a_stop_that_leaves_orders_is_a_loss(make_pair: Callable[..., Pair]) -> None:
    """By the policy `keep` it is on purpose, for a restart that follows at once. This one does not."""
    pair = make_pair(drain={"open_orders": "keep", "deadline_seconds": 10})
    pair.trade()
    pair.watcher.start()
    pair.watcher.event("peer_seen")
    assert pair.trader.terminate() == 0
    assert open_at_venue(pair.venue)
    pair.watcher.event("peer_cancelled")
    assert open_at_venue(pair.venue) == set()
    assert pair.watcher.count("peer_stopped") == 0
    assert pair.watcher.terminate() == 0


def test_an_orderly_restart_is_no_loss(make_pair: Callable[..., Pair]) -> None:
    """As a deploy does it."""
    pair = make_pair()
    pair.trade()
    pair.watcher.start()
    pair.watcher.event("peer_seen")
    for _ in range(2):
        assert pair.trader.terminate() == 0
        pair.trade()
    pair.watcher.watched_on(LOST_SECONDS)
    pair.watcher.did_nothing()
    assert pair.watcher.count("peer_lost") == 0
    assert pair.watcher.terminate() == 0
    assert pair.trader.terminate() == 0


async def test_after_its_last_word_the_heart_says_nothing(tmp_path: Path) -> None:
    """It beats until the process ends."""
    file = HeartbeatFile(tmp_path, Events())
    file.beat(0.0)
    await file.stop(nothing_open=True)
    word = (tmp_path / FILE_NAME).read_text()
    assert "trader_heartbeat_stopped 1" in word
    file.beat(1_000.0)
    await file.stop()
    assert (tmp_path / FILE_NAME).read_text() == word
    assert file.beats == 1


async def test_a_heart_that_stops_otherwise_does_not_say_that_nothing_is_open(tmp_path: Path) -> None:
    file = HeartbeatFile(tmp_path, Events())
    file.beat(0.0)
    await file.stop()
    assert "trader_heartbeat_stopped 0" in (tmp_path / FILE_NAME).read_text()
