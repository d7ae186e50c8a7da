"""Mistakes are told by key, in one line."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.trader.support import settings_of
from trader.service.settings import Settings, SettingsError, check_files, load_settings


def written(folder: Path, content: Any) -> Path:
    path = folder / "trader.yml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_a_valid_file_is_read_and_defaults_are_filled(tmp_path: Path) -> None:
    content = settings_of(tmp_path)
    for key in ("drain", "reconcile"):
        del content[key]
    settings = load_settings(written(tmp_path, content))
    assert isinstance(settings, Settings)
    assert (settings.drain.open_orders, settings.reconcile.interval_seconds) == ("cancel", 30)
    assert settings.venue.recv_window_ms == 5_000


MISTAKES = [
    ({"epoch": "soon"}, "epoch: "),
    ({"epoch": -1}, "epoch: "),
    ({"host": "trader 01"}, "host: "),
    ({"host": "h" * 24}, "host: client order id"),
    ({"colour": "blue"}, "colour: unknown key"),
    ({"venue": {"id": "mtgox"}}, "venue.id: 'mtgox' is not covered: how it takes"),
    ({"venue": {"id": "binance", "recv_window_ms": 60_000}}, "venue.recv_window_ms: "),
    (
        {"venue": {"id": "binance", "ccxt_options": {"maxRetriesOnFailure": 2}}},
        "venue.ccxt_options: maxRetriesOnFailure",
    ),
    ({"venue": {"id": "binance", "hostname": "https://x"}}, "venue.hostname: "),
    ({"symbols": []}, "symbols: "),
    ({"symbols": ["btcusdt"]}, "symbols.0: "),
    ({"symbols": ["BTC/USDT", "BTC/USDT"]}, "symbols: a symbol is listed twice"),
    ({"http": {"host": "127.0.0.1", "port": 70_000}}, "http.port: "),
    ({"strategy": {"name": "oracle"}}, "strategy.name: 'oracle' is no strategy; there are: quoter, twap"),
    ({"strategy": {"name": "quoter", "parameters": {"size": 1}}}, "strategy.parameters.size: unknown key"),
    ({"strategy": {"name": "quoter", "parameters": {"levels": 0}}}, "strategy.parameters.levels: "),
    ({"drain": {"open_orders": "forget"}}, "drain.open_orders: "),
    ({"journal": {}}, "journal.path: "),
    ({"streams": {"stale_seconds": 5}}, "streams.stale_seconds: 5 s leaves no time"),
    ({"kill_switch": {"latency_ms": 2_500}}, "streams.stale_seconds: 2.5 s leaves no time"),
]


@pytest.mark.parametrize(("change", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_a_mistake_names_its_key(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = written(tmp_path, settings_of(tmp_path, **change))
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: {message}")
    assert "\n" not in text


def test_several_mistakes_are_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, settings_of(tmp_path, epoch="x", colour=1))
    with pytest.raises(SettingsError, match=r"epoch: .*; colour: "):
        load_settings(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [("a: [", "not valid YAML in line"), ("- a\n- b\n", "must hold keys"), ("", "must hold keys")],
)
def test_what_is_no_settings_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings(written(tmp_path, content))


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.yml: No such file"):
        load_settings(tmp_path / "absent.yml")


def test_the_ca_file_is_checked_for_a_run_only(tmp_path: Path) -> None:
    venue = {"id": "binance", "ca_file": str(tmp_path / "absent.pem")}
    settings = load_settings(written(tmp_path, settings_of(tmp_path, venue=venue)))
    with pytest.raises(SettingsError, match=r"venue\.ca_file: .*absent\.pem: No such file"):
        check_files(settings)


def test_a_venue_that_is_not_proven_needs_a_name_for_the_risk(tmp_path: Path) -> None:
    kraken = {"id": "kraken"}
    with pytest.raises(SettingsError, match=r"venue\.id: requests to kraken are covered"):
        load_settings(written(tmp_path, settings_of(tmp_path, venue=kraken)))
    load_settings(written(tmp_path, settings_of(tmp_path, venue=kraken, mode="paper")))
    load_settings(written(tmp_path, settings_of(tmp_path, venue=kraken | {"accept_unproven_by": "desk"})))
