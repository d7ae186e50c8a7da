"""Which release runs: the REVISION file beside bin/ and lib/, which the installer writes."""

import json
from dataclasses import dataclass
from pathlib import Path

import trader


@dataclass(frozen=True, slots=True)
class Release:
    """id, sha256 of the artifact ("" = a developer's tree), version of the package."""

    id: str
    sha256: str
    version: str


def running_release(package: Path | None = None) -> Release:
    """Read REVISION of the release that this code was loaded from (`<release>/lib/trader`).

    Args:
        package: the package's folder; given by tests.
    """
    folder = package or Path(trader.__file__).resolve().parent
    try:
        revision = json.loads((folder.parent.parent / "REVISION").read_text())
        return Release(str(revision["id"]), str(revision["sha256"]), str(revision["version"]))
    except (OSError, ValueError, KeyError, TypeError):
        # No or no readable REVISION: the id says "dev", which no rollout takes for a proof of version.
        return Release("dev", "", trader.__version__)
