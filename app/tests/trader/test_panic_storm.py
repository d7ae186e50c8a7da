"""A venue at its worst while everything must be cancelled; in this process, with a short receive window."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.resolver import ThreadedResolver

from benchmarks.certificates import DOMAIN
from tests.trader.panic_support import ACCOUNT, open_at_venue, requests_of
from tests.venue_sim.clients import ccxt_client, usdm_client
from tests.venue_sim.support import USDM, RunningVenue, eventually
from trader.panic import names
from trader.panic.outcome import Outcome
from trader.panic.run import Plan, panic
from trader.panic.settings import Key, PanicError, Target
from trader.telemetry.events import Events
from trader.venue import address_file
from trader.venue.address_file import Names

WINDOW_MS = 100
SYMBOLS = {"BTC/USDT": "50000", "ETH/USDT": "2500"}
CANCEL_ALL = "openOrders.cancelAll"
LIST = "openOrders.status"


class Lines(Events):
    """Keeps what was told."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        super().__init__(self.stream)

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.told if line["event"] == event]


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def futures(make_venue: Callable[..., RunningVenue]) -> RunningVenue:
    return make_venue(background={"events_per_second": 0}, usdm=USDM)


@pytest.fixture
async def client(quiet_venue: RunningVenue) -> AsyncIterator[Any]:
    """The service's own key, with three orders on each of two symbols."""
    async with ccxt_client(quiet_venue) as client:
        for symbol in SYMBOLS:
            for number in range(3):
                await place(client, f"o-{symbol[:3]}-{number}", symbol)
        yield client


async def place(client: Any, client_id: str, symbol: str = "BTC/USDT") -> None:
    params = {"newClientOrderId": client_id}
    await client.create_order(symbol, "limit", "buy", "0.01", SYMBOLS[symbol], params)


async def run(
    venue: RunningVenue,
    lines: Lines,
    deadline_seconds: float = 30.0,
    key: str = "panic",
    market: str = "binance",
    state: Path | None = None,
    symbols: tuple[str, ...] = ("BTC/USDT",),
) -> Outcome:
    """A panic without a latch."""
    credentials = venue.accounts[f"{ACCOUNT}/{key}"]
    target = Target("", market, venue.hostname, venue.ca_file, WINDOW_MS, symbols, state, None)
    keys = Key(credentials.api_key, credentials.api_secret)
    plan = Plan(target, keys, deadline_seconds, None, time.monotonic())
    return await panic(plan, lines)


def well_done(outcome: Outcome, venue: RunningVenue, cancelled: int = 6) -> None:
    assert outcome.verified_twice, outcome.complaints()
    assert (outcome.good, outcome.left, outcome.cancelled) == (True, frozenset(), cancelled)
    assert open_at_venue(venue) == set()


FAULTS: dict[str, list[dict[str, Any]]] = {
    "429 without a time": [{"kind": "error", "code": -1003, "http_status": 429, "count": 4}],
    "429 with a time": [
        {"kind": "error", "code": -1003, "http_status": 429, "retry_after_seconds": 1, "count": 2}
    ],
    "every second request 429": [
        {"kind": "error", "code": -1003, "http_status": 429, "retry_after_seconds": 0, "share": 0.5}
    ],
    "ban": [{"kind": "error", "code": -1003, "http_status": 418, "retry_after_seconds": 2, "count": 1}],
    "unavailable": [{"kind": "error", "code": -1000, "http_status": 503, "count": 5}],
    "bad gateway": [{"kind": "html", "count": 5}],
    "half a page": [{"kind": "truncated", "count": 4}],
    "nothing": [{"kind": "empty", "count": 4}],
    "no json": [{"kind": "bad_json", "count": 4}],
    "resets": [{"kind": "reset", "count": 6}],
    "resets before": [{"kind": "reset", "stage": "before", "count": 6}],
    "closed": [{"kind": "close", "stage": "before", "count": 6}],
    "one hang": [{"kind": "hang", "stage": "before", "count": 1, "duration_seconds": 20}],
    "cancels hang": [
        {"kind": "hang", "stage": "before", "endpoint": CANCEL_ALL, "count": 2, "duration_seconds": 20}
    ],
    "cancels are lost after": [{"kind": "hang", "stage": "after", "endpoint": CANCEL_ALL, "count": 1}],
    "slow": [{"kind": "latency", "latency_ms": 700}],
    "timeouts of the venue": [{"kind": "error", "code": -1007, "http_status": 408, "count": 4}],
    "refused for a moment": [{"kind": "error", "code": -2015, "http_status": 401, "count": 3}],
}


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
async def test_it_goes_on(quiet_venue: RunningVenue, lines: Lines, faults: list[dict[str, Any]]) -> None:
    for fault in faults:
        quiet_venue.fault(account=ACCOUNT, **fault)
    outcome = await run(quiet_venue, lines)
    assert outcome.verified_twice, (outcome.complaints(), lines.told)
    assert open_at_venue(quiet_venue) == set()
    assert outcome.left == frozenset()


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("status", [429, 418])
async def test_silence_is_kept_to_the_second(quiet_venue: RunningVenue, lines: Lines, status: int) -> None:
    quiet_venue.fault(
        kind="error", code=-1003, http_status=status, retry_after_seconds=2, endpoint=CANCEL_ALL, count=1
    )
    well_done(await run(quiet_venue, lines), quiet_venue)
    asked = requests_of(quiet_venue)
    refused = next(entry for entry in asked if entry["http_status"] == status)
    # What was sent before the answer was there could not know of it.
    later = [e for e in asked if e["arrival_monotonic_ns"] > refused["done_monotonic_ns"] + 50_000_000]
    assert later[0]["arrival_monotonic_ns"] - refused["done_monotonic_ns"] >= 1.95e9
    assert lines.of("venue_wants_silence")[0]["seconds"] == 2


@pytest.mark.usefixtures("client")
async def test_a_ban_that_outlasts_the_deadline(quiet_venue: RunningVenue, lines: Lines) -> None:
    quiet_venue.fault(kind="error", code=-1003, http_status=418, retry_after_seconds=300)
    outcome = await run(quiet_venue, lines, deadline_seconds=1)
    assert (outcome.good, outcome.left) == (False, None)
    [complaint] = outcome.complaints()
    assert "NOT VERIFIED: the venue did not list the open orders; gave up after 1 s" in complaint
    assert "the venue takes nothing from this address for 29" in complaint
    assert len(requests_of(quiet_venue)) == 1, "a ban is not knocked at"
    assert outcome.fields()["open_orders"] is None


@pytest.mark.usefixtures("client")
async def test_a_venue_that_lists_nothing_is_cancelled_at_blindly(
    quiet_venue: RunningVenue, lines: Lines
) -> None:
    """The settings' symbols are cancelled; what nobody listed is not called done."""
    quiet_venue.fault(kind="hang", stage="before", endpoint=LIST, duration_seconds=30)
    # With the pause that comes on top it ends before the list's own timeout, so that only patience counts.
    running = asyncio.ensure_future(run(quiet_venue, lines, deadline_seconds=0.5))
    await eventually(lambda: open_at_venue(quiet_venue) == {f"o-ETH-{n}" for n in range(3)}, "BTC is gone")
    outcome = await running
    assert (outcome.good, outcome.left) == (False, None)


@pytest.mark.usefixtures("client")
async def test_what_was_cancelled_blindly_is_counted(quiet_venue: RunningVenue, lines: Lines) -> None:
    quiet_venue.fault(kind="hang", stage="before", endpoint=LIST, count=1, duration_seconds=30)
    well_done(await run(quiet_venue, lines), quiet_venue)


@pytest.mark.usefixtures("client")
async def test_every_request_is_refused_for_its_rate(quiet_venue: RunningVenue, lines: Lines) -> None:
    quiet_venue.fault(kind="error", code=-1003, http_status=429, retry_after_seconds=0)
    outcome = await run(quiet_venue, lines, deadline_seconds=0.5)
    [complaint] = outcome.complaints()
    assert "NOT VERIFIED" in complaint
    assert "a request failed: binance 429" in complaint
    tried = len(requests_of(quiet_venue))
    assert 5 < tried < 60, "it never gives up, and does not hammer"


async def test_one_list_of_two_is_missing(futures: RunningVenue, lines: Lines) -> None:
    async with usdm_client(futures) as client:
        order = {
            "symbol": "BTCUSDT",
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "0.01",
        }
        await client.fapiPrivatePostOrder(order | {"price": "59000", "newClientOrderId": "normal"})
        futures.fault(kind="error", code=-1000, http_status=500, endpoint="usdm.openAlgoOrders.status")
        running = asyncio.ensure_future(
            run(futures, lines, deadline_seconds=1.5, market="binanceusdm", symbols=())
        )
        await eventually(
            lambda: open_at_venue(futures, "usdm") == set(), "the normal one is cancelled at once"
        )
        outcome = await running
    assert (outcome.good, outcome.verified_twice) == (False, False)


@pytest.mark.usefixtures("client")
async def test_our_clock_is_wrong(quiet_venue: RunningVenue, lines: Lines) -> None:
    for offset_ms in (90_000, -90_000):
        number = quiet_venue.fault(kind="clock_skew", offset_ms=offset_ms)
        well_done(await run(quiet_venue, lines), quiet_venue, cancelled=6 if offset_ms > 0 else 0)
        quiet_venue.admin("DELETE", f"/faults/{number}")
    first, second = (line["ahead_ms"] for line in lines.of("clock_set"))
    assert -91_000 < first < -89_000
    assert 89_000 < second < 91_000


async def test_the_weight_of_the_minute_is_used_up(
    make_venue: Callable[..., RunningVenue], lines: Lines
) -> None:
    """By the service, or by whoever shares the address: the venue says for how long it wants silence."""
    venue = make_venue(background={"events_per_second": 0}, limits={"weight_per_minute": 20})
    async with ccxt_client(venue) as client:
        for _ in range(20):
            await client.publicGetPing()
    outcome = await run(venue, lines, deadline_seconds=0.5)
    assert not outcome.good
    assert 0 < lines.of("venue_wants_silence")[0]["seconds"] <= 60


@pytest.mark.usefixtures("client")
async def test_names_do_not_resolve(
    quiet_venue: RunningVenue, lines: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_dns(self: ThreadedResolver, *args: Any, **named: Any) -> Any:
        raise OSError("Temporary failure in name resolution")

    host = f"api.{DOMAIN}"
    kept: Names = {(host, family): ("127.0.0.1",) for family in (0, 2)}
    address_file.write(tmp_path / "venue_addresses.json", kept)
    monkeypatch.setattr(ThreadedResolver, "resolve", no_dns)
    well_done(await run(quiet_venue, lines, state=tmp_path), quiet_venue)
    told = lines.of("dns_fallback")
    assert told
    assert all("using 127.0.0.1" in line["message"] for line in told)


@pytest.mark.usefixtures("client")
async def test_names_hang(
    quiet_venue: RunningVenue, lines: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hanging(self: ThreadedResolver, *args: Any, **named: Any) -> Any:
        await asyncio.sleep(60)

    address_file.write(tmp_path / "venue_addresses.json", {(f"api.{DOMAIN}", 0): ("127.0.0.1",)})
    monkeypatch.setattr(ThreadedResolver, "resolve", hanging)
    monkeypatch.setattr(names, "PATIENCE_SECONDS", 0.2)
    well_done(await run(quiet_venue, lines, state=tmp_path), quiet_venue)


async def test_no_name_and_no_file(
    quiet_venue: RunningVenue, lines: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_dns(self: ThreadedResolver, *args: Any, **named: Any) -> Any:
        raise OSError("Temporary failure in name resolution")

    monkeypatch.setattr(ThreadedResolver, "resolve", no_dns)
    outcome = await run(quiet_venue, lines, deadline_seconds=0.5, state=tmp_path)
    [complaint] = outcome.complaints()
    assert "NOT VERIFIED" in complaint
    assert "a request failed: ExchangeNotAvailable" in complaint


@pytest.mark.parametrize("wrong", ["unknown", "secret", "disabled"])
async def test_a_key_that_the_venue_refuses(quiet_venue: RunningVenue, lines: Lines, wrong: str) -> None:
    credentials = quiet_venue.accounts[f"{ACCOUNT}/panic"]
    key = Key(credentials.api_key, credentials.api_secret)
    if wrong == "unknown":
        key = Key("k" * 30, key.api_secret)
    elif wrong == "secret":
        key = Key(key.api_key, "s" * 30)
    else:
        quiet_venue.admin("PUT", f"/accounts/{ACCOUNT}/keys/panic", {"enabled": False})
    target = Target("", "binance", quiet_venue.hostname, quiet_venue.ca_file, WINDOW_MS, (), None, None)
    with pytest.raises(PanicError, match=r"the venue refuses the key: .* give another one with --credential"):
        await panic(Plan(target, key, 30, None, time.monotonic()), lines)


@pytest.mark.usefixtures("client")
async def test_a_key_that_is_disabled_half_way(quiet_venue: RunningVenue, lines: Lines) -> None:
    quiet_venue.fault(kind="ignore_cancel", account=ACCOUNT)
    running = asyncio.ensure_future(run(quiet_venue, lines))
    await eventually(lambda: lines.of("cancel_sent"), "it began")
    quiet_venue.admin("PUT", f"/accounts/{ACCOUNT}/keys/panic", {"enabled": False})
    outcome = await running
    [complaint] = outcome.complaints()
    assert "6 ORDERS ARE STILL OPEN" in complaint
    assert "the venue refuses the key" in complaint


@pytest.mark.usefixtures("client")
async def test_a_key_that_may_only_look(quiet_venue: RunningVenue, lines: Lines) -> None:
    for endpoint in (CANCEL_ALL, "order.cancel"):
        quiet_venue.fault(kind="error", code=-2015, http_status=401, endpoint=endpoint)
    outcome = await run(quiet_venue, lines, symbols=())
    [complaint] = outcome.complaints()
    assert "6 ORDERS ARE STILL OPEN" in complaint
    assert "the venue refuses the key" in complaint
    assert not outcome.good
