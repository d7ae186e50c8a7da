"""The running service and the vault's receiver: what the venue has seen is on the vault, whatever dies."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.trader.support import RunningTrader, until
from tests.trader.test_shipping import RECEIVER
from tests.venue_sim.support import RunningVenue

MakeTrader = Callable[..., RunningTrader]
FAST = {"name": "quoter", "parameters": {"requote_interval_ms": 50, "order_size": "0.001", "seed": 1}}
KILLS = 6


def shipped(vault: Path) -> set[str]:
    """Client ids of the intents that the vault has."""
    path = vault / "000001.jsonl"
    lines = path.read_bytes().splitlines() if path.exists() else []
    records = [json.loads(line) for line in lines]
    return {json.loads(one["body"])["client_id"] for one in records if one["kind"] == "intent"}


def seen(venue: RunningVenue) -> set[str]:
    """Client ids of every order that the venue took."""
    entries = venue.record(kind="order")
    return {one["client_order_id"] for one in entries if one["account"] == "trader-01"}


def traded_on(venue: RunningVenue, count: int) -> bool:
    return len(seen(venue)) >= count


def prepared(make_trader: MakeTrader, venue: RunningVenue, vault: Path, mode: str) -> RunningTrader:
    command = [sys.executable, "-IB", str(RECEIVER), str(vault), "{epoch}"]
    return make_trader(venue, strategy=FAST, shipping={"mode": mode, "command": command})


def test_strict_loses_nothing_that_the_venue_has_seen(
    venue: RunningVenue, make_trader: MakeTrader, tmp_path: Path
) -> None:
    """The host is lost at any moment: its disk is not asked, only the vault."""
    vault = tmp_path / "vault"
    trader = prepared(make_trader, venue, vault, "strict")
    for number in range(KILLS):
        before = len(seen(venue))
        trader.start()
        enough = partial(traded_on, venue, before + 10)
        until(enough, "some orders", 60)
        time.sleep(0.013 * number)  # at another moment of its work each time
        os.kill(trader.pid(), signal.SIGKILL)
        trader.kill()
        assert seen(venue) <= shipped(vault), "an order whose intent the vault does not have"


def test_strict_sends_no_order_while_the_vault_is_away(
    venue: RunningVenue, make_trader: MakeTrader, tmp_path: Path
) -> None:
    trader = make_trader(venue, strategy=FAST, shipping={"mode": "strict", "command": ["false"]}).start()
    until(lambda: trader.health()["reasons"].keys() == {"shipping"}, "nothing else in its way", 60)
    assert seen(venue) == set()
    assert trader.health()["shipping"]["connected"] is False
    assert trader.terminate() == 0


@pytest.mark.parametrize("mode", ["bounded", "strict"])
def test_it_trades_and_ends_with_a_whole_copy(
    venue: RunningVenue, make_trader: MakeTrader, tmp_path: Path, mode: str
) -> None:
    trader = prepared(make_trader, venue, tmp_path / "vault", mode).start()
    until(lambda: len(seen(venue)) >= 10, "some orders", 60)
    assert trader.metric("trader_shipping_connected") == 1
    assert trader.terminate() == 0
    assert seen(venue) <= shipped(tmp_path / "vault")
