"""The last good addresses: used when DNS fails, kept over restarts, never trusted blindly from a file."""

import asyncio
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.venue_sim.support import RunningVenue, eventually
from trader.venue import resolver as resolver_module
from trader.venue.resolver import LastGoodResolver, use_resolver
from trader.venue.slim_ccxt import errors, exchange_class

HOST = "api.venue.test"


class FakeDns(AbstractResolver):
    """Answers from a table; fails, hangs or knows nothing when told to."""

    def __init__(self, **names: list[str]) -> None:
        self.names = {name.replace("_", "."): addresses for name, addresses in names.items()}
        self.broken: BaseException | None = None
        self.answering = asyncio.Event()
        self.answering.set()
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        await self.answering.wait()
        if self.broken is not None:
            raise self.broken
        wanted = {socket.AF_INET: ".", socket.AF_INET6: ":"}.get(family, "")
        return [
            ResolveResult(hostname=host, host=a, port=port, family=socket.AF_INET, proto=6, flags=0)
            for a in self.names[host]
            if wanted in a
        ]

    async def close(self) -> None:
        """Nothing to close."""


class Reports(list[tuple[str, str]]):
    def __call__(self, event: str, text: str) -> None:
        self.append((event, text))

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "addresses.json"


@pytest.fixture
def reports() -> Reports:
    return Reports()


async def hosts(resolver: AbstractResolver, host: str = HOST, **options: Any) -> list[str]:
    return [found["host"] for found in await resolver.resolve(host, **options)]


def put(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)


def identity(path: Path) -> tuple[int, int, list[Path]]:
    """Access bits, number of the file, and what lies in its folder."""
    status = path.stat()
    return status.st_mode & 0o777, status.st_ino, list(path.parent.iterdir())


def no_dns() -> socket.gaierror:
    return socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


async def test_the_last_good_addresses_are_used_when_dns_fails(path: Path, reports: Reports) -> None:
    dns = FakeDns(api_venue_test=["192.0.2.1", "192.0.2.2"])
    resolver = LastGoodResolver(path, report=reports, real=dns)
    assert await hosts(resolver) == ["192.0.2.1", "192.0.2.2"]
    assert (resolver.fallbacks, reports) == (0, [])
    dns.broken = no_dns()
    found = await resolver.resolve(HOST, 8443)
    assert [(a["hostname"], a["host"], a["port"], a["family"]) for a in found] == [
        (HOST, "192.0.2.1", 8443, socket.AF_INET),
        (HOST, "192.0.2.2", 8443, socket.AF_INET),
    ]
    assert (resolver.fallbacks, reports.events) == (1, ["dns_fallback"])


async def test_they_survive_a_restart(path: Path) -> None:
    dns = FakeDns(api_venue_test=["192.0.2.1"], other_test=["192.0.2.9"])
    before = LastGoodResolver(path, real=dns)
    await hosts(before)
    await hosts(before, "other.test")
    mode, _, folder = identity(path)
    assert (mode, folder) == (0o600, [path])
    dns.broken = no_dns()
    after = LastGoodResolver(path, real=dns)
    assert await hosts(after) == ["192.0.2.1"]
    assert await hosts(after, "other.test") == ["192.0.2.9"]


async def test_a_name_that_never_was_good_fails_as_before(path: Path, reports: Reports) -> None:
    dns = FakeDns()
    dns.broken = no_dns()
    resolver = LastGoodResolver(path, report=reports, real=dns)
    with pytest.raises(socket.gaierror, match="Temporary failure"):
        await hosts(resolver)
    assert (resolver.fallbacks, reports) == (0, [])
    with pytest.raises(FileNotFoundError):
        identity(path)


async def test_changed_addresses_replace_the_old(path: Path, reports: Reports) -> None:
    dns = FakeDns(api_venue_test=["192.0.2.1", "192.0.2.2"])
    resolver = LastGoodResolver(path, report=reports, real=dns)
    await hosts(resolver)
    first = identity(path)
    dns.names[HOST] = ["192.0.2.2", "192.0.2.1"]
    await hosts(resolver)
    assert identity(path) == first, "the same addresses in another order are no change"
    dns.names[HOST] = ["192.0.2.3"]
    assert await hosts(resolver) == ["192.0.2.3"]
    assert reports.events == ["dns_changed"]
    dns.broken = no_dns()
    assert await hosts(LastGoodResolver(path, real=dns)) == ["192.0.2.3"]


async def test_an_empty_answer_is_a_failure(path: Path) -> None:
    dns = FakeDns(api_venue_test=["192.0.2.1"])
    resolver = LastGoodResolver(path, real=dns)
    await hosts(resolver)
    dns.names[HOST] = []
    assert await hosts(resolver) == ["192.0.2.1"]
    assert await hosts(LastGoodResolver(path, real=dns)) == ["192.0.2.1"]
    dns.names["other.test"] = []
    with pytest.raises(OSError, match="without addresses"):
        await hosts(resolver, "other.test")


async def test_families_are_apart_and_ports_are_not(path: Path) -> None:
    dns = FakeDns(api_venue_test=["192.0.2.1", "2001:db8::1"])
    resolver = LastGoodResolver(path, real=dns)
    await hosts(resolver, port=1, family=socket.AF_INET)
    await hosts(resolver, port=1, family=socket.AF_UNSPEC)
    dns.broken = no_dns()
    resolver = LastGoodResolver(path, real=dns)
    assert await hosts(resolver, port=2, family=socket.AF_INET) == ["192.0.2.1"]
    both = await resolver.resolve(HOST, 2, socket.AF_UNSPEC)
    assert [(a["host"], a["family"]) for a in both] == [
        ("192.0.2.1", socket.AF_INET),
        ("2001:db8::1", socket.AF_INET6),
    ]
    with pytest.raises(socket.gaierror):
        await hosts(resolver, family=socket.AF_INET6)


async def test_a_resolver_that_hangs_is_asked_once_and_its_answer_is_kept(
    path: Path, reports: Reports
) -> None:
    dns = FakeDns(api_venue_test=["192.0.2.1"])
    resolver = LastGoodResolver(path, timeout_seconds=0.3, report=reports, real=dns)
    await hosts(resolver)
    dns.answering.clear()
    dns.names[HOST] = ["192.0.2.2"]
    assert await hosts(resolver) == ["192.0.2.1"]
    again = asyncio.create_task(hosts(resolver))
    for _ in range(50):
        await asyncio.sleep(0)
    assert again.done(), "the wait is over for all, not once for each"
    assert (dns.asked, resolver.fallbacks) == (2, 2)
    dns.answering.set()
    await eventually(lambda: "dns_changed" in reports.events, "the late answer")
    assert await hosts(resolver) == ["192.0.2.2"]


async def test_a_hang_without_last_good_addresses_is_a_name_error(path: Path) -> None:
    """As such it says "never sent"; a plain timeout would leave an order's outcome unknown."""
    dns = FakeDns(api_venue_test=["192.0.2.1"])
    dns.answering.clear()
    resolver = LastGoodResolver(path, timeout_seconds=0.05, real=dns)
    with pytest.raises(socket.gaierror, match=r"no answer within 0\.05 s"):
        await hosts(resolver)
    await resolver.close()


async def test_errors_that_are_not_of_dns_are_not_hidden(path: Path) -> None:
    dns = FakeDns(api_venue_test=["192.0.2.1"])
    resolver = LastGoodResolver(path, real=dns)
    await hosts(resolver)
    dns.broken = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError):
        await hosts(resolver)


async def test_closing_ends_a_lookup(path: Path) -> None:
    dns = FakeDns()
    dns.answering.clear()
    resolver = LastGoodResolver(path, timeout_seconds=60, real=dns)
    waiting = asyncio.create_task(hosts(resolver))
    await eventually(lambda: dns.asked == 1, "the lookup")
    await resolver.close()
    with pytest.raises(socket.gaierror, match="closed"):
        await waiting


GOOD = {"version": 1, "names": {HOST: {"2": ["192.0.2.1"]}}}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        json.dumps(GOOD).encode()[:-3],
        json.dumps({**GOOD, "version": 2}).encode(),
        json.dumps({"names": {}}).encode(),
        json.dumps({**GOOD, "names": []}).encode(),
        json.dumps({**GOOD, "names": {HOST: ["192.0.2.1"]}}).encode(),
        json.dumps({**GOOD, "names": {HOST: {"inet": ["192.0.2.1"]}}}).encode(),
        json.dumps({**GOOD, "names": {HOST: {"2": []}}}).encode(),
        json.dumps({**GOOD, "names": {HOST: {"2": "192.0.2.1"}}}).encode(),
        json.dumps({**GOOD, "names": {HOST: {"2": ["evil.test"]}}}).encode(),
        json.dumps({**GOOD, "names": {HOST: {"2": [3221225985]}}}).encode(),
        json.dumps({**GOOD, "padding": "x" * 1_000_000}).encode(),
    ],
)
async def test_a_corrupt_file_is_an_empty_cache(path: Path, reports: Reports, content: bytes) -> None:
    put(path, content)
    await check_ignored(path, reports)


def writable_by_others(path: Path) -> None:
    path.write_text(json.dumps(GOOD))
    path.chmod(0o622)


def a_link(path: Path) -> None:
    target = path.with_name("target")
    target.write_text(json.dumps(GOOD))
    path.symlink_to(target)


def a_folder(path: Path) -> None:
    path.mkdir()
    (path / "file").touch()


def a_pipe(path: Path) -> None:
    os.mkfifo(path, 0o600)


@pytest.mark.parametrize("make", [writable_by_others, a_link, a_folder, a_pipe])
async def test_a_foreign_file_is_an_empty_cache(
    path: Path, reports: Reports, make: Callable[[Path], None]
) -> None:
    make(path)
    await check_ignored(path, reports)


async def test_a_file_of_another_user_is_an_empty_cache(
    path: Path, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(path, json.dumps(GOOD).encode())
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    await check_ignored(path, reports)


async def check_ignored(path: Path, reports: Reports) -> None:
    dns = FakeDns(api_venue_test=["192.0.2.7"])
    resolver = LastGoodResolver(path, report=reports, real=dns)
    assert reports.events == ["dns_cache"]
    assert str(path) in reports[0][1]
    dns.broken = no_dns()
    with pytest.raises(socket.gaierror):
        await hosts(resolver)
    dns.broken = None
    assert await hosts(resolver) == ["192.0.2.7"], "and it goes on"


async def test_the_good_file_of_these_tests_is_good(path: Path, reports: Reports) -> None:
    put(path, json.dumps(GOOD).encode())
    dns = FakeDns()
    dns.broken = no_dns()
    assert await hosts(LastGoodResolver(path, report=reports, real=dns)) == ["192.0.2.1"]


async def test_a_file_that_cannot_be_written_is_reported(tmp_path: Path, reports: Reports) -> None:
    path = tmp_path / "missing" / "addresses.json"
    resolver = LastGoodResolver(path, report=reports, real=FakeDns(api_venue_test=["192.0.2.1"]))
    assert await hosts(resolver) == ["192.0.2.1"]
    assert reports.events == ["dns_cache"]
    assert str(path) in reports[0][1]


# -- in ccxt, with the emulator


class Switch:
    def __init__(self) -> None:
        self.works = True


@pytest.fixture
def dns_switch(quiet_venue: RunningVenue, monkeypatch: pytest.MonkeyPatch) -> Switch:
    """Names of the emulator resolve until the switch is turned."""
    switch, resolve = Switch(), aiohttp.ThreadedResolver.resolve

    async def maybe(self: aiohttp.ThreadedResolver, host: str, *args: Any, **kwargs: Any) -> Any:
        if not switch.works:
            raise no_dns()
        return await resolve(self, host, *args, **kwargs)

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", maybe)
    return switch


def make(venue: RunningVenue, resolver: AbstractResolver | None) -> Any:
    exchange = exchange_class("binance")(venue.ccxt_config())
    if resolver is not None:
        use_resolver(exchange, resolver)
    return exchange


async def test_ccxt_goes_on_without_dns_after_a_restart(
    quiet_venue: RunningVenue, path: Path, dns_switch: Switch
) -> None:
    first = make(quiet_venue, LastGoodResolver(path))
    await first.load_markets()
    book = await first.watch_order_book("BTC/USDT")
    assert book["symbol"] == "BTC/USDT"
    await first.close()
    dns_switch.works = False

    plain = make(quiet_venue, None)
    with pytest.raises(errors.ExchangeNotAvailable):
        await plain.fetch_time()
    await plain.close()

    resolver = LastGoodResolver(path)
    second = make(quiet_venue, resolver)
    assert await second.fetch_time() > 0
    await second.load_markets()
    assert (await second.watch_order_book("BTC/USDT"))["symbol"] == "BTC/USDT"
    assert resolver.fallbacks >= 2, "requests and streams have names of their own here"
    await second.close()


async def test_ccxt_closes_and_opens_again_as_before(quiet_venue: RunningVenue, path: Path) -> None:
    exchange = make(quiet_venue, LastGoodResolver(path))
    await exchange.fetch_time()
    session, connector = exchange.session, exchange.tcp_connector
    exchange.open()
    assert exchange.session is session
    await exchange.close()
    assert session.closed
    assert connector.closed
    assert exchange.session is None
    with pytest.raises(errors.ExchangeClosedByUser):
        await exchange.fetch_time()  # ccxt's guard against requests that outlive close()
    assert exchange.own_session
    async with exchange:
        await exchange.fetch_time()
    assert exchange.session is None


async def test_a_session_of_the_callers_own_is_left_alone(quiet_venue: RunningVenue, path: Path) -> None:
    async with aiohttp.ClientSession() as session:
        exchange = exchange_class("binance")(quiet_venue.ccxt_config() | {"session": session})
        use_resolver(exchange, LastGoodResolver(path))
        exchange.open()
        assert exchange.session is session
        await exchange.close()
        assert not session.closed
        exchange.open()
        assert exchange.session is None, "nor does ccxt replace it"


async def test_the_session_is_made_as_ccxt_makes_it(
    quiet_venue: RunningVenue, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[dict[str, Any]] = []
    for module, name in (
        (aiohttp, "TCPConnector"),
        (resolver_module, "GatedConnector"),
        (aiohttp, "ClientSession"),
    ):
        real = getattr(module, name)

        def spy(*gate: Any, real: Any = real, **options: Any) -> Any:
            made.append(options)
            return real(*gate, **options)

        monkeypatch.setattr(module, name, spy)
    resolver = LastGoodResolver(path)
    for exchange in (make(quiet_venue, None), make(quiet_venue, resolver)):
        exchange.open()
        for options in made[-2:]:
            # Objects that each instance has for itself.
            assert options.pop("ssl", exchange.ssl_context) is exchange.ssl_context
            assert options.pop("connector", exchange.tcp_connector) is exchange.tcp_connector
        await exchange.close()
    theirs, ours = made[:2], made[2:]
    assert ours[0].pop("resolver") is resolver
    assert ours == theirs
