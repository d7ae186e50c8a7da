"""The real service under load, killed with SIGKILL again and again; the emulator's record judges each time.

After every kill: no client id reached the venue twice (I1), every order there has its intent in the journal
(I2), no order went from a final state back to a live one, at the venue or here (I3), and nothing that was in
the journal before is gone (I9). Where the service had reconciled before it was killed: no lost answer of an
earlier life is left (I4), and every fill that the venue had made until then is booked, once (I5).
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import apsw
import orjson

from tests.trader.support import RunningTrader, until
from tests.venue_sim.support import RunningVenue
from trader.journal import storage
from trader.journal.records import link as chained

KILLS = int(os.environ.get("BREAKWATER_CRASH_KILLS", "200"))
ACCOUNTS = ("trader-01", "trader-02", "trader-03")
LAG_NS = 100_000_000
START_SECONDS, TRADE_SECONDS = 0.9, 0.7
LOAD = {"order_size": "0.001", "requote_interval_ms": 20, "take_interval_seconds": 0.2, "seed": 1}
LIMITS = {
    "max_orders_per_second": 1_000,
    "max_repeated_executions": 1_000_000,
    "max_daily_loss_usd": 1_000_000,
    "identical_intent_window_ms": 0,
}
OVER = ("FILLED", "CANCELED", "REJECTED", "EXPIRED")
UNPROVEN = ("pending", "sent", "unknown")


class Record:
    """What the venue wrote about one account, read on from where it was read before."""

    def __init__(self, path: Path, account: str) -> None:
        self._path, self._account, self._offset = path, account, 0
        self.placed: Counter[str] = Counter()
        self.requested: Counter[str] = Counter()
        self.status: dict[str, str] = {}
        self.back_from_the_dead: list[str] = []
        self.fills: dict[tuple[str, str], dict[str, Any]] = {}

    def read(self) -> None:
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                entry = orjson.loads(line)
                if entry.get("account") == self._account:
                    self._take(entry)

    def _take(self, entry: dict[str, Any]) -> None:
        if entry["kind"] == "request" and entry["endpoint"] == "order.place":
            self.requested[entry["params"]["newClientOrderId"]] += 1
        elif entry["kind"] == "order":
            name = entry["client_order_id"]
            self.placed[name] += entry["event"] == "NEW"
            if self.status.get(name) in OVER and entry["status"] not in OVER:
                self.back_from_the_dead.append(name)
            self.status[name] = entry["status"]
        elif entry["kind"] == "fill":
            self.fills[entry["symbol"], str(entry["trade_id"])] = entry


class Journal:
    """What the dead process left, read from the events alone: its tables may lag behind them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.last_at_ns = 0
        self._seq, self._digest = 0, storage.GENESIS
        self._ended: dict[str, str] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.fills: dict[tuple[str, str], str] = {}

    def read(self) -> None:
        """Verify that the past stands, read what is new, and keep the ends in mind."""
        connection = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            sql = "SELECT hash FROM events WHERE seq = ?"
            held = connection.execute(sql, (self._seq,)).fetchall()
            assert held == ([(self._digest,)] if self._seq else []), "I9: the journal's past has changed"
            sql = "SELECT seq, at_ns, kind, body, hash FROM events WHERE seq > ? ORDER BY seq"
            for seq, at_ns, kind, body, link in connection.execute(sql, (self._seq,)):
                assert seq == self._seq + 1, "I9: a gap in the journal"
                assert chained(self._digest, seq, at_ns, kind, body) == link, "I9: a broken chain"
                self._seq, self._digest, self.last_at_ns = seq, link, at_ns
                self._take(kind, orjson.loads(body))
        finally:
            connection.close()

    def _take(self, kind: str, body: dict[str, Any]) -> None:
        if kind == "intent":
            self.orders[body["client_id"]] = {**body, "state": "pending"}
        elif kind == "state":
            self._moved(body["client_id"], body["state"])
        elif kind == "fill":
            self.fills[body["symbol"].replace("/", ""), body["trade_id"]] = body["quantity"]

    def _moved(self, name: str, state: str) -> None:
        known = self._ended.get(name)
        corrected = known in ("canceled", "expired") and state == "filled"
        assert known in (None, state) or corrected, f"I3: {name} was {known} and is {state}"
        self.orders[name]["state"] = state
        if state.upper() in OVER:
            self._ended[name] = state


class Victim:
    """One account's service, its journal and its part of the record."""

    def __init__(self, trader: RunningTrader, venue: RunningVenue, account: str, seed: int) -> None:
        self._trader = trader
        self._record = Record(venue.record_path, account)
        self._journal = Journal(trader.journal_path)
        self._random = random.Random(seed)
        self._orders_before = 0
        self.kills = 0
        self.reconciled = 0
        self.midflight = 0

    def live_and_die(self) -> None:
        """One life, ended at a random moment: during the start, or while it trades."""
        started_ns = time.time_ns()
        self._trader.start()
        if self._random.random() < 0.4:
            time.sleep(self._random.uniform(0, START_SECONDS))
        else:
            self._trader.event("trading_started")
            time.sleep(self._random.uniform(0, TRADE_SECONDS))
        self._trader.kill()
        self.kills += 1
        self.check(started_ns)

    def check(self, started_ns: int) -> None:
        record = self._record
        record.read()
        if not self._trader.journal_path.exists():
            assert not record.requested, "I2: orders without a journal"
            return
        self._journal.read()
        orders, fills = self._journal.orders, self._journal.fills
        assert max(record.requested.values(), default=1) == 1, "I1"
        assert max(record.placed.values(), default=1) == 1, "I1"
        assert set(record.requested) | set(record.placed) <= set(orders), "I2"
        assert not record.back_from_the_dead, "I3"
        self.midflight += any(order["state"] in UNPROVEN for order in orders.values())
        # What the venue can tell again may lie a moment before it is written; a later event came after it.
        written_ns = self._journal.last_at_ns - LAG_NS
        agreed = [
            e["at_ns"]
            for e in self._trader.events
            if e["event"] == "reconciled" and not e["differences"] and e["at_ns"] < written_ns
        ]
        if agreed:
            self.reconciled += 1
            self._check_agreement(orders, fills, started_ns)

    def _check_agreement(
        self, orders: dict[str, dict[str, Any]], fills: dict[tuple[str, str], str], started_ns: int
    ) -> None:
        left = [n for n, o in orders.items() if o["state"] in UNPROVEN and o["created_ns"] < started_ns]
        assert not left, f"I4: {left} are not resolved"
        earlier = {k: f for k, f in self._record.fills.items() if f["wall_ns"] < started_ns}
        assert set(earlier) <= set(fills), f"I5: {set(earlier) - set(fills)} are not booked"
        assert set(fills) <= set(self._record.fills), "I5: fills that the venue has not made"
        for key, quantity in fills.items():
            assert Decimal(quantity) == Decimal(self._record.fills[key]["quantity"]), "I5"

    def end(self) -> None:
        """A last, undisturbed life: both sides agree and nothing stays open."""
        started_ns = time.time_ns()
        self._trader.start()
        self._trader.event("trading_started")
        assert self._trader.terminate() == 0
        self.check(started_ns)
        orders, fills = self._journal.orders, self._journal.fills
        assert set(fills) == set(self._record.fills), "I5"
        still_open = [name for name, status in self._record.status.items() if status not in OVER]
        assert still_open == []
        assert not [n for n, o in orders.items() if o["state"].upper() not in OVER]


def test_no_moment_of_death_loses_or_doubles_anything(
    make_venue: Callable[..., RunningVenue], make_trader: Callable[..., RunningTrader]
) -> None:
    venue = make_venue(background={"events_per_second": 5})
    victims = []
    for number, account in enumerate(ACCOUNTS):
        trader = make_trader(
            venue,
            account=account,
            host=account,
            at={"recv_window_ms": 500, "timeout_ms": 400},
            strategy={"name": "quoter", "parameters": LOAD},
            risk=LIMITS,
            # A machine that starves the venue for five seconds must not end the campaign: the kill switch has
            # tests of its own.
            kill_switch={"latency_ms": 60_000},
        )
        victims.append(Victim(trader, venue, account, number))
    failures: list[BaseException] = []

    def campaign(victim: Victim, kills: int) -> None:
        try:
            for _ in range(kills):
                if failures:
                    return
                victim.live_and_die()
            victim.end()
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            failures.append(error)

    shares = [KILLS // len(victims) + (n < KILLS % len(victims)) for n in range(len(victims))]
    threads = [
        threading.Thread(target=campaign, args=pair, daemon=True)
        for pair in zip(victims, shares, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    assert sum(victim.kills for victim in victims) == KILLS
    # The campaign has been where it hurts: killed with orders on the wire, and after having put things right.
    assert sum(victim.midflight for victim in victims) > KILLS // 20
    assert sum(victim.reconciled for victim in victims) > KILLS // 4
    until(lambda: venue.admin("GET", "/health")[0] == 200, "the emulator has lived through it")
