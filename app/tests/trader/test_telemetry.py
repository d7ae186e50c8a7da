"""Metrics as the data file says, events without secrets, the release by its REVISION."""

import io
import json
import logging
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

import trader
from trader.telemetry.events import HIDDEN, Events, LibraryLog
from trader.telemetry.metrics import Metrics
from trader.telemetry.release import Release, running_release

SECRET = "s3cret" * 5
DECLARED = yaml.safe_load((Path(trader.__file__).parent / "telemetry" / "metrics.yml").read_text())["metrics"]
NAMES = [entry["name"] for entry in DECLARED]
FIXED_BY_CONTRACT = {
    "trader_build_info": ["release", "sha256", "version"],
    "trader_orders_total": ["outcome"],
    "trader_order_latency_seconds": [],
    "trader_reconcile_unexplained_differences": [],
    "trader_reconcile_last_success_timestamp_seconds": [],
    "trader_trading_state": [],
    "trader_open_orders": [],
    "trader_fills_total": [],
    "trader_stream_age_seconds": ["stream"],
}


def test_names_that_others_use_are_there_with_their_labels() -> None:
    labels = {entry["name"]: list(entry.get("labels") or {}) for entry in DECLARED}
    assert {name: labels.get(name) for name in FIXED_BY_CONTRACT} == FIXED_BY_CONTRACT


@pytest.mark.parametrize("entry", DECLARED, ids=NAMES)
def test_an_entry_is_complete(entry: dict[str, object]) -> None:
    assert set(entry) <= {"name", "type", "help", "labels", "buckets"}
    assert str(entry["help"]).endswith(".")
    assert (entry["type"] == "counter") == str(entry["name"]).endswith("_total")
    assert (entry["type"] == "histogram") == ("buckets" in entry)
    buckets = entry.get("buckets") or []
    assert isinstance(buckets, list)
    assert all(low < high for low, high in pairwise(buckets))
    labels = entry.get("labels") or {}
    assert isinstance(labels, dict)
    assert entry["name"] == "trader_build_info" or not {"release", "sha256", "version"} & set(labels)


def test_every_series_is_there_from_the_start_at_zero() -> None:
    text = Metrics().expose().decode()
    for outcome in ("acknowledged", "rejected", "unknown"):
        assert f'trader_orders_total{{outcome="{outcome}"}} 0.0' in text
    assert 'trader_order_latency_seconds_bucket{le="0.001"} 0.0' in text
    assert "_created" not in text


def test_they_count_and_refresh_before_a_scrape() -> None:
    metrics = Metrics()
    metrics.count("trader_orders_total", outcome="unknown")
    metrics.add("trader_journal_records_total", 5)
    metrics.observe("trader_order_latency_seconds", 0.02)
    metrics.refresh_with(lambda: metrics.set("trader_open_orders", 7))
    metrics.release(Release("trader-1-abc", "f" * 64, "1"))
    text = metrics.expose().decode()
    assert 'trader_orders_total{outcome="unknown"} 1.0' in text
    assert "trader_journal_records_total 5.0" in text
    assert 'trader_order_latency_seconds_bucket{le="0.025"} 1.0' in text
    assert "trader_open_orders 7.0" in text
    assert f'trader_build_info{{release="trader-1-abc",sha256="{"f" * 64}",version="1"}} 1.0' in text


def test_a_name_that_is_not_declared_is_an_error() -> None:
    with pytest.raises(KeyError):
        Metrics().count("trader_made_up_total")


def test_events_are_lines_without_secrets() -> None:
    stream = io.StringIO()
    events = Events(stream, host="trader-01")
    events.hide(SECRET, "")
    events.emit("placed", price=Decimal("1.50"), note=f"the key is {SECRET}")
    events.error("failed", ValueError(f"GET https://x/y?a=1&signature=abc123&{SECRET}\nsecond line"))
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["event"], first["host"], first["price"]) == ("placed", "trader-01", "1.50")
    assert first["note"] == f"the key is {HIDDEN}"
    assert second["message"] == f"GET https://x/y?a=1&signature={HIDDEN}&{HIDDEN}"
    assert (second["error"], second["level"]) == ("ValueError", "error")
    assert first["at_ns"] <= second["at_ns"]


def test_what_libraries_log_is_scrubbed_too() -> None:
    stream = io.StringIO()
    events = Events(stream)
    events.hide(SECRET)
    logger = logging.Logger("library")
    logger.addHandler(LibraryLog(events))
    try:
        raise OSError(SECRET)
    except OSError:
        logger.exception("failed with %s", SECRET)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["message"]) == ("library", "error", f"failed with {HIDDEN}")
    assert line["error"] == f"OSError: {HIDDEN}"


def test_a_closed_stdout_does_not_end_trading() -> None:
    stream = io.StringIO()
    events = Events(stream)
    stream.close()
    events.emit("placed")


def test_the_release_is_what_the_installer_wrote(tmp_path: Path) -> None:
    package = tmp_path / "lib" / "trader"
    package.mkdir(parents=True)
    assert running_release(package) == Release("dev", "", trader.__version__)
    revision = {"app": "trader", "id": "trader-1-abc", "sha256": "f" * 64, "version": "1"}
    (tmp_path / "REVISION").write_text(json.dumps(revision))
    assert running_release(package) == Release("trader-1-abc", "f" * 64, "1")
    (tmp_path / "REVISION").write_text("{}")
    assert running_release(package).id == "dev"


def written(monkeypatch: pytest.MonkeyPatch, journal: str | None) -> tuple[Events, io.StringIO]:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    if journal:
        monkeypatch.setenv("JOURNAL_STREAM", journal)
    return Events(epoch="3"), stream


def test_in_the_journal_a_line_carries_its_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    events, stream = written(monkeypatch, "8:1234")
    events.emit("trading_started")
    events.emit("difference", "error")
    lines = stream.getvalue().splitlines()
    assert [line[:3] for line in lines] == ["<6>", "<3>"]
    assert json.loads(lines[0][3:])["epoch"] == "3"


def test_on_a_terminal_it_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    events, stream = written(monkeypatch, None)
    events.emit("trading_started")
    assert stream.getvalue().startswith("{")


def test_a_flood_is_cut_and_says_by_how_much(monkeypatch: pytest.MonkeyPatch) -> None:
    events, stream = written(monkeypatch, None)
    now = [100.0]
    monkeypatch.setattr("trader.telemetry.events.time.monotonic", lambda: now[0])
    for _ in range(1_000):
        events.emit("stream_lost", "warning")
        events.emit("stream_silent", "warning")
    assert len(stream.getvalue().splitlines()) == 40
    now[0] = 111.0
    events.emit("stream_lost", "warning")
    assert json.loads(stream.getvalue().splitlines()[-1])["left_out"] == 980


@pytest.mark.parametrize(
    ("event", "level"),
    [
        ("order_resolved", "info"),
        ("kill_found_orders", "warning"),
        ("latch_rearmed", "warning"),
        ("anything", "error"),
    ],
)
def test_what_happened_to_money_is_never_left_out(
    monkeypatch: pytest.MonkeyPatch, event: str, level: str
) -> None:
    events, stream = written(monkeypatch, None)
    for _ in range(1_000):
        events.emit(event, level)
    assert len(stream.getvalue().splitlines()) == 1_000


def test_a_nested_secret_is_hidden_in_every_field(monkeypatch: pytest.MonkeyPatch) -> None:
    events, stream = written(monkeypatch, "8:1")
    events.hide(SECRET)
    events.emit("order_resolved", names={"deep": [SECRET, {"url": f"https://x/?signature={'ab' * 20}"}]})
    events.error("order_not_placed", ValueError(f"GET https://x/?signature={'cd' * 20} {SECRET}"))
    text = stream.getvalue()
    assert SECRET not in text
    assert "abab" not in text
    assert "cdcd" not in text
