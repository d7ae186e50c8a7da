"""The settings file of `trader watch-peers`: whom this host watches, and how it sees them."""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from trader.model.identifiers import HOST_PATTERN
from trader.panic.settings import Key, PanicError, Target, check_target, read_key, read_target
from trader.venue.venues import rule_of

NO_KEY = Key("", "")
LOOKS = 3  # that many must fit into the time after which a host is lost


class PeersError(Exception):
    """A mistake in the settings or credentials, in one line."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


HostName = Annotated[str, Field(pattern=f"^{HOST_PATTERN}$")]
Url = Annotated[str, Field(pattern=r"^http://[^/\s]+(/\S*)?$")]


class PeerSettings(_Strict):
    """One host that is watched, and how its account is emptied.

    Args:
        health: its service's /healthz; `exporter`: its node_exporter's /metrics.
        settings: file for `trader panic`: venue, symbols and name of that host.
        credential: whose key of $CREDENTIALS_DIRECTORY is the account's own for us.
    """

    health: Url
    exporter: Url
    settings: Path
    credential: str = Field(pattern=r"^[A-Za-z0-9._-]+$")


class PeersSettings(_Strict):
    """The top level.

    Args:
        host: our own name.
        programs: `trader` by absolute path, the one to try first first. Those behind it stand in when a
            release cannot even panic.
        hosts: whom we watch, by name.
        witnesses: an address of every other host by its name. One of them must answer, or it is our own
            network that is down.
        lost_seconds: a heartbeat that is older makes a host lost.
        look_seconds: between two looks; `timeout_seconds`: longest wait for one answer.
        repeat_seconds: until we cancel again for a host that stays lost.
        textfiles: node_exporter's folder; None = no metrics.
    """

    host: HostName
    programs: list[Path] = Field(min_length=1)
    hosts: dict[HostName, PeerSettings] = Field(min_length=1)
    witnesses: dict[str, Url] = Field(default_factory=dict)
    lost_seconds: float = Field(default=30.0, gt=0, le=600)
    look_seconds: float = Field(default=2.0, gt=0)
    timeout_seconds: float = Field(default=2.0, gt=0)
    repeat_seconds: float = Field(default=30.0, gt=0, le=600)
    textfiles: Path | None = None

    @property
    def gap_seconds(self) -> float:
        """Longest time between two looks that are one watch."""
        return self.lost_seconds / LOOKS

    @model_validator(mode="after")
    def _fits(self) -> "PeersSettings":
        if self.host in self.hosts:
            raise ValueError(f"hosts.{self.host}: that is this host; it cannot watch itself")
        for program in self.programs:
            if not program.is_absolute():
                raise ValueError(f"programs: {program}: must be an absolute path")
        # A look waits for the host, and then for the venue and the witnesses.
        longest = self.look_seconds + 2 * self.timeout_seconds
        if longest >= self.gap_seconds:
            raise ValueError(
                f"lost_seconds: {LOOKS} looks of up to {longest:g} s (look_seconds and twice timeout_seconds)"
                f" do not fit into {self.lost_seconds:g} s"
            )
        return self


class Peer:
    """One watched host with all that is needed to act for it.

    Args:
        target: of its account.
        key: ours for that account.
        venue_time: address at the venue that anybody may ask.
    """

    def __init__(self, name: str, settings: PeerSettings, target: Target, key: Key) -> None:
        self.name = name
        self.settings = settings
        self.target = target
        self.key = key
        rule = rule_of(target.venue)
        self.venue_time = rule.public_time.format(domain=target.hostname or rule.domain)


def load(path: Path, keys: bool = True) -> tuple[PeersSettings, list[Peer]]:
    """Read and check everything that firing will need, so that a mistake is told now and not then.

    Args:
        keys: else the credentials are left alone, which only the unit has.

    Raises:
        PeersError: a file is missing, not YAML, or a key is wrong, which the message names.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise PeersError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" in line {mark.line + 1}"
        raise PeersError(f"{path}: not valid YAML{where}; correct the file") from error
    if not isinstance(content, dict):
        raise PeersError(f"{path}: must hold keys and values, for example 'host: trader-01'")
    try:
        settings = PeersSettings.model_validate(content)
    except ValidationError as error:
        raise PeersError(f"{path}: {_one_line(error)}") from error
    return settings, [_peer(path, name, peer, keys) for name, peer in settings.hosts.items()]


def _peer(path: Path, name: str, settings: PeerSettings, keys: bool) -> Peer:
    try:
        target = read_target(settings.settings)
        check_target(target, settings.settings)
    except PanicError as error:
        raise PeersError(f"{path}: hosts.{name}.settings: {error}") from error
    try:
        key = read_key(settings.credential) if keys else NO_KEY
        return Peer(name, settings, target, key)
    except PanicError as error:
        raise PeersError(f"{path}: hosts.{name}.credential: {error}") from error
    except ValueError as error:
        raise PeersError(f"{path}: hosts.{name}.settings: {settings.settings}: {error}") from error


def _one_line(error: ValidationError) -> str:
    mistakes = []
    for detail in error.errors(include_url=False, include_input=False):
        key = ".".join(str(part) for part in detail["loc"])
        text = detail["msg"].removeprefix("Value error, ")
        text = "unknown key, remove it" if detail["type"] == "extra_forbidden" else text
        mistakes.append(f"{key}: {text}" if key else text)
    return "; ".join(mistakes)
