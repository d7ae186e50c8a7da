"""The real `trader watch-peers` beside hosts that are put on, judged by the emulator's record."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.trader.panic_support import open_at_venue, requests_of
from tests.trader.peers_support import (
    LOST_SECONDS,
    PEER,
    WRONG_CLOCK,
    Endpoint,
    FakeHost,
    RunningWatcher,
)
from tests.trader.support import until
from tests.venue_sim.clients import ccxt_client
from tests.venue_sim.support import RunningVenue

MakeWatcher = Callable[..., RunningWatcher]
STATE = f'trader_peer_state{{peer="{PEER}"}}'
HELD = f'trader_peer_held{{peer="{PEER}"}}'


@pytest.fixture
def make_host() -> Iterator[Callable[..., FakeHost]]:
    made: list[FakeHost] = []

    def make(**fields: Any) -> FakeHost:
        made.append(FakeHost(**fields))
        return made[-1]

    yield make
    for host in made:
        host.close()


@pytest.fixture
def host(make_host: Callable[..., FakeHost]) -> FakeHost:
    return make_host()


@pytest.fixture
def make_watcher(tmp_path: Path, quiet_venue: RunningVenue) -> Iterator[MakeWatcher]:
    """`make_watcher(host)`; it watches that host's account at the quiet venue."""
    made: list[RunningWatcher] = []

    def make(host: FakeHost, **changes: Any) -> RunningWatcher:
        ways = {host.name: (host.health.url, host.exporter.url)}
        made.append(RunningWatcher(tmp_path / f"watcher-{len(made)}", quiet_venue, ways, **changes))
        return made[-1]

    yield make
    for watcher in made:
        watcher.close()


@pytest.fixture
def other() -> Iterator[Endpoint]:
    """Another host of the fleet."""
    endpoint = Endpoint(lambda: "here\n")
    yield endpoint
    endpoint.close()


async def place(venue: RunningVenue, name: str = "resting") -> None:
    """An order that rests, by the service's own key."""
    async with ccxt_client(venue) as client:
        extra = {"newClientOrderId": name}
        await client.create_order("BTC/USDT", "limit", "buy", "0.01", "50000", extra)


def flat(venue: RunningVenue) -> None:
    until(lambda: not open_at_venue(venue), "no open order at the venue", 40)


@pytest.mark.parametrize("dies", [FakeHost.kill, FakeHost.power_off])
async def test_a_host_that_dies_has_its_orders_cancelled_by_the_peers_own_key(
    quiet_venue: RunningVenue, host: FakeHost, make_watcher: MakeWatcher, dies: Callable[[FakeHost], None]
) -> None:
    watcher = make_watcher(host).start()
    watcher.event("peer_seen")
    watcher.has_metric(STATE, 0)
    await place(quiet_venue)
    died_ns = time.time_ns()
    dies(host)
    watcher.event("peer_doubt")
    lost = watcher.event("peer_lost")
    assert (LOST_SECONDS - 1) * 1e9 < lost["at_ns"] - died_ns < 2.5 * LOST_SECONDS * 1e9, "in its time"
    flat(quiet_venue)
    assert requests_of(quiet_venue, "peer"), "by its own key"
    assert requests_of(quiet_venue, "panic") == []
    done = watcher.event("peer_cancelled")
    assert (done["cancelled"], done["open_orders"]) == (1, 0)
    watcher.has_metric(STATE, 3)
    until(lambda: watcher.metric(f'trader_peer_cancelled_orders_total{{peer="{PEER}"}}') == 1, "the count")
    assert watcher.terminate() == 0


async def test_an_order_that_appears_while_it_is_lost_is_cancelled_too(
    quiet_venue: RunningVenue, host: FakeHost, make_watcher: MakeWatcher
) -> None:
    host.power_off()
    watcher = make_watcher(host).start()
    watcher.event("peer_cancelled")  # a host that was dead before we began is lost as well
    await place(quiet_venue)
    flat(quiet_venue)
    host.exporter.open()
    host.revive()
    watcher.event("peer_seen", times=2)
    done = watcher.count("peer_fire")
    await place(quiet_venue, "mine-again")
    watcher.watched_on()
    assert watcher.count("peer_fire") == done
    assert open_at_venue(quiet_venue) == {"mine-again"}
    assert watcher.terminate() == 0


def lose_health(host: FakeHost) -> None:
    host.health.close()


def lose_exporter(host: FakeHost) -> None:
    host.exporter.close()


def hang_health(host: FakeHost) -> None:
    host.health.hanging = True


@pytest.mark.parametrize("loses", [lose_health, lose_exporter, hang_health])
async def test_while_one_way_shows_it_nothing_is_done(
    quiet_venue: RunningVenue, host: FakeHost, make_watcher: MakeWatcher, loses: Callable[[FakeHost], None]
) -> None:
    await place(quiet_venue)
    watcher = make_watcher(host).start()
    watcher.event("peer_seen")
    loses(host)
    watcher.event("peer_way_lost")
    watcher.watched_on()
    watcher.did_nothing()
    assert watcher.count("peer_lost") == 0
    assert open_at_venue(quiet_venue) == {"resting"}
    host.health.hanging = False
    assert watcher.terminate() == 0


async def test_a_short_loss_of_both_ways_is_nothing(
    quiet_venue: RunningVenue, host: FakeHost, make_watcher: MakeWatcher
) -> None:
    await place(quiet_venue)
    watcher = make_watcher(host).start()
    for times in (1, 2):
        watcher.event("peer_seen", times=times)
        host.kill()
        watcher.event("peer_doubt", times=times)
        host.revive()
    watcher.event("peer_seen", times=3)
    watcher.watched_on(LOST_SECONDS)
    watcher.did_nothing()
    assert watcher.count("peer_lost") == 0
    assert watcher.terminate() == 0


async def test_while_the_venue_is_not_seen_it_waits_and_then_acts(
    quiet_venue: RunningVenue, host: FakeHost, make_watcher: MakeWatcher
) -> None:
    await place(quiet_venue)
    watcher = make_watcher(host).start()
    watcher.event("peer_seen")
    quiet_venue.stop()
    host.power_off()
    held = watcher.event("peer_held")
    assert held["message"].startswith("the venue does not answer: ")
    watcher.has_metric(HELD, 1)
    watcher.watched_on(LOST_SECONDS)
    assert watcher.count("peer_fire") == 0
    quiet_venue.start()
    assert requests_of(quiet_venue, "peer") == []
    flat(quiet_venue)
    watcher.has_metric(HELD, 0)
    assert watcher.terminate() == 0


async def test_when_no_other_host_is_seen_it_is_our_own_network(
    quiet_venue: RunningVenue, host: FakeHost, make_watcher: MakeWatcher, other: Endpoint
) -> None:
    """The venue answers all the while: the way to it may stand when the one to the fleet is gone."""
    await place(quiet_venue)
    # The lost host is no witness to its own loss, whatever answers there.
    witnesses = {"monitor-01": other.url, PEER: f"http://127.0.0.1:{quiet_venue.admin_port}/"}
    watcher = make_watcher(host, witnesses=witnesses).start()
    watcher.event("peer_seen")
    other.close()
    host.power_off()
    held = watcher.event("peer_held")
    assert held["message"] == "no other host answers: monitor-01; our own network may be down"
    watcher.watched_on(LOST_SECONDS)
    watcher.did_nothing()
    other.open()
    flat(quiet_venue)
    assert watcher.terminate() == 0


@pytest.mark.parametrize("ahead_seconds", [3_600.0, -3_600.0])
async def test_a_hosts_wrong_clock_neither_kills_nor_saves_it(
    quiet_venue: RunningVenue,
    make_host: Callable[..., FakeHost],
    make_watcher: MakeWatcher,
    ahead_seconds: float,
) -> None:
    host = make_host(ahead_seconds=ahead_seconds)
    host.health.close()  # so that the file's time is all that there is
    await place(quiet_venue)
    watcher = make_watcher(host).start()
    watcher.event("peer_seen")
    watcher.watched_on()
    watcher.did_nothing()
    host.beating = False
    flat(quiet_venue)
    assert watcher.terminate() == 0


async def test_our_own_wrong_clock_neither_kills_nor_saves_a_host(
    quiet_venue: RunningVenue, host: FakeHost, make_watcher: MakeWatcher
) -> None:
    await place(quiet_venue)
    watcher = make_watcher(host, program=WRONG_CLOCK).start()
    assert watcher.event("peer_seen")["at_ns"] > time.time_ns() + 3_000 * 10**9, "its clock is wrong"
    watcher.watched_on()
    watcher.did_nothing()
    host.kill()
    flat(quiet_venue)
    assert watcher.terminate() == 0


async def test_an_orderly_stop_is_no_loss_but_a_host_that_is_then_cut_off_is(
    quiet_venue: RunningVenue, host: FakeHost, make_watcher: MakeWatcher
) -> None:
    await place(quiet_venue)
    watcher = make_watcher(host).start()
    watcher.event("peer_seen")
    host.stopped = True
    host.kill()
    watcher.event("peer_stopped")
    watcher.watched_on()
    watcher.did_nothing()
    watcher.has_metric(STATE, 1)
    host.exporter.close()
    flat(quiet_venue)
    assert watcher.terminate() == 0


async def test_after_we_were_suspended_the_count_begins_anew(
    quiet_venue: RunningVenue, host: FakeHost, make_watcher: MakeWatcher
) -> None:
    watcher = make_watcher(host).start()
    watcher.event("peer_seen")
    host.kill()
    watcher.event("peer_doubt")
    os.kill(watcher.process.pid, signal.SIGSTOP)
    end = time.monotonic() + 2 * LOST_SECONDS
    until(lambda: time.monotonic() >= end, "the suspension")
    woken_ns = time.time_ns()
    os.kill(watcher.process.pid, signal.SIGCONT)
    assert watcher.event("peer_lost")["at_ns"] - woken_ns >= LOST_SECONDS * 1e9
    watcher.event("peer_cancelled")
    assert watcher.terminate() == 0


async def test_a_host_that_comes_back_is_left_alone_at_once(
    quiet_venue: RunningVenue, host: FakeHost, make_watcher: MakeWatcher
) -> None:
    """The panic is not done yet: it would cancel what the host places from now on."""
    await place(quiet_venue)
    watcher = make_watcher(host)
    watcher.write_target(PEER, venue=watched_slowly(quiet_venue))
    watcher.start()
    watcher.event("peer_seen")
    host.kill()
    watcher.event("peer_fire")
    flat(quiet_venue)  # and now it waits for the second zero
    host.revive()
    watcher.event("peer_panic_ended")
    await place(quiet_venue, "mine-again")
    watcher.watched_on()
    assert open_at_venue(quiet_venue) == {"mine-again"}
    assert watcher.count("peer_cancelled") == 0
    assert watcher.terminate() == 0


def watched_slowly(venue: RunningVenue) -> dict[str, Any]:
    """The pause before the second zero is the window and a second."""
    at = {"id": "binance", "hostname": venue.hostname, "ca_file": str(venue.ca_file)}
    return at | {"recv_window_ms": 10_000}


async def test_two_watchers_at_once_do_no_harm(
    quiet_venue: RunningVenue, host: FakeHost, make_watcher: MakeWatcher
) -> None:
    for number in range(5):
        await place(quiet_venue, f"resting-{number}")
    watchers = [make_watcher(host, repeat_seconds=60).start() for _ in range(2)]
    for watcher in watchers:
        watcher.event("peer_seen")
    host.power_off()
    for watcher in watchers:
        watcher.event("peer_cancelled")
        assert watcher.count("peer_panic_failed") == 0
        assert watcher.terminate() == 0
    assert open_at_venue(quiet_venue) == set()


async def test_a_release_that_cannot_panic_is_stood_in_for(
    quiet_venue: RunningVenue, host: FakeHost, make_watcher: MakeWatcher, tmp_path: Path
) -> None:
    await place(quiet_venue)
    watcher = make_watcher(host)
    gone, broken = tmp_path / "gone", watcher.write_program("broken", "raise SystemExit(3)")
    watcher.settings["programs"] = [str(gone), str(broken), str(watcher.program)]
    watcher.write_settings()
    watcher.start()
    host.power_off()
    watcher.event("peer_panic_failed", message=f"{gone} panic cannot be started: No such file or directory")
    watcher.event("peer_panic_failed", message=f"{broken} panic ended with 3")
    flat(quiet_venue)
    assert watcher.terminate() == 0


async def test_a_panic_that_the_venue_does_not_prove_is_repeated(
    quiet_venue: RunningVenue, host: FakeHost, make_watcher: MakeWatcher
) -> None:
    """The key is refused at first."""
    await place(quiet_venue)
    watcher = make_watcher(host).start()
    quiet_venue.admin("PUT", f"/accounts/{PEER}/keys/peer", {"enabled": False})
    host.power_off()
    failed = watcher.event("peer_panic_failed")
    assert failed["message"].endswith("panic ended with 2")
    assert open_at_venue(quiet_venue) == {"resting"}
    quiet_venue.admin("PUT", f"/accounts/{PEER}/keys/peer", {"enabled": True})
    flat(quiet_venue)
    assert watcher.terminate() == 0


def test_another_release_is_taken_up_only_while_all_is_calm(
    host: FakeHost, make_watcher: MakeWatcher, tmp_path: Path
) -> None:
    watcher = make_watcher(host)
    link = tmp_path / "current"
    link.symlink_to(watcher.program)
    watcher.settings["programs"] = [str(link)]
    watcher.write_settings()
    watcher.start()
    watcher.event("peer_seen")
    host.kill()
    watcher.event("peer_doubt")
    second = watcher.write_program("another", "")
    link.unlink()
    link.symlink_to(second)
    watcher.event("peer_lost")
    assert watcher.process.poll() is None
    host.revive()
    watcher.event("released")
    assert watcher.process.wait(20) == 0
