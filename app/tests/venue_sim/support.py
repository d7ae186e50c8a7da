"""The emulator for tests: real TLS with a throw-away CA, a thread of its own, any number of them at once.

Names under `venue.test` lead to this machine: inside the test process because `resolve_test_names` says so,
in programs that a test starts because of `RunningVenue.command_prefix`.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from aiohttp.resolver import ThreadedResolver

from benchmarks.certificates import DOMAIN, Certificates
from benchmarks.names import command_prefix
from venue_sim.config import load_accounts, load_config
from venue_sim.server import VenueServer

T = TypeVar("T")

DEADLINE_SECONDS = 10.0

BTCUSDT = {
    "symbol": "BTCUSDT",
    "base": "BTC",
    "quote": "USDT",
    "price": "60000.00",
    "tick_size": "0.01",
    "step_size": "0.00001",
    "min_notional": "5",
}
ETHUSDT = {
    "symbol": "ETHUSDT",
    "base": "ETH",
    "quote": "USDT",
    "price": "3000.00",
    "tick_size": "0.01",
    "step_size": "0.0001",
    "min_notional": "5",
}
USDM_BTCUSDT = {**BTCUSDT, "tick_size": "0.10", "step_size": "0.001", "min_notional": "100"}
USDM_ETHUSDT = {**ETHUSDT, "step_size": "0.001", "min_notional": "20"}
USDM: dict[str, Any] = {"symbols": [USDM_BTCUSDT, USDM_ETHUSDT], "balance": "10000"}
"""The setting `usdm` of tests that need it."""


@dataclass(frozen=True)
class TestAccount:
    """An account's throw-away credentials and first balances."""

    __test__ = False

    name: str
    api_key: str
    api_secret: str
    balances: dict[str, str] = field(default_factory=lambda: {"USDT": "100000", "BTC": "2", "ETH": "10"})


ACCOUNTS = [
    TestAccount(f"trader-{n:02}", f"key-of-trader-{n:02}-" + "k" * 20, f"secret-of-trader-{n:02}-" + "s" * 20)
    for n in (1, 2, 3)
]


FURTHER_KEYS = ("panic", "peer")


def key_of(account: TestAccount, name: str) -> TestAccount:
    """One of an account's further keys."""
    return TestAccount(account.name, f"{name}-{account.api_key}", f"{name}-{account.api_secret}")


def resolve_test_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every name under `venue.test` lead to 127.0.0.1 in this process, with asyncio and uvloop."""
    real_socket, real_aiohttp = socket.getaddrinfo, ThreadedResolver.resolve

    def here(host: Any) -> Any:
        known = isinstance(host, str) and (host == DOMAIN or host.endswith(f".{DOMAIN}"))
        return "127.0.0.1" if known else host

    def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        return real_socket(here(host), *args, **kwargs)

    async def aiohttp_resolve(self: ThreadedResolver, host: str, *args: Any, **kwargs: Any) -> Any:
        # The certificate is checked against the name that was asked for: "hostname" must stay.
        found = await real_aiohttp(self, here(host), *args, **kwargs)
        return [entry | {"hostname": host} for entry in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(ThreadedResolver, "resolve", aiohttp_resolve)


def _entry(name: str, credentials: TestAccount) -> dict[str, Any]:
    return {"name": name, "api_key": credentials.api_key, "api_secret": credentials.api_secret}


class RunningVenue:
    """A running emulator.

    Attributes:
        hostname: as the service's `venue.hostname` and ccxt's `hostname`: "venue.test:PORT".
        ca_file: the CA to trust.
        accounts: credentials by name ("trader-01" .. "trader-03"), those of the further keys too
            ("trader-01/panic").
        record_path: the record.
    """

    def __init__(self, folder: Path, certificates: Certificates, **settings: Any) -> None:
        self.folder = folder
        self.ca_file = certificates.ca_file
        self.accounts = {account.name: account for account in ACCOUNTS}
        self.accounts |= {f"{a.name}/{name}": key_of(a, name) for a in ACCOUNTS for name in FURTHER_KEYS}
        self.record_path = folder / "record.jsonl"
        self.config_path = folder / "venue.yml"
        accounts_file = folder / "accounts.json"
        accounts_file.write_text(
            json.dumps(
                [
                    {**_entry(a.name, a), "balances": a.balances}
                    | {"keys": [_entry(name, self.accounts[f"{a.name}/{name}"]) for name in FURTHER_KEYS]}
                    for a in ACCOUNTS
                ]
            )
        )
        self.settings: dict[str, Any] = {
            "api": {
                "host": "127.0.0.1",
                "port": 0,
                "certificate": str(certificates.certificate),
                "key": str(certificates.key),
            },
            "admin": {"host": "127.0.0.1", "port": 0},
            "accounts_file": str(accounts_file),
            "record": str(self.record_path),
            "seed": 7,
            "background": {"events_per_second": 20},
            "symbols": [dict(BTCUSDT), dict(ETHUSDT)],
            **settings,
        }
        self.config_path.write_text(yaml.safe_dump(self.settings))
        self.server: VenueServer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start it; after a stop it goes on from its record, on the same port."""
        started: Future[None] = Future()

        def live() -> None:
            loop = self._loop = asyncio.new_event_loop()
            try:
                config = load_config(self.config_path)
                self.server = VenueServer(config, load_accounts(config, self.config_path))
                loop.run_until_complete(self.server.start())
            except BaseException as error:  # noqa: BLE001 - handed to the thread that waits for it
                started.set_exception(error)
                return
            started.set_result(None)
            loop.run_forever()
            loop.run_until_complete(self.server.stop())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

        self._thread = threading.Thread(target=live, name="venue", daemon=True)
        self._thread.start()
        started.result(DEADLINE_SECONDS)
        assert self.server is not None
        self.api_port, self.admin_port = self.server.api_port, self.server.admin_port
        self.settings["api"]["port"], self.settings["admin"]["port"] = self.api_port, self.admin_port
        self.config_path.write_text(yaml.safe_dump(self.settings))

    def stop(self) -> None:
        """Stop it in order; the record is then complete."""
        if self._thread is None or self._loop is None:
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_SECONDS)
        assert not self._thread.is_alive(), "the emulator did not stop"
        self._thread = None

    def call(self, function: Callable[[VenueServer], Any]) -> Any:
        """Run a function on the emulator's own thread and return what it returns."""
        done: Future[Any] = Future()

        def work() -> None:
            assert self.server is not None
            try:
                done.set_result(function(self.server))
            except BaseException as error:  # noqa: BLE001 - handed to the thread that waits for it
                done.set_exception(error)

        assert self._loop is not None
        self._loop.call_soon_threadsafe(work)
        return done.result(DEADLINE_SECONDS)

    @property
    def hostname(self) -> str:
        """The domain and port under which its names are."""
        return f"{DOMAIN}:{self.api_port}"

    @property
    def rest_url(self) -> str:
        """Base of the REST API, without /api/v3."""
        return f"https://api.{self.hostname}"

    def ssl_context(self) -> ssl.SSLContext:
        """A client context that trusts the CA."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def ccxt_config(self, account: str = "trader-01", **extra: Any) -> dict[str, Any]:
        """What an unmodified `ccxt.pro.binance` needs to trade here: configuration only (see venue_sim)."""
        credentials = self.accounts[account]
        rest, stream = f"https://api.{self.hostname}", f"wss://stream.{self.hostname}"
        config: dict[str, Any] = {
            "apiKey": credentials.api_key,
            "secret": credentials.api_secret,
            "hostname": self.hostname,
            "cafile": str(self.ca_file),
            "enableRateLimit": False,
            "urls": {
                "api": {
                    "public": f"{rest}/api/v3",
                    "private": f"{rest}/api/v3",
                    "sapi": f"{rest}/sapi/v1",
                    "ws": {
                        "spot": f"{stream}/ws",
                        "ws-api": {"spot": f"wss://ws-api.{self.hostname}/ws-api/v3"},
                    },
                }
            },
            "options": {
                "defaultType": "spot",
                "fetchMarkets": {"types": ["spot"]},
                "fetchCurrencies": False,
                "fetchMargins": False,
            },
        }
        config["options"] |= extra.pop("options", {})
        return config | extra

    def usdm_config(self, account: str = "trader-01", **extra: Any) -> dict[str, Any]:
        """The same for an unmodified `ccxt.pro.binanceusdm`; the venue needs the setting `usdm`."""
        credentials = self.accounts[account]
        rest = f"https://fapi.{self.hostname}/fapi"
        config: dict[str, Any] = {
            "apiKey": credentials.api_key,
            "secret": credentials.api_secret,
            "hostname": self.hostname,
            "cafile": str(self.ca_file),
            "enableRateLimit": False,
            "urls": {
                "api": {
                    "fapiPublic": f"{rest}/v1",
                    "fapiPublicV2": f"{rest}/v2",
                    "fapiPrivate": f"{rest}/v1",
                    "fapiPrivateV2": f"{rest}/v2",
                    "fapiPrivateV3": f"{rest}/v3",
                    "sapi": f"https://api.{self.hostname}/sapi/v1",
                    "ws": {
                        "linear": f"wss://fstream.{self.hostname}/ws",
                        "ws-api": {"linear": f"wss://ws-fapi.{self.hostname}/ws-fapi/v1"},
                    },
                }
            },
            "options": {"fetchCurrencies": False, "fetchMargins": False},
        }
        config["options"] |= extra.pop("options", {})
        return config | extra

    def admin(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask the admin port; returns the HTTP status and the decoded JSON (text when it is not JSON)."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.admin_port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as answer:
                status, raw = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, raw = error.code, error.read().decode()
        try:
            return status, json.loads(raw)
        except json.JSONDecodeError:
            return status, raw

    def fault(self, **fields: Any) -> int:
        """Set a fault (30 seconds if nothing else is said) and return its id."""
        status, answer = self.admin("POST", "/faults", {"duration_seconds": 30, **fields})
        assert status == 201, answer
        return int(answer["id"])

    def record(self, after: int = 0, kind: str | None = None) -> list[dict[str, Any]]:
        """The record from a sequence number on, as a reader of the admin port sees it."""
        found: list[dict[str, Any]] = []
        while True:
            _, raw = self.admin("GET", f"/record?after={after}&limit=10000")
            if isinstance(raw, dict):  # a single line is JSON by itself
                raw = json.dumps(raw)
            lines = [json.loads(line) for line in raw.splitlines()]
            if not lines:
                return [entry for entry in found if kind in (None, entry["kind"])]
            found += lines
            after = lines[-1]["seq"]

    def command_prefix(self) -> list[str]:
        """Words to put before a command, so that in it and only in it names under `venue.test` lead here."""
        return command_prefix(self.folder)


async def eventually(found: Callable[[], T | None], what: str) -> T:
    """Wait until `found` returns something that is true, and return it."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (result := found()):
        assert time.monotonic() < deadline, f"still waiting: {what}"
        await asyncio.sleep(0.01)
    return result


def run_venue(folder: Path, certificates: Certificates, **settings: Any) -> Iterator[RunningVenue]:
    """Start an emulator, hand it out, stop it."""
    venue = RunningVenue(folder, certificates, **settings)
    venue.start()
    try:
        yield venue
    finally:
        venue.stop()
