"""Secrets come from systemd's credentials folder and from nowhere else."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trader.service.settings import SettingsError

VARIABLE = "CREDENTIALS_DIRECTORY"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The venue's key. Not shown by repr.

    Args:
        passphrase: third part of the key; "" at venues without one.
    """

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    passphrase: str = field(repr=False, default="")

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no line may ever show."""
        return tuple(text for text in (self.api_key, self.api_secret, self.passphrase) if text)


NO_KEY = Credentials("", "")  # of the modes that send nothing


def load_credentials(environment: Mapping[str, str] = os.environ) -> Credentials:
    """Read `$CREDENTIALS_DIRECTORY/venue`, JSON with api_key, api_secret and, at some venues, passphrase.

    Raises:
        SettingsError: absent or malformed; the message never quotes the file.
    """
    folder = environment.get(VARIABLE)
    if not folder:
        raise SettingsError(
            f"${VARIABLE} is not set; start the service by systemd with LoadCredential=venue:..."
        )
    path = Path(folder) / "venue"
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; the unit must load the credential 'venue'") from error
    except ValueError:
        # Not chained: the cause would quote the file.
        raise SettingsError(f'{path}: not JSON; expected {{"api_key": ..., "api_secret": ...}}') from None
    keys = ("api_key", "api_secret")
    if not isinstance(content, dict) or any(
        not isinstance(content.get(k), str) or not content[k] for k in keys
    ):
        raise SettingsError(f"{path}: api_key and api_secret must be there, as text")
    passphrase = content.get("passphrase", "")
    if not isinstance(passphrase, str):
        raise SettingsError(f"{path}: passphrase must be text")
    return Credentials(content["api_key"], content["api_secret"], passphrase)


def sentry_dsn(environment: Mapping[str, str] = os.environ) -> str:
    """Where error reports go: `$CREDENTIALS_DIRECTORY/sentry_dsn`; "" = there are none.

    Raises:
        SettingsError: the file is there and holds no DSN; the message never quotes it.
    """
    path = Path(environment.get(VARIABLE) or "/nonexistent") / "sentry_dsn"
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {type(error).__name__}") from None
    if text and not re.fullmatch(r"https?://[^/@\s:]+(:[^/@\s]*)?@[^/@\s]+(/[^\s]*)?/\d+", text):
        raise SettingsError(
            f"{path}: not a DSN; expected https://KEY@HOST/PROJECT, or leave the credential out"
        )
    return text
