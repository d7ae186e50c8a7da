"""The emulator's settings: one YAML file, and the accounts with their secrets in a JSON file of their own."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from venue_sim.model import DECIMALS, MARGIN_ASSET, Account, ApiKey, Balance, Rules


class ConfigError(Exception):
    """Settings that cannot be used; the text names the file and the key."""


def _exact(value: Any) -> Any:
    if isinstance(value, float):
        raise ValueError('write amounts in quotes ("0.01"), a plain number is not exact')
    return value


Amount = Annotated[Decimal, BeforeValidator(_exact), Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[Decimal, BeforeValidator(_exact), Field(gt=0, allow_inf_nan=False)]
Rate = Annotated[Decimal, BeforeValidator(_exact), Field(ge=-1, le=1, allow_inf_nan=False)]
Asset = Annotated[str, Field(pattern=r"^[A-Z0-9]{1,12}$")]
Port = Annotated[int, Field(ge=0, le=65535)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Api(_Settings):
    """Where clients connect, over TLS. Port 0: any free one. No `key`: the unit's credential `tls_key`."""

    host: str = "127.0.0.1"
    port: Port = 8443
    certificate: Path
    key: Path | None = None


class Admin(_Settings):
    """Where the record is read and faults are set, over plain HTTP."""

    host: str = "127.0.0.1"
    port: Port = 8480


class Background(_Settings):
    """The seeded background flow of each symbol; with no events nobody trades but the accounts.

    The mid price moves by itself, but never further than `band_bps` from the symbol's `price`.
    """

    events_per_second: int = Field(default=20, ge=0, le=2000)
    spread_bps: int = Field(default=2, ge=1, le=200)
    band_bps: int = Field(default=50, ge=0, le=2000)
    levels: int = Field(default=40, ge=5, le=500)
    notional: Positive = Decimal(2000)


class Fees(_Settings):
    """Shares of what a fill brings that the venue keeps."""

    maker: Annotated[Amount, Field(lt=1)] = Decimal(0)
    taker: Annotated[Amount, Field(lt=1)] = Decimal(0)


class RateLimits(_Settings):
    """Generous: a fleet behind one address shares the weight. The real venue: 6000, 100 and 200000."""

    weight_per_minute: int = Field(default=600_000, ge=1)
    orders_per_10_seconds: int = Field(default=20_000, ge=1)
    orders_per_day: int = Field(default=20_000_000, ge=1)


class Symbol(_Settings):
    """A symbol and its filters; `price` is where its market starts.

    `events_per_second` of its own background flow; absent: the settings'.
    """

    symbol: Annotated[str, Field(pattern=r"^[A-Z0-9]{2,20}$")]
    base: Asset
    quote: Asset
    price: Positive
    tick_size: Positive
    step_size: Positive
    min_notional: Amount
    events_per_second: Annotated[int, Field(ge=0, le=2000)] | None = None

    @model_validator(mode="after")
    def _exact_products(self) -> Symbol:
        product = (self.tick_size * self.step_size).normalize().as_tuple().exponent
        if isinstance(product, int) and -product > DECIMALS:
            raise ValueError(
                f"tick_size times step_size has more than {DECIMALS} decimals: amounts would not be exact"
            )
        if self.price % self.tick_size:
            raise ValueError("price is not a multiple of tick_size")
        return self

    def rules(self) -> Rules:
        """The rules that the exchange works with; their upper bounds suit very dear and very cheap assets."""
        return Rules(
            **self.model_dump(exclude={"events_per_second"}),
            max_price=max(Decimal(1_000_000), self.price * 10),
            max_quantity=max(Decimal(9_000_000), 10_000_000 // self.price),
        )


def unique(symbols: list[Symbol]) -> list[Symbol]:
    """The symbols, none of them twice."""
    names = [symbol.symbol for symbol in symbols]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} is listed twice")
    return symbols


class Usdm(_Settings):
    """USDM perpetual futures in the same process; `balance` is what an account's wallet starts with.

    `funding_rate` is what holders of a long position pay at 00:00, 08:00 and 16:00 UTC, as a share of its
    value, and those of a short one get; below zero the other way round.
    """

    symbols: Annotated[list[Symbol], Field(min_length=1)]
    balance: Amount = Decimal(100_000)
    leverage: int = Field(default=20, ge=1, le=125)
    fees: Fees = Fees()
    funding_rate: Rate = Decimal(0)

    @field_validator("symbols")
    @classmethod
    def _good(cls, symbols: list[Symbol]) -> list[Symbol]:
        for symbol in symbols:
            if symbol.quote != MARGIN_ASSET:
                raise ValueError(f"{symbol.symbol}: the quote asset must be {MARGIN_ASSET}, the margin's")
        return unique(symbols)


class Config(_Settings):
    """The whole file. `accounts_file` absent: the credential `accounts` of the systemd unit.

    `usdm` absent: spot only.

    A WebSocket connection is pinged every `ping_seconds`, ended when a ping has no pong for `pong_seconds`,
    and ended anyway after its life. The defaults are the spot venue's; its futures ping every three minutes.
    """

    api: Api
    admin: Admin = Admin()
    accounts_file: Path | None = None
    record: Path
    seed: int = 0
    background: Background = Background()
    fees: Fees = Fees()
    limits: RateLimits = RateLimits()
    connection_life_seconds: float = Field(default=86_400, gt=0)
    ping_seconds: float = Field(default=20, gt=0)
    pong_seconds: float = Field(default=60, gt=0)
    symbols: Annotated[list[Symbol], Field(min_length=1)]
    usdm: Usdm | None = None

    @field_validator("symbols")
    @classmethod
    def _unique(cls, symbols: list[Symbol]) -> list[Symbol]:
        return unique(symbols)


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class KeyEntry(_Settings):
    """One API key of an account."""

    name: Name
    api_key: Annotated[SecretStr, Field(min_length=8, max_length=128)]
    api_secret: Annotated[SecretStr, Field(min_length=8)]


class AccountEntry(KeyEntry):
    """One account of the accounts file, with its first API key; `keys`: its further ones.

    `withdrawals`: its first key may withdraw. `usdm_balance`: what its futures wallet starts with, in USDT;
    absent, the settings' balance.
    """

    keys: list[KeyEntry] = []
    balances: dict[Asset, Amount] = {}
    usdm_balance: Amount | None = None
    withdrawals: bool = False


_ACCOUNTS = TypeAdapter(list[AccountEntry])


def load_config(path: Path) -> Config:
    """Read and check the settings.

    Raises:
        ConfigError: one line naming the file and the key.
    """
    try:
        raw = yaml.safe_load(_read(path))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}: line {line}: not YAML: {error.problem}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: must be a mapping with the keys api, record and symbols")
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_first(error)}") from None
    for key, file in (("api.certificate", config.api.certificate), ("api.key", config.api.key)):
        if file is not None and not file.is_file():
            raise ConfigError(f"{path}: {key}: no such file: {file}")
    return config


def load_accounts(config: Config, config_path: Path) -> list[Account]:
    """Read the accounts from their file or from the unit's credential.

    Raises:
        ConfigError: one line naming the file and the key; never a value, because values are secrets.
    """
    path = config.accounts_file or _credential("accounts", "accounts_file", config_path)
    try:
        entries = _ACCOUNTS.validate_python(json.loads(_read(path), parse_float=Decimal))
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: line {error.lineno}: not JSON: {error.msg}") from None
    except ValidationError as error:
        raise ConfigError(f"{path}: {_first(error)}") from None
    if twice := _twice(entries):
        raise ConfigError(f"{path}: {twice}")
    return [
        Account(
            name=entry.name,
            uid=number,
            keys=_keys(entry),
            balances={asset: Balance(free=amount) for asset, amount in entry.balances.items()},
            usdm_balance=_first_wallet(config, entry),
        )
        for number, entry in enumerate(entries, start=1)
    ]


def _twice(entries: list[AccountEntry]) -> str | None:
    """Which name or API key stands there a second time; None when all differ."""
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        for where, name, key in (
            (f"{index}.", entry.name, entry),
            *((f"{index}.keys.{at}.", f"{entry.name}/{key.name}", key) for at, key in enumerate(entry.keys)),
        ):
            for field, value in (("name", name), ("api_key", key.api_key.get_secret_value())):
                if f"{field} {value}" in seen:
                    return f"{where}{field}: the same as another's"
                seen.add(f"{field} {value}")
    return None


def _keys(entry: AccountEntry) -> dict[str, ApiKey]:
    """The first, which has no name here, and the further ones."""
    keys = {
        name: ApiKey(name, key.api_key.get_secret_value(), key.api_secret.get_secret_value().encode())
        for name, key in (("", entry), *((key.name, key) for key in entry.keys))
    }
    keys[""].withdrawals = entry.withdrawals
    return keys


def _first_wallet(config: Config, entry: AccountEntry) -> Decimal | None:
    if config.usdm is None:
        return None
    return config.usdm.balance if entry.usdm_balance is None else entry.usdm_balance


def with_tls_key(config: Config, config_path: Path) -> Config:
    """The settings with the certificate's key filled in: from the unit's credential when they name no file.

    Raises:
        ConfigError: there is neither.
    """
    key = config.api.key or _credential("tls_key", "api.key", config_path)
    return config.model_copy(update={"api": config.api.model_copy(update={"key": key})})


def _credential(name: str, key: str, config_path: Path) -> Path:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise ConfigError(f"{config_path}: {key}: absent, and there is no credential `{name}` either")
    return Path(directory) / name


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None


def _first(error: ValidationError) -> str:
    """The first complaint as "key: what is wrong"; the value is left out, it may be a secret."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    key = ".".join(str(part) for part in found[0]["loc"]) or "(top level)"
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{key}: {found[0]['msg'].removeprefix('Value error, ')}{more}"
