"""The thread that sends: it never waits, never raises, and counts what it could not send."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from tests.trader.support import until
from trader.service.credentials import sentry_dsn
from trader.service.settings import SettingsError
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics
from trader.telemetry.sentry import reporter as module
from trader.telemetry.sentry.policy import BURST
from trader.telemetry.sentry.reporter import QUEUED, Reporter, start
from trader.telemetry.sentry.settings import SentrySettings

DSN = "http://key@127.0.0.1:9/1"
SCOPE = {"host": "trader-01", "strategy": "quoter", "venue": "binance"}


class Kept(Transport):
    """Keeps events in place of sending them; waits while `gate` is closed."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.events: list[dict[str, Any]] = []
        self.gate = threading.Event()
        self.gate.set()

    def capture_envelope(self, envelope: Envelope) -> None:
        self.gate.wait(20)
        made = envelope.get_event()
        assert made is not None
        self.events.append(dict(made))


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def kept() -> Iterator[Kept]:
    transport = Kept()
    yield transport
    transport.gate.set()


def make(kept: Kept, metrics: Metrics, **shares: float) -> Reporter:
    whole = {"money": 1.0, "feed": 1.0, "library": 1.0, "other": 1.0, **shares}
    return Reporter(DSN, "test", "release-1", "trader-01", whole, lambda said: said, metrics, transport=kept)


def counted(metrics: Metrics, name: str, reason: str) -> float:
    line = next(
        one
        for one in metrics.expose().decode().splitlines()
        if one.startswith(f'{name}{{reason="{reason}"}} ')
    )
    return float(line.rpartition(" ")[2])


def test_a_line_becomes_an_event_with_its_traceback_and_what_was_before(kept: Kept, metrics: Metrics) -> None:
    reporter = make(kept, metrics)
    reporter.take("stream_lost", "warning", {"stream": "quotes"}, None)
    try:
        raise ValueError('binance {"code":-1013}')
    except ValueError as error:
        reporter.take("order_refused", "error", {"client_id": "trader-01-1-1", "outcome": "rejected"}, error)
    reporter.close()
    (made,) = kept.events
    (raised,) = made["exception"]["values"]
    assert (raised["type"], raised["value"]) == ("ValueError", 'binance {"code":-1013}')
    (frame,) = raised["stacktrace"]["frames"]
    assert frame["function"] == "test_a_line_becomes_an_event_with_its_traceback_and_what_was_before"
    assert not {"vars", "context_line", "pre_context", "post_context"} & frame.keys()
    assert made["fingerprint"] == ["order_refused", "rejected", "-1013"]
    assert (made["release"], made["environment"], made["server_name"]) == ("release-1", "test", "trader-01")
    assert [one["category"] for one in made["breadcrumbs"]["values"]] == ["stream_lost"]
    assert made["tags"]["client_id"] == "trader-01-1-1"


def test_a_full_queue_is_counted_and_nobody_waits(kept: Kept, metrics: Metrics) -> None:
    reporter = make(kept, metrics)
    kept.gate.clear()
    began = time.monotonic()
    for number in range(QUEUED + 50):
        reporter.take(f"order_{number}", "error", {}, None)
    took = time.monotonic() - began
    kept.gate.set()
    reporter.close()
    # One or a few are with the thread already.
    assert 40 <= counted(metrics, module.DROPPED, "queue_full") <= 50
    assert took < 2, "putting into a queue, not sending"
    # A machine that is too slow for two seconds' flush loses some, and says how many.
    lost = sum(counted(metrics, module.DROPPED, reason) for reason in ("queue_full", "shutdown"))
    until(lambda: len(kept.events) == QUEUED + 50 - lost, "every report sent or counted")


def test_a_storm_is_one_issue_and_few_events(kept: Kept, metrics: Metrics) -> None:
    reporter = make(kept, metrics)
    for _ in range(100):
        reporter.take("order_refused", "error", {"outcome": "rejected"}, None)
    reporter.close()
    assert len(kept.events) == BURST
    assert counted(metrics, module.SUPPRESSED, "storm") == 100 - BURST


def test_what_is_sampled_away_is_counted_and_money_never_is(kept: Kept, metrics: Metrics) -> None:
    reporter = make(kept, metrics, feed=0.0)
    reporter.take("stream_lost", "error", {}, None)
    reporter.take("order_refused", "error", {}, None)
    reporter.close()
    assert [made["tags"]["event"] for made in kept.events] == ["order_refused"]
    assert counted(metrics, module.SUPPRESSED, "sampled") == 1


def test_an_event_that_cannot_be_scrubbed_still_arrives(
    kept: Kept, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_made: object, _known: object) -> None:
        raise RuntimeError("a secret that must not go out")

    monkeypatch.setattr(module, "scrub", breaks)
    reporter = make(kept, metrics)
    reporter.take("order_refused", "error", {"message": "a secret that must not go out"}, None)
    reporter.close()
    (made,) = kept.events
    assert "order_refused" in made["message"]
    assert "RuntimeError" in made["message"]
    assert "secret" not in repr(made)


def test_an_event_that_cannot_be_made_still_arrives(
    kept: Kept, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(module, "event", breaks)
    reporter = make(kept, metrics)
    reporter.take("order_refused", "error", {}, None)
    reporter.close()
    assert [made["tags"]["event"] for made in kept.events] == ["report_broke"]
    assert counted(metrics, module.DROPPED, "error") == 1


def test_the_end_waits_no_longer_than_it_may(kept: Kept, metrics: Metrics) -> None:
    reporter = make(kept, metrics)
    kept.gate.clear()
    for number in range(5):
        reporter.take(f"order_{number}", "error", {}, None)
    began = time.monotonic()
    reporter.close(0.5)
    assert time.monotonic() - began < 5
    assert counted(metrics, module.DROPPED, "shutdown") >= 3


def test_what_comes_after_the_end_is_counted(kept: Kept, metrics: Metrics) -> None:
    reporter = make(kept, metrics)
    reporter.close()
    reporter.take("order_refused", "error", {}, None)
    assert (kept.events, counted(metrics, module.DROPPED, "shutdown")) == ([], 1)


def test_reports_go_one_at_a_time_and_what_is_held_back_costs_no_pause(
    kept: Kept, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 60.0)
    reporter = make(kept, metrics)
    for name in ["order_a", "order_b"]:
        reporter.take(name, "error", {}, None)
    until(lambda: len(kept.events) == 1, "the first report")
    time.sleep(0.2)
    assert len(kept.events) == 1, "the second waits"
    reporter.close()
    assert len(kept.events) == 2, "at the end nothing waits"
    sampled = make(kept, metrics, feed=0.0)
    for _ in range(50):
        sampled.take("stream_lost", "error", {}, None)
    until(lambda: counted(metrics, module.SUPPRESSED, "sampled") == 50, "every one held back")
    sampled.close()


def test_a_report_that_broke_quotes_no_name_that_is_not_ours() -> None:
    said = module._minimal("GET https://venue.example/?signature=abc", ValueError("x"))["message"]
    assert said == "report of an event could not be made: ValueError"
    assert "'" not in said


def test_a_server_that_is_down_is_counted(metrics: Metrics) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        dsn = f"http://key@127.0.0.1:{taken.getsockname()[1]}/1"
        reporter = Reporter(dsn, "test", "r", "h", {"money": 1.0}, str, metrics)
        reporter.take("order_refused", "error", {}, None)
        reporter.close()
    assert counted(metrics, module.DROPPED, "network") == 1


def test_every_line_of_the_log_is_offered(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[Any, ...]] = []
    monkeypatch.setattr(Reporter, "take", lambda _self, *words: taken.append(words))
    events = Events(io.StringIO(), account="desk-1")
    reporter = start(DSN, SentrySettings(), SCOPE, "r", events, metrics)
    error = ValueError("x")
    events.emit("order_sent", client_id="c")
    events.error("order_refused", error, outcome="rejected")
    assert [words[:2] for words in taken] == [("order_sent", "info"), ("order_refused", "error")]
    assert taken[1][3] is error
    assert taken[1][2] == {
        **SCOPE, "account": "desk-1", "error": "ValueError", "message": "x", "outcome": "rejected",
    }  # fmt: skip
    reporter.close()


@pytest.mark.parametrize(
    "content", ["", "\n", "https://k@sentry.example/7\n", "http://k:s@127.0.0.1:8000/p/7"]
)
def test_a_dsn_is_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "sentry_dsn").write_text(content)
    assert sentry_dsn({"CREDENTIALS_DIRECTORY": str(tmp_path)}) == content.strip()


def test_without_the_credential_there_are_no_reports(tmp_path: Path) -> None:
    assert sentry_dsn({"CREDENTIALS_DIRECTORY": str(tmp_path)}) == ""
    assert sentry_dsn({}) == ""


@pytest.mark.parametrize(
    "content", ["sentry", "https://sentry.example/7", "https://k@sentry.example", "ftp://k@h/1"]
)
def test_what_is_no_dsn_is_refused_and_not_quoted(tmp_path: Path, content: str) -> None:
    (tmp_path / "sentry_dsn").write_text(content)
    with pytest.raises(SettingsError) as refused:
        sentry_dsn({"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert "not a DSN" in str(refused.value)
    assert content not in str(refused.value).replace(str(tmp_path / "sentry_dsn"), "")
