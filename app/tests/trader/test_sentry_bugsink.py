"""Reports on a real server: no secret arrives from anywhere, issues are counted right, and none is lost at
the end.
"""

from __future__ import annotations

import io
import json
import logging
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.trader_process import APP
from tests.trader.bugsink import Bugsink
from tests.trader.live import BUSY, LIMITS, MakeTrader
from tests.trader.support import until
from tests.venue_sim.support import RunningVenue
from trader.telemetry.events import Events, LibraryLog
from trader.telemetry.metrics import Metrics
from trader.telemetry.sentry.reporter import Reporter, start
from trader.telemetry.sentry.settings import SentrySettings

MARKER = "harmless-marker-0815"
SCOPE = {"host": "trader-01", "strategy": "quoter", "venue": "binance"}


@pytest.fixture(scope="module")
def bugsink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bugsink]:
    server = Bugsink(tmp_path_factory.mktemp("bugsink"))
    yield server
    server.stop()


class Planted:
    """A new secret for each place; the account's own is known to the service, the others are not."""

    def __init__(self) -> None:
        self.by_place: dict[str, str] = {}

    def __call__(self, place: str) -> str:
        return self.by_place.setdefault(place, f"{secrets.token_hex(12)}Q{len(self.by_place)}")

    def url(self, place: str) -> str:
        return f"https://api.example/api/v3/order?symbol=BTCUSDT&signature={self(place)}&x={MARKER}"


class Request:
    """What a library may keep in a frame; its repr tells everything."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    def __repr__(self) -> str:
        return f"Request(headers={{'X-MBX-APIKEY': '{self.secret}'}})"


def deep(planted: Planted) -> None:
    """Secrets in frames, then an exception with one in its text and one in its cause's."""
    apiKey = planted("frame variable by name")  # noqa: N806, F841
    headers = {"nested": [{"Authorization": f"Bearer {planted('frame variable, nested')}"}]}  # noqa: F841
    ordinary = planted("frame variable of an ordinary name")  # noqa: F841
    shown = Request(planted("repr of an object in a frame"))  # noqa: F841
    try:
        raise KeyError(f"apiKey={planted('text of a cause')} {MARKER}")
    except KeyError as cause:
        raise ValueError(f"binance GET {planted.url('text of an exception')}") from cause


def everywhere(events: Events, reporter: Reporter, planted: Planted) -> None:
    own = planted("the account's own secret, without any name")
    events.hide(own)
    events.emit(
        "before",
        "warning",
        message=f"GET {planted.url('message of a breadcrumb')}",
        url=planted.url("url in a breadcrumb"),
    )
    events.emit("before", "info", headers={"Authorization": planted("header in a breadcrumb")})
    try:
        deep(planted)
    except ValueError as error:
        events.error("order_refused", error, note=f"{own} {MARKER}", api_secret=planted("field of a line"))
    events.emit("order_strange", "error", message=f"token {planted('message of a line')}")
    logging.getLogger("somebody").error("signed %s", planted.url("argument of a library's log"))
    # What a library or an integration of the SDK may put into an event, in the SDK's own form.
    reporter._capture(
        {
            "message": f"listenKey={planted('message of an event')}",
            "level": "error",
            "transaction": f"GET {planted.url('transaction')}",
            "fingerprint": ["own", f"secret={planted('fingerprint')}"],
            "tags": {"token": planted("tag"), "seen": MARKER},
            "extra": {"a": [{"b": {"password": planted("extra, nested")}}]},
            "contexts": {"venue": {"api_key": planted("context"), "url": planted.url("url in a context")}},
            "user": {"id": 1, "session_id": planted("user")},
            "request": {"url": planted.url("request"), "headers": {"Cookie": planted("cookie")}},
        },
        None,
    )


@pytest.fixture
def loud_library() -> Iterator[logging.Logger]:
    logger = logging.getLogger("somebody")
    yield logger
    logger.handlers.clear()


def test_no_secret_arrives_from_anywhere(bugsink: Bugsink, loud_library: logging.Logger) -> None:
    events, planted = Events(io.StringIO(), account="desk-1"), Planted()
    loud_library.addHandler(LibraryLog(events))
    before = len(bugsink.events())
    reporter = start(bugsink.dsn, SentrySettings(environment="test"), SCOPE, "release-1", events, Metrics())
    everywhere(events, reporter, planted)
    reporter.close()
    arrived = json.dumps(bugsink.wait_for(before + 4))
    assert len(planted.by_place) >= 15
    found = [place for place, secret in planted.by_place.items() if secret in arrived]
    assert found == []
    # The search would have found them: what stood beside them is there, each time.
    assert arrived.count(MARKER) >= 8
    assert "hidden" in arrived


def test_the_search_finds_what_nobody_scrubs(bugsink: Bugsink, monkeypatch: pytest.MonkeyPatch) -> None:
    """The red twin: with the scrubbing off, the same secrets are all over the server."""
    monkeypatch.setattr("trader.telemetry.sentry.reporter.scrub", lambda made, _known: made)
    events, planted = Events(io.StringIO()), Planted()
    before = len(bugsink.events())
    reporter = start(bugsink.dsn, SentrySettings(environment="test"), SCOPE, "release-1", events, Metrics())
    everywhere(events, reporter, planted)
    reporter.close()
    arrived = json.dumps(bugsink.wait_for(before + 3))
    found = [place for place, secret in planted.by_place.items() if secret in arrived]
    assert len(found) >= 8


def test_each_outcome_class_and_code_is_one_issue(bugsink: Bugsink) -> None:
    events = Events(io.StringIO())
    reporter = start(bugsink.dsn, SentrySettings(environment="test"), SCOPE, "release-2", events, Metrics())
    before = {issue["id"] for issue in bugsink.issues()}
    for outcome, code in [("rejected", -2010), ("rejected", -2010), ("rejected", -1013), ("unknown", -2010)]:
        error = ValueError(f'binance {{"code":{code},"msg":"{secrets.token_hex(4)}"}}')
        events.error("order_counted", error, outcome=outcome, client_id=secrets.token_hex(4))
    reporter.close()

    def new() -> list[dict[str, Any]]:
        return [issue for issue in bugsink.issues() if issue["id"] not in before]

    until(lambda: sum(issue["digested_event_count"] for issue in new()) == 4, "four events")
    assert sorted(issue["digested_event_count"] for issue in new()) == [1, 1, 2]


def test_an_error_right_before_sigterm_arrives(
    bugsink: Bugsink, venue: RunningVenue, make_trader: MakeTrader
) -> None:
    trader = make_trader(venue, strategy=BUSY, risk=LIMITS, sentry={"environment": "test"})
    (trader.folder / "credentials" / "sentry_dsn").write_text(bugsink.dsn)
    trader.start()
    until(lambda: trader.get("/readyz")[0] == 200, "a service that trades")
    venue.fault(
        kind="error", endpoint="order.place", account="trader-01", code=-2010, http_status=400, count=1
    )
    refused = until(
        lambda: [one for one in trader.events if one["event"] == "order_not_placed"], "a refusal"
    )[0]
    assert trader.terminate() == 0
    arrived = until(
        lambda: [one for one in bugsink.events() if one["tags"].get("client_id") == refused["client_id"]],
        "the report",
    )[0]
    # By REST, where ccxt keeps the code to itself.
    assert arrived["fingerprint"] == ["order_not_placed", "not_placed", "InsufficientFunds"]
    assert (arrived["server_name"], arrived["environment"]) == ("trader-01", "test")
    assert arrived["tags"]["symbol"] == "BTC/USDT"
    assert arrived["tags"]["strategy"] == "quoter"
    assert trader.secrets[1] not in json.dumps(bugsink.events())


CRASHES = """
from trader.service.service import Service
async def run(self): raise RuntimeError("something nobody foresaw")
Service.run = run
from trader.cli import main
main()
"""


def test_a_crash_arrives(
    bugsink: Bugsink, venue: RunningVenue, make_trader: MakeTrader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.trader_process.PROGRAM", CRASHES)
    trader = make_trader(venue, sentry={"environment": "test"})
    (trader.folder / "credentials" / "sentry_dsn").write_text(bugsink.dsn)
    trader.start()
    assert trader.process.wait(timeout=20) != 0
    until(
        lambda: [one for one in bugsink.events() if one["tags"].get("event") == "crash"],
        "the report of the crash",
    )


def test_without_a_dsn_the_sdk_is_not_even_loaded() -> None:
    program = "import trader.cli, trader.service.service, sys; print('sentry_sdk' in sys.modules)"
    words = [sys.executable, "-c", program]
    done = subprocess.run(
        words, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": str(APP)}
    )
    assert done.stdout.strip() == "False"
