"""Straight to the venue: `trader panic` on this machine, with the key of the account that is kept here."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ops import paths
from ops.kill.kit import Target

CREDENTIAL = "recovery"
# Of this checkout, as `trader` of a release does it; -P: nothing from the folder that it is typed in.
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from trader.cli import main; main()"


def _memory() -> str | None:
    """A folder that is never on a disk, where there is one: the key lies in it for some seconds."""
    for folder in (os.environ.get("XDG_RUNTIME_DIR"), "/dev/shm"):  # noqa: S108 - made 0700 and taken away
        if folder and os.access(folder, os.W_OK):
            return folder
    return None


@contextmanager
def prepared(target: Target, credentials: dict[str, Any]) -> Iterator[tuple[list[str], Path, dict[str, str]]]:
    """What `trader` of this checkout needs to ask a host's venue from here.

    Args:
        credentials: API keys by the names that they are to have.

    Returns:
        The words that start it, the folder with its trader.yml, and its environment; the files are gone
        afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="breakwater-kill-", dir=_memory()) as name:
        folder = Path(name)
        settings = json.loads(json.dumps(target.settings))
        venue = settings["venue"]
        if target.venue_ca:
            (folder / "venue_ca.pem").write_text(target.venue_ca)
            venue["ca_file"] = str(folder / "venue_ca.pem")
        if not venue.get("hostname"):
            venue.pop("hostname", None)
        if target.venue_addresses:
            names = {host: {"0": addresses} for host, addresses in target.venue_addresses.items()}
            (folder / "venue_addresses.json").write_text(json.dumps({"version": 1, "names": names}))
            (folder / "venue_addresses.json").chmod(0o600)
        settings["journal"] = {"path": str(folder / "journal.sqlite")}
        (folder / "trader.yml").write_text(json.dumps(settings))  # JSON is YAML
        for credential, key in credentials.items():
            (folder / credential).write_text(json.dumps(key))
        start = [sys.executable, "-P", "-B", "-c", _START, str(paths.ROOT / "app")]
        yield start, folder, os.environ | {"CREDENTIALS_DIRECTORY": name}


@contextmanager
def panic_command(target: Target, by: str, reason: str) -> Iterator[tuple[list[str], dict[str, str]]]:
    """The words and the environment that cancel a host's orders from here; its files are gone afterwards."""
    with prepared(target, {CREDENTIAL: target.recovery}) as (start, folder, environment):
        argv = [
            *(
                *start,
                "panic",
                "--config",
                str(folder / "trader.yml"),
                "--credential",
                CREDENTIAL,
                "--no-latch",
            ),
            *("--by", by, "--reason", reason, "--json"),
        ]
        yield argv, environment
