"""Mistakes in what `trader watch-peers` is told: one line that names the key, and nothing begins."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from trader.cli import main
from trader.peers.judge import State
from trader.peers.report import Told, text
from trader.peers.settings import load

Change = Callable[[dict[str, Any], Path], object]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Valid ones, of the real venue; nothing of them is ever asked here."""
    (tmp_path / "peer-trader-01").write_text(json.dumps({"api_key": "hush-hush", "api_secret": "hush-hush"}))
    target = {"host": "trader-01", "venue": {"id": "binance"}, "symbols": ["BTC/USDT"]}
    (tmp_path / "trader-01.yml").write_text(yaml.safe_dump(target))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    return {
        "host": "trader-02",
        "programs": ["/opt/trader/current/bin/trader"],
        "hosts": {
            "trader-01": {
                "health": "http://192.0.2.1:9101/healthz",
                "exporter": "http://192.0.2.1:9100/metrics",
                "settings": str(tmp_path / "trader-01.yml"),
                "credential": "peer-trader-01",
            }
        },
    }


def watch(settings: object, tmp_path: Path) -> Result:
    path = tmp_path / "peers.yml"
    path.write_text(settings if isinstance(settings, str) else yaml.safe_dump(settings))
    return CliRunner().invoke(main, ["watch-peers", "--config", str(path)])


def test_the_defaults_and_where_the_venue_is_asked(settings: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "peers.yml"
    path.write_text(yaml.safe_dump(settings))
    loaded, [peer] = load(path)
    assert (loaded.lost_seconds, loaded.gap_seconds, loaded.repeat_seconds) == (30.0, 10.0, 30.0)
    assert peer.venue_time == "https://api.binance.com/api/v3/time"
    assert "hush" not in repr(peer.key)
    moved = {"host": "trader-01", "venue": {"id": "binance", "hostname": "venue.lab:8443"}}
    (tmp_path / "trader-01.yml").write_text(yaml.safe_dump(moved))
    _, [peer] = load(path)
    assert peer.venue_time == "https://api.venue.lab:8443/api/v3/time"


def peer_of(settings: dict[str, Any]) -> dict[str, Any]:
    peer: dict[str, Any] = settings["hosts"]["trader-01"]
    return peer


def without_credential(settings: dict[str, Any], folder: Path) -> None:
    (folder / "peer-trader-01").unlink()


def credential_of_words(settings: dict[str, Any], folder: Path) -> None:
    (folder / "peer-trader-01").write_text("hush-hush")


def unknown_venue(settings: dict[str, Any], folder: Path) -> None:
    (folder / "trader-01.yml").write_text("venue: {id: nowhere}")


def no_authority(settings: dict[str, Any], folder: Path) -> None:
    (folder / "trader-01.yml").write_text("venue: {id: binance, ca_file: /none.pem}")


MISTAKES: dict[str, tuple[Change, str]] = {
    "unknown key": (lambda s, _: s.update(more=1), "more: unknown key, remove it"),
    "no hosts": (lambda s, _: s.update(hosts={}), "hosts: Dictionary should have at least 1 item"),
    "no host": (lambda s, _: s.pop("host"), "host: Field required"),
    "itself": (
        lambda s, _: s["hosts"].update({"trader-02": peer_of(s)}),
        "hosts.trader-02: that is this host; it cannot watch itself",
    ),
    "a name of nowhere": (lambda s, _: peer_of(s).update(health="trader-01"), "hosts.trader-01.health: "),
    "a witness": (lambda s, _: s.update(witnesses={"m": "ftp://m/"}), "witnesses.m: String should match"),
    "no program": (lambda s, _: s.update(programs=[]), "programs: List should have at least 1 item"),
    "a relative program": (lambda s, _: s.update(programs=["trader"]), "programs: trader: must be an absol"),
    "looks that do not fit": (
        lambda s, _: s.update(lost_seconds=15),
        "lost_seconds: 3 looks of up to 6 s (look_seconds and twice timeout_seconds) do not fit into 15 s",
    ),
    "zero": (lambda s, _: s.update(look_seconds=0), "look_seconds: Input should be greater than 0"),
    "no credential": (without_credential, "hosts.trader-01.credential: "),
    "words": (credential_of_words, "peer-trader-01: not JSON"),
    "no settings": (lambda s, _: peer_of(s).update(settings="/none.yml"), "hosts.trader-01.settings: /none"),
    "unknown venue": (unknown_venue, "hosts.trader-01.settings: "),
    "no authority": (no_authority, "venue.ca_file: /none.pem: No such file"),
}


@pytest.mark.parametrize(("change", "complaint"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_that_names_the_key(
    settings: dict[str, Any], tmp_path: Path, change: Change, complaint: str
) -> None:
    change(settings, tmp_path)
    result = watch(settings, tmp_path)
    assert result.exit_code == 2, result.output
    [line] = result.output.splitlines()
    assert line.startswith(f"Error: {tmp_path / 'peers.yml'}: ")
    assert complaint in line
    assert "hush" not in line


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("hosts: [", "not valid YAML in line 1"), ("- a list", "must hold keys and values"), ("", "must hold")],
)
def test_a_file_that_is_none(tmp_path: Path, content: str, complaint: str) -> None:
    result = watch(content, tmp_path)
    assert (result.exit_code, complaint in result.output) == (2, True), result.output
    assert len(result.output.splitlines()) == 1


def test_settings_are_checked_without_the_keys(settings: dict[str, Any], tmp_path: Path) -> None:
    without_credential(settings, tmp_path)
    watch(settings, tmp_path)
    command = ["watch-peers", "--check", "--config", str(tmp_path / "peers.yml")]
    good = CliRunner().invoke(main, command)
    assert (good.exit_code, good.output.endswith("valid; trader-02 watches trader-01\n")) == (0, True)
    unknown_venue(settings, tmp_path)
    assert CliRunner().invoke(main, command).exit_code == 2


def test_no_file(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["watch-peers", "--config", str(tmp_path / "none.yml")])
    assert result.exit_code == 2
    assert "none.yml: No such file or directory" in result.output


def test_what_is_told_of_a_peer() -> None:
    told = Told("trader-01", State.LOST, {"health": False, "exporter": True}, held=True, fired=2, cancelled=9)
    lines = [line for line in text([told], 1_700_000_000.25).splitlines() if not line.startswith("#")]
    assert lines == [
        "trader_peers_timestamp_seconds 1700000000.25",
        'trader_peer_state{peer="trader-01"} 3',
        'trader_peer_way_seen{peer="trader-01",way="health"} 0',
        'trader_peer_way_seen{peer="trader-01",way="exporter"} 1',
        'trader_peer_held{peer="trader-01"} 1',
        'trader_peer_panics_total{peer="trader-01"} 2',
        'trader_peer_cancelled_orders_total{peer="trader-01"} 9',
    ]
