"""The settings file: one YAML file, every key checked, mistakes told by key in one line."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from trader import strategy
from trader.model.identifiers import HOST_PATTERN, MAX_LENGTH, client_id
from trader.strategy.registry import STRATEGIES
from trader.venue.client_ids import RULES

LAST_SEQUENCE = 10**10  # more orders than any host will send: ids must fit until then


class SettingsError(Exception):
    """A mistake in the settings or credentials, in one line."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class VenueSettings(_Strict):
    """hostname replaces the venue's own domain (port included); absent = the real venue."""

    id: str
    hostname: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+(:[0-9]{1,5})?$")] | None = None
    ca_file: Path | None = None
    recv_window_ms: int = Field(default=5_000, ge=100, le=10_000)
    timeout_ms: int = Field(default=5_000, ge=100, le=30_000)

    @field_validator("id")
    @classmethod
    def _covered(cls, value: str) -> str:
        if value not in RULES:
            raise ValueError(f"{value!r} is not covered; covered: {', '.join(sorted(RULES))}")
        return value


class JournalSettings(_Strict):
    path: Path


class HttpSettings(_Strict):
    """One private address for /healthz, /readyz and /metrics; port 0 = any free one."""

    host: str
    port: int = Field(ge=0, le=65_535)


class StrategySettings(_Strict):
    name: str
    parameters: dict[str, Any] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in STRATEGIES:
            raise ValueError(f"{value!r} is no strategy; there are: {', '.join(sorted(STRATEGIES))}")
        return value


class DrainSettings(_Strict):
    """What happens to open orders when the service stops, and how long that may take."""

    open_orders: Literal["cancel", "keep"] = "cancel"
    deadline_seconds: float = Field(default=3.0, gt=0, le=60)


class ReconcileSettings(_Strict):
    interval_seconds: float = Field(default=30.0, ge=1, le=3_600)


class StreamSettings(_Strict):
    """Quotes older than this halt trading and open the stream again."""

    stale_seconds: float = Field(default=5.0, ge=0.5, le=60)


class Settings(_Strict):
    """The whole file."""

    host: str = Field(pattern=f"^{HOST_PATTERN}$")
    account: str = Field(min_length=1)
    epoch: int = Field(ge=0)
    venue: VenueSettings
    symbols: list[Annotated[str, Field(pattern=r"^[A-Z0-9]+/[A-Z0-9]+$")]] = Field(min_length=1)
    journal: JournalSettings
    http: HttpSettings
    strategy: StrategySettings
    drain: DrainSettings = DrainSettings()
    reconcile: ReconcileSettings = ReconcileSettings()
    streams: StreamSettings = StreamSettings()

    @field_validator("symbols")
    @classmethod
    def _once(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError("a symbol is listed twice")
        return value

    @model_validator(mode="after")
    def _ids_fit(self) -> "Settings":
        try:
            client_id(self.host, self.epoch, LAST_SEQUENCE)
        except ValueError as error:
            raise ValueError(f"host: too long for client order ids of {MAX_LENGTH} characters") from error
        return self


def load_settings(path: Path) -> Settings:
    """Read and check a settings file; touches nothing else.

    Raises:
        SettingsError: no such file, not YAML, or a wrong key, which the message names.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" in line {mark.line + 1}"
        raise SettingsError(f"{path}: not valid YAML{where}; correct the file") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: must hold keys and values, for example 'host: trader-01'")
    try:
        settings = Settings.model_validate(content)
    except ValidationError as error:
        raise SettingsError(f"{path}: {_one_line(error)}") from error
    try:
        strategy.load(settings.strategy.name, settings.strategy.parameters, list(settings.symbols))
    except ValidationError as error:
        raise SettingsError(f"{path}: {_one_line(error, 'strategy.parameters.')}") from error
    return settings


def check_files(settings: Settings) -> None:
    """What a run needs of the file system beyond the settings file itself.

    Raises:
        SettingsError: the CA file cannot be read.
    """
    if settings.venue.ca_file is not None:
        try:
            settings.venue.ca_file.read_bytes()
        except OSError as error:
            raise SettingsError(f"venue.ca_file: {settings.venue.ca_file}: {error.strerror}") from error


def _one_line(error: ValidationError, prefix: str = "") -> str:
    """Every mistake by its key: 'venue.recv_window_ms: Input should be ...; symbols: ...'."""
    mistakes = []
    for detail in error.errors(include_url=False, include_input=False):
        key = ".".join(str(part) for part in detail["loc"])
        text = detail["msg"].removeprefix("Value error, ")
        text = "unknown key, remove it" if detail["type"] == "extra_forbidden" else text
        mistakes.append(f"{prefix}{key}: {text}" if key else text)
    return "; ".join(mistakes)
