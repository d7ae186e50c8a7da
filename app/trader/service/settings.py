"""The settings file: one YAML file, every key checked, mistakes told by key in one line."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from trader import strategy
from trader.journal.reader import known_epoch
from trader.model.identifiers import HOST_PATTERN
from trader.preflight.bounds import PreflightSettings
from trader.risk import Limits
from trader.service.control import ControlSettings
from trader.service.dead_man_settings import DeadManSettings
from trader.service.kill_settings import KillSwitchSettings
from trader.shadow.settings import PaperSettings
from trader.shipping.settings import ShippingSettings
from trader.strategy import StrategyError
from trader.telemetry.sentry.settings import SentrySettings
from trader.venue.option_rules import check_options
from trader.venue.venues import Proof, ids_fit, rule_of

LAST_SEQUENCE = 10**10  # more orders than any host will send: ids must fit until then


class SettingsError(Exception):
    """A mistake in the settings or credentials, in one line."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class VenueSettings(_Strict):
    """Where the account is, and how it is talked to."""

    id: str = Field(description="The venue by ccxt's id; it must have a row in the table of covered venues.")
    hostname: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+(:[0-9]{1,5})?$")] | None = Field(
        default=None,
        description="Replaces the venue's own domain, port included; absent = the real venue.",
    )
    ca_file: Path | None = Field(
        default=None,
        description="PEM file of the authority behind the venue's certificate; absent = the public ones.",
    )
    recv_window_ms: int = Field(
        default=5_000,
        ge=100,
        le=10_000,
        description="How long the venue may take a request after it was made, in milliseconds. Short, because"
        " a lost order is known to be absent only after it.",
    )
    timeout_ms: int = Field(
        default=5_000, ge=100, le=30_000, description="Longest wait for one answer, in milliseconds."
    )
    order_entry: Literal["websocket", "rest"] = Field(
        default="websocket",
        description="How orders are sent where the venue takes both; REST stands in while the connection is"
        " down.",
    )
    withdrawal_checked_by: str = Field(
        default="",
        description="Who has seen at the venue, and when, that the key cannot withdraw; only for venues whose"
        " API cannot tell.",
    )
    accept_unproven_by: str = Field(
        default="",
        description="Who takes the risk, and since when, of trading live at a venue whose streams have never"
        " been run against an emulator; without it the service trades there on paper only.",
    )
    ccxt_options: dict[str, Any] = Field(
        default_factory=dict,
        description="Further options of the ccxt exchange; nothing that repeats a request is taken.",
    )

    @field_validator("id")
    @classmethod
    def _covered(cls, value: str) -> str:
        try:
            rule_of(value)
        except ValueError as error:
            raise ValueError(str(error).removeprefix("venue.id: ")) from error
        return value

    @field_validator("ccxt_options")
    @classmethod
    def _harmless(cls, value: dict[str, Any]) -> dict[str, Any]:
        if wrong := check_options(value):
            raise ValueError(wrong)
        return value


class JournalSettings(_Strict):
    """The durable record of this host."""

    path: Path = Field(description="The SQLite file; its folder also holds latch and last good addresses.")


class LatchSettings(_Strict):
    """The kill switch's file lies beside the journal."""

    textfiles: Path | None = Field(
        default=None,
        description="Folder in which node_exporter reads metrics, so that the latch is seen with the service"
        " dead; absent = not exported.",
    )


class HttpSettings(_Strict):
    """Health and metrics for others."""

    host: str = Field(description="One private address for /healthz, /readyz and /metrics.")
    port: int = Field(ge=0, le=65_535, description="Its port; 0 = any free one.")


class StrategySettings(_Strict):
    """What decides."""

    name: str = Field(description="A strategy by its name among the installed ones.")
    parameters: dict[str, Any] = Field(
        default_factory=dict, description="Its own settings; checked by the strategy."
    )


class DrainSettings(_Strict):
    """What happens when the service stops."""

    open_orders: Literal["cancel", "keep"] = Field(
        default="cancel", description="What becomes of orders that rest at the venue."
    )
    deadline_seconds: float = Field(
        default=3.0, gt=0, le=60, description="How long stopping may take until every order is settled."
    )


class ReconcileSettings(_Strict):
    """The comparison of journal and venue."""

    interval_seconds: float = Field(default=30.0, ge=1, le=3_600, description="Time between two of them.")
    foreign_orders: Literal["report", "cancel"] = Field(
        default="report", description="What is done with open orders of the account that are not this host's."
    )
    old_epoch_orders: Literal["report", "cancel"] = Field(
        default="report",
        description="What is done with open orders of this host's earlier epochs that the journal does not"
        " know.",
    )
    max_accepted_usd: Decimal = Field(
        default=Decimal(1_000),
        ge=0,
        description="What differences may be worth, in USD and without their signs, that"
        " `trader accept-baseline` takes without --above-limit.",
    )


class StreamSettings(_Strict):
    """Data from the venue."""

    stale_seconds: float = Field(
        default=2.5,
        ge=0.5,
        le=60,
        description="Quotes that stay away for so long halt trading, and their stream is opened again."
        " Shorter than `kill_switch.latency_ms`, which trips the kill switch if that did not help.",
    )


class ClockSettings(_Strict):
    """Our clock against the venue's."""

    limit_ms: int = Field(
        default=500,
        ge=10,
        le=900,
        description="Offset in milliseconds above which trading pauses. It goes on below half of that.",
    )
    interval_seconds: float = Field(
        default=10.0, ge=0.1, le=60, description="Time between two questions for the venue's time."
    )


Symbol = Annotated[str, Field(pattern=r"^[A-Z0-9]+/[A-Z0-9]+(:[A-Z0-9]+)?$")]


class Settings(_Strict):
    """The top level."""

    mode: Literal["live", "paper", "shadow"] = Field(
        default="live",
        description="live = orders go to the venue. paper = live data and simulated fills; nothing is sent,"
        " no key is needed. shadow = the same beside a live instance, to be compared with it by"
        " `trader shadow diff`.",
    )
    trading_state: Literal["active", "reduce_only", "halted"] = Field(
        default="active",
        description="What the desk allows: halted stops new orders and cancels what rests, reduce_only lets"
        " only orders through that bring a position nearer to zero. Reloaded on SIGHUP.",
    )
    host: str = Field(
        pattern=f"^{HOST_PATTERN}$", description="This host's name, part of every client order id."
    )
    account: str = Field(min_length=1, description="The account at the venue; one host, one account.")
    epoch: int = Field(
        ge=0,
        description="Part of every client order id, and raised at every hand-over. A restore raises the"
        " journal's own, which counts when it is above this one.",
    )
    venue: VenueSettings
    symbols: list[Symbol] = Field(min_length=1, description="What is traded, in ccxt's form.")
    mark_symbols: list[Symbol] = Field(
        default_factory=list,
        description="Further symbols whose quotes only value holdings in USD, for example the fee's asset.",
    )
    journal: JournalSettings
    shipping: ShippingSettings = ShippingSettings()
    latch: LatchSettings = LatchSettings()
    kill_switch: KillSwitchSettings = KillSwitchSettings()
    http: HttpSettings
    control: ControlSettings = ControlSettings()
    strategy: StrategySettings
    risk: Limits = Field(default=Limits(), description="Limits on every order. Reloaded on SIGHUP.")
    drain: DrainSettings = DrainSettings()
    dead_man: DeadManSettings = DeadManSettings()
    reconcile: ReconcileSettings = ReconcileSettings()
    streams: StreamSettings = StreamSettings()
    clock: ClockSettings = ClockSettings()
    preflight: PreflightSettings = PreflightSettings()
    paper: PaperSettings = PaperSettings()
    sentry: SentrySettings = SentrySettings()

    @field_validator("symbols", "mark_symbols")
    @classmethod
    def _once(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError("a symbol is listed twice")
        return value

    @model_validator(mode="after")
    def _ids_fit(self) -> "Settings":
        if wrong := ids_fit(self.venue.id, self.host, self.epoch, LAST_SEQUENCE):
            raise ValueError(wrong)
        if wrong := self.dead_man.wrong_at(self.venue.id):
            raise ValueError(wrong)
        if self.streams.stale_seconds * 1_000 >= self.kill_switch.latency_ms:
            raise ValueError(
                f"streams.stale_seconds: {self.streams.stale_seconds:g} s leaves no time to open the stream"
                f" again before kill_switch.latency_ms ({self.kill_switch.latency_ms}) trips the kill switch;"
                " set it below that"
            )
        proven = rule_of(self.venue.id).proof is Proof.EMULATOR
        if self.mode == "live" and not proven and not self.venue.accept_unproven_by:
            raise ValueError(
                f"venue.id: requests to {self.venue.id} are covered, its streams have not been proven end to"
                " end; trade on paper (mode: paper), or say who takes the risk in venue.accept_unproven_by"
            )
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
    except StrategyError as error:
        raise SettingsError(f"{path}: {error}") from error
    return settings


def load_current(path: Path) -> Settings:
    """The settings with the epoch in force: a restore raises the journal's, and the file's is only a floor.

    Raises:
        SettingsError: as of `load_settings`.
    """
    settings = load_settings(path)
    epoch = known_epoch(settings.journal.path)
    return settings if epoch <= settings.epoch else settings.model_copy(update={"epoch": epoch})


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
