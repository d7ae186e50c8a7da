"""Releases kept on the control node: var/releases/<id>/artifact.tar.zst and manifest.json."""

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ops.errors import OperatorError
from ops.release import pack
from ops.release.exclusive import exclusive

ARTIFACT = "artifact.tar.zst"
MANIFEST = "manifest.json"
# What a release does to the journal's schema (app/trader/journal/schema.yml).
Schema = Literal["unchanged", "expanded", "contracted"]
SCHEMAS: tuple[Schema, ...] = get_args(Schema)
_ID = re.compile(r"[a-z][a-z0-9_]*-[A-Za-z0-9.+]+-[0-9a-f]{12}")


@dataclass(frozen=True)
class Release:
    """One artifact. `manifest` is the whole manifest.json; the other fields are what code relies on."""

    app: str
    id: str
    sha256: str
    version: str
    bytes: int
    schema: Schema
    folder: Path
    manifest: dict[str, Any]

    @property
    def artifact(self) -> Path:
        return self.folder / ARTIFACT


def load(releases: Path, release_id: str) -> Release:
    """Read one release's manifest.

    Raises:
        OperatorError: no release of that id is here, or its manifest is not one.
    """
    folder = releases / release_id
    if not _ID.fullmatch(release_id) or not folder.is_dir():
        raise OperatorError(f"unknown release {release_id!r}; ./scripts/release list shows what is here")
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        release = Release(
            app=str(manifest["app"]),
            id=str(manifest["id"]),
            sha256=str(manifest["sha256"]),
            version=str(manifest["version"]),
            bytes=int(manifest["bytes"]),
            schema=_schema(manifest.get("schema", "unchanged")),
            folder=folder,
            manifest=manifest,
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise OperatorError(
            f"release {release_id} is corrupt: {MANIFEST} cannot be read; build it again"
        ) from None
    if release.id != release_id or not release.id.endswith(f"-{release.sha256[:12]}"):
        raise OperatorError(f"release {release_id} is corrupt: {MANIFEST} is of {release.id}; build it again")
    return release


def _schema(word: Any) -> Schema:
    if word not in SCHEMAS:
        raise ValueError(word)
    known: Schema = word
    return known


def load_verified(releases: Path, release_id: str) -> Release:
    """Read one release and hash its artifact again.

    Raises:
        OperatorError: as `load`, or the artifact is missing or has other bytes than its manifest says.
    """
    release = load(releases, release_id)
    try:
        found = pack.sha256_of(release.artifact)
    except OSError:
        raise OperatorError(
            f"release {release_id} is corrupt: {ARTIFACT} is missing; build it again"
        ) from None
    if found != release.sha256:
        raise OperatorError(
            f"release {release_id} is corrupt: {ARTIFACT} has sha256 {found[:12]}..., "
            f"not {release.sha256[:12]}...; build it again"
        )
    return release


def all_of(releases: Path) -> list[Release]:
    """Every release, the last built first. A corrupt one is not hidden: it raises."""
    if not releases.is_dir():
        return []
    folders = [folder for folder in releases.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    found = [load(releases, folder.name) for folder in sorted(folders)]
    return sorted(found, key=lambda release: (release.folder / MANIFEST).stat().st_mtime_ns, reverse=True)


def mark_latest(releases: Path, release: Release) -> None:
    """Note in var/releases/latest-<app> what was built last from the plain tree; inventories read it."""
    with exclusive(releases / ".lock"):
        fresh = releases / f".latest-{release.app}"
        fresh.write_text(f"{release.id}\n")
        fresh.rename(releases / f"latest-{release.app}")


def publish(releases: Path, prepared: Path, manifest: dict[str, Any]) -> Release:
    """Give a prepared folder its name in one step; an equal release that is whole stays as it is.

    Args:
        releases: where releases are kept, on the same file system as `prepared`.
        prepared: folder with the artifact; consumed.
        manifest: what manifest.json shall say.
    """
    (prepared / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    release_id = str(manifest["id"])
    with exclusive(releases / ".lock"):
        try:
            load_verified(releases, release_id)
        except OperatorError:
            shutil.rmtree(releases / release_id, ignore_errors=True)
            prepared.rename(releases / release_id)
        else:
            os.utime(releases / release_id / MANIFEST)  # `list` shows what was built last
    return load(releases, release_id)
