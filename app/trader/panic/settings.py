"""The few keys of the settings file that a panic needs, one by one: mistakes in others are no matter."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

VARIABLE = "CREDENTIALS_DIRECTORY"
DEFAULT_WINDOW_MS = 5_000
LONGEST_WINDOW_MS = 10_000  # the longest that the service takes for `venue.recv_window_ms`


class PanicError(Exception):
    """It cannot begin; one line with the next step."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whose orders, and where.

    Args:
        host: our own name; "" when the settings do not tell.
        venue: ccxt's id.
        hostname, ca_file: as `venue.hostname` and `venue.ca_file`; None = the real venue, the public ones.
        window_ms: how long a request of the service may be on its way before the venue refuses it.
        symbols: what the service trades; cancelled also while the venue does not list what is open.
        state_folder: the journal's, where the latch lies; None = not told.
        textfiles: of the latch's metric; None = not exported.
    """

    host: str
    venue: str
    hostname: str | None
    ca_file: Path | None
    window_ms: int
    symbols: tuple[str, ...]
    state_folder: Path | None
    textfiles: Path | None


@dataclass(frozen=True, slots=True)
class Key:
    """The venue's key. Not shown by repr."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    passphrase: str = field(repr=False, default="")


def read_target(path: Path) -> Target:
    """Read what can be read; `check_target` says whether it is enough.

    Raises:
        PanicError: the file is not there, or no YAML mapping.
    """
    try:
        content = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise PanicError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" in line {mark.line + 1}"
        raise PanicError(
            f"{path}: not valid YAML{where}; give --config a file with no more than venue and journal.path"
        ) from error
    if not isinstance(content, dict):
        raise PanicError(f"{path}: must hold keys and values; venue.id and journal.path are needed")
    venue = _section(content, "venue")
    journal = _text(_section(content, "journal"), "path")
    ca_file, textfiles = _text(venue, "ca_file"), _text(_section(content, "latch"), "textfiles")
    symbols = content.get("symbols")
    return Target(
        host=_text(content, "host"),
        venue=_text(venue, "id"),
        hostname=_text(venue, "hostname") or None,
        ca_file=Path(ca_file) if ca_file else None,
        window_ms=_window_ms(venue.get("recv_window_ms", DEFAULT_WINDOW_MS)),
        symbols=tuple(s for s in symbols if isinstance(s, str)) if isinstance(symbols, list) else (),
        state_folder=Path(journal).parent if journal else None,
        textfiles=Path(textfiles) if textfiles else None,
    )


def check_target(target: Target, path: Path) -> None:
    """Whether the venue can be asked.

    Raises:
        PanicError: it cannot.
    """
    if not target.venue:
        raise PanicError(f"{path}: venue.id: missing; write the venue's name by ccxt, for example binance")
    if target.ca_file is not None:
        try:
            target.ca_file.read_bytes()
        except OSError as error:
            raise PanicError(f"{path}: venue.ca_file: {target.ca_file}: {error.strerror}") from error


def read_key(name: str, environment: Mapping[str, str] = os.environ) -> Key:
    """Read `$CREDENTIALS_DIRECTORY/<name>`: JSON with api_key, api_secret and, at some venues, passphrase.

    Raises:
        PanicError: absent or malformed; the message never quotes the file.
    """
    folder = environment.get(VARIABLE)
    if not folder:
        raise PanicError(
            f"${VARIABLE} is not set; start the unit trader-panic, or name the keys' folder there"
        )
    path = Path(folder) / name
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        others = ", ".join(sorted(p.name for p in Path(folder).glob("*"))) or "none"
        raise PanicError(
            f"{path}: {error.strerror}; load the credential {name!r}, or give --credential one that is there:"
            f" {others}"
        ) from error
    except ValueError:
        # Not chained: the cause would quote the file.
        raise PanicError(f'{path}: not JSON; expected {{"api_key": ..., "api_secret": ...}}') from None
    keys = ("api_key", "api_secret")
    if not isinstance(content, dict) or not all(_text(content, key) for key in keys):
        raise PanicError(f"{path}: api_key and api_secret must be there, as text")
    return Key(content["api_key"], content["api_secret"], _text(content, "passphrase"))


def _section(content: dict[str, Any], name: str) -> dict[str, Any]:
    value = content.get(name)
    return value if isinstance(value, dict) else {}


def _text(content: dict[str, Any], name: str) -> str:
    value = content.get(name)
    return value if isinstance(value, str) else ""


def _window_ms(value: object) -> int:
    """A foreign client's requests live as long as the venue's default at least."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LONGEST_WINDOW_MS:
        return max(value, DEFAULT_WINDOW_MS)
    return LONGEST_WINDOW_MS
