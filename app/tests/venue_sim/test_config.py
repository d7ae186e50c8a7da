"""Settings: what is good, and one clear line for what is not."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from venue_sim.config import ConfigError, load_accounts, load_config, with_tls_key

ACCOUNT = {"name": "trader-01", "api_key": "key-of-trader-01", "api_secret": "hush-hush-hush"}
KEY = {"name": "panic", "api_key": "second-key-of-trader-01", "api_secret": "hush-hush-panic"}


@pytest.fixture
def good(tmp_path: Path) -> dict[str, Any]:
    """The smallest good settings."""
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).touch()
    (tmp_path / "accounts.json").write_text(json.dumps([ACCOUNT | {"balances": {"USDT": "1.5"}}]))
    return {
        "api": {"certificate": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")},
        "accounts_file": str(tmp_path / "accounts.json"),
        "record": str(tmp_path / "record.jsonl"),
        "symbols": [
            {
                "symbol": "BTCUSDT",
                "base": "BTC",
                "quote": "USDT",
                "price": "60000",
                "tick_size": "0.01",
                "step_size": "0.00001",
                "min_notional": "5",
            }
        ],
    }


def write(folder: Path, settings: dict[str, Any]) -> Path:
    path = folder / "venue.yml"
    path.write_text(yaml.safe_dump(settings))
    return path


def test_good_settings(tmp_path: Path, good: dict[str, Any]) -> None:
    path = write(tmp_path, good)
    config = load_config(path)
    assert config.symbols[0].rules().tick_size == Decimal("0.01")
    (account,) = load_accounts(config, path)
    assert account.balances["USDT"].free == Decimal("1.5")
    assert with_tls_key(config, path).api.key == tmp_path / "key.pem"


def test_secrets_from_the_units_credentials(
    tmp_path: Path, good: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    del good["accounts_file"], good["api"]["key"]
    path = write(tmp_path, good)
    config = load_config(path)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ConfigError, match="accounts_file: absent, and there is no credential `accounts`"):
        load_accounts(config, path)
    with pytest.raises(ConfigError, match=r"api\.key: absent, and there is no credential `tls_key`"):
        with_tls_key(config, path)
    (tmp_path / "accounts").write_text(json.dumps([ACCOUNT]))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert load_accounts(config, path)[0].name == "trader-01"
    assert with_tls_key(config, path).api.key == tmp_path / "tls_key"


@pytest.mark.parametrize(
    ("where", "value", "complaint"),
    [
        (("api", "port"), 70_000, "api.port: "),
        (("api", "certificate"), "/nowhere/cert.pem", "api.certificate: no such file: /nowhere/cert.pem"),
        (("record",), None, "record: "),
        (("colour",), "red", "colour: Extra inputs are not permitted"),
        (("symbols",), [], "symbols: "),
        (("symbols", 0, "tick_size"), 0.01, 'symbols.0.tick_size: write amounts in quotes ("0.01")'),
        (("symbols", 0, "tick_size"), "0", "symbols.0.tick_size: "),
        (("symbols", 0, "step_size"), "0.00000001", "symbols.0: tick_size times step_size has more than 8"),
        (("symbols", 0, "price"), "60000.001", "symbols.0: price is not a multiple of tick_size"),
        (("symbols", 0, "symbol"), "btc/usdt", "symbols.0.symbol: "),
        (("background",), {"events_per_second": -1}, "background.events_per_second: "),
        (("fees",), {"maker": "1"}, "fees.maker: "),
        (("limits",), {"weight_per_minute": 0}, "limits.weight_per_minute: "),
    ],
)
def test_bad_settings_name_their_key(
    tmp_path: Path, good: dict[str, Any], where: tuple[Any, ...], value: Any, complaint: str
) -> None:
    inner: Any = good
    for step in where[:-1]:
        inner = inner[step]
    inner[where[-1]] = value
    path = write(tmp_path, good)
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    assert complaint in str(refused.value)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


def test_a_symbol_twice(tmp_path: Path, good: dict[str, Any]) -> None:
    good["symbols"] *= 2
    with pytest.raises(ConfigError, match="symbols: BTCUSDT is listed twice"):
        load_config(write(tmp_path, good))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: [", "line 1: not YAML"),
        ("- 1", "must be a mapping"),
        ("", "must be a mapping"),
        ("\xff\xfe", "not UTF-8"),
    ],
)
def test_not_settings_at_all(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "venue.yml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=complaint):
        load_config(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "absent.yml")


@pytest.mark.parametrize(
    ("accounts", "complaint"),
    [
        ("{", "line 1: not JSON"),
        (json.dumps({"name": 1}), "(top level): "),
        (json.dumps([ACCOUNT | {"api_secret": "hush"}]), "0.api_secret: "),
        (json.dumps([ACCOUNT | {"colour": "red"}]), "0.colour: "),
        (json.dumps([ACCOUNT | {"balances": {"USDT": "-1"}}]), "0.balances.USDT: "),
        (json.dumps([ACCOUNT, ACCOUNT]), "1.name: the same as another's"),
        (json.dumps([ACCOUNT, ACCOUNT | {"name": "b"}]), "1.api_key: the same as another's"),
        (json.dumps([ACCOUNT | {"keys": [KEY | {"api_secret": "hush"}]}]), "0.keys.0.api_secret: "),
        (json.dumps([ACCOUNT | {"keys": [KEY | {"name": ""}]}]), "0.keys.0.name: "),
        (json.dumps([ACCOUNT | {"keys": [KEY, KEY]}]), "0.keys.1.name: the same as another's"),
        (
            json.dumps([ACCOUNT | {"keys": [KEY | {"api_key": ACCOUNT["api_key"]}]}]),
            "0.keys.0.api_key: the same as another's",
        ),
    ],
)
def test_bad_accounts_name_their_key_and_no_secret(
    tmp_path: Path, good: dict[str, Any], accounts: str, complaint: str
) -> None:
    (tmp_path / "accounts.json").write_text(accounts)
    path = write(tmp_path, good)
    with pytest.raises(ConfigError) as refused:
        load_accounts(load_config(path), path)
    assert complaint in str(refused.value)
    assert "hush" not in str(refused.value)


def test_futures_have_wallets_of_their_own(tmp_path: Path, good: dict[str, Any]) -> None:
    contract = {**good["symbols"][0], "tick_size": "0.1", "step_size": "0.001"}
    good["usdm"] = {"symbols": [contract], "balance": "500"}
    entries = [ACCOUNT, {**ACCOUNT, "name": "b", "api_key": "key-of-trader-02", "usdm_balance": "7"}]
    Path(good["accounts_file"]).write_text(json.dumps(entries))
    path = write(tmp_path, good)
    config = load_config(path)
    assert config.usdm is not None
    assert config.usdm.balance == 500
    assert [account.usdm_balance for account in load_accounts(config, path)] == [500, 7]
    for contracts, complaint in (
        ([contract | {"quote": "BTC"}], "usdm.symbols: BTCUSDT: the quote asset must be USDT, the margin's"),
        ([contract | {"tick_size": "0.7"}], "usdm.symbols.0: price is not a multiple of tick_size"),
        ([contract, contract], "usdm.symbols: BTCUSDT is listed twice"),
    ):
        good["usdm"]["symbols"] = contracts
        with pytest.raises(ConfigError, match=complaint):
            load_config(write(tmp_path, good))
