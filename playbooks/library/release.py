#!/usr/bin/python3
"""Ansible module: releases of one application on a host: unpacked, active, pruned.

/opt/<app>/releases/<id>/    unpacked artifact and its REVISION; appears by a rename, so it is whole or absent
/opt/<app>/current           symlink to the active release; swapped by a rename
/opt/<app>/previous          symlink to the release that was active before; where a rollback goes.
                             A host that was turned back has none: the release that it left was bad
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: release
short_description: Install, activate or prune releases of an application
options:
  home: {type: path, required: true, description: "Folder of the application, /opt/<app>."}
  state: {type: str, choices: [installed, active, pruned], required: true, description: "What shall hold."}
  id: {type: str, description: "Release id. Required for installed and active."}
  sha256: {type: str, description: "Of the artifact, in hex. For installed."}
  version: {type: str, description: "Version for REVISION. For installed."}
  artifact: {type: path, description: "The artifact on this host; deleted afterwards. For installed."}
  unit: {type: str, description: "For active: stopped (it drains) before the swap and started after it."}
  back: {type: bool, default: false, description: "For active: what the host leaves is bad and no previous."}
  keep: {type: int, default: 5, description: "For pruned: how many to keep beside current and previous."}
"""


class ReleaseError(Exception):
    """The message is one line and names the host's file."""


class Releases:
    """The releases of one application."""

    def __init__(self, home: Path, check_mode: bool) -> None:
        self.home = home
        self.app = home.name
        self.folder = home / "releases"
        self.check_mode = check_mode

    def target(self, link: str) -> str | None:
        """Id of the release that `current` or `previous` points to."""
        path = self.home / link
        return path.readlink().name if path.is_symlink() else None

    def revision(self, release: str) -> dict[str, str]:
        """What the installer wrote about a release; empty when it is not installed."""
        try:
            loaded: dict[str, str] = json.loads((self.folder / release / "REVISION").read_text())
        except FileNotFoundError:
            return {}
        return loaded

    def install(self, release: str, sha256: str, version: str, artifact: Path) -> bool:
        """Verify and unpack an artifact; true when that changed the host.

        :raises ReleaseError: the artifact's bytes are not those that were released.
        """
        there = self.revision(release)
        if there:
            if there["sha256"] != sha256:
                raise ReleaseError(
                    f"{self.folder / release} was installed from other bytes ({there['sha256']})"
                )
            return False
        if self.check_mode:
            return True
        with artifact.open("rb") as handle:
            actual = hashlib.file_digest(handle, "sha256").hexdigest()
        if actual != sha256:
            artifact.unlink()
            raise ReleaseError(
                f"{artifact}: sha256 is {actual}, not {sha256} as released; build or copy it again"
            )
        part = self.folder / f".{release}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True, mode=0o755)
        unpack = [
            "tar",
            "--extract",
            "--zstd",
            f"--file={artifact}",
            f"--directory={part}",
            "--no-same-owner",
        ]
        done = subprocess.run(unpack, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ReleaseError(f"{artifact}: {done.stderr.strip().splitlines()[-1]}")
        manifest = {"app": self.app, "id": release, "sha256": sha256, "version": version}
        (part / "REVISION").write_text(json.dumps(manifest, sort_keys=True) + "\n")
        os.sync()  # the rename must not survive a power cut that the contents did not
        part.rename(self.folder / release)
        artifact.unlink()
        return True

    def activate(self, release: str, unit: str | None, back: bool = False) -> bool:
        """Point `current` at a release and `previous` at the one before; true when that changed the host.

        With `back` the one before was bad: it is not kept as previous, and neither is any other.

        With a unit, stop, swap and start are one act on the host: trading pauses for no more than it must,
        and a control node that dies meanwhile leaves no host stopped. The start is not waited for.

        :raises ReleaseError: the release is not installed, or the unit cannot be stopped or started.
        """
        if not self.revision(release) and not self.check_mode:
            raise ReleaseError(f"{self.folder / release} is not installed; install it before it is activated")
        before = self.target("current")
        if before == release and unit is None:
            return False
        if self.check_mode:
            return True
        if unit:
            systemctl("stop", unit)
        if before != release:
            if before and not back:
                self.swap("previous", before)
            self.swap("current", release)
            if back:
                (self.home / "previous").unlink(missing_ok=True)
        if unit:
            systemctl("reset-failed", unit)  # the starts of the release before do not count against this one
            systemctl("start", "--no-block", unit)
        return True

    def swap(self, link: str, release: str) -> None:
        """Replace a symlink in one step: there is no moment without it."""
        fresh = self.home / f".{link}.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(Path("releases") / release)
        fresh.rename(self.home / link)
        handle = os.open(self.home, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)

    def prune(self, keep: int) -> list[str]:
        """Delete the oldest releases, never current or previous; the ids of those deleted."""
        held = {self.target("current"), self.target("previous")}
        entries = [entry for entry in self.folder.glob("[!.]*") if entry.name not in held]
        entries.sort(key=lambda entry: (entry / "REVISION").stat().st_mtime_ns, reverse=True)
        for entry in entries[keep:] if not self.check_mode else []:
            shutil.rmtree(entry)
        return [entry.name for entry in entries[keep:]]


def systemctl(*words: str) -> None:
    """Run systemctl; its own words are the error."""
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ReleaseError(f"systemctl {' '.join(words)}: {done.stderr.strip()}")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "home": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["installed", "active", "pruned"], "required": True},
            "id": {"type": "str"},
            "sha256": {"type": "str"},
            "version": {"type": "str"},
            "artifact": {"type": "path"},
            "unit": {"type": "str"},
            "back": {"type": "bool", "default": False},
            "keep": {"type": "int", "default": 5},
        },
        required_if=[
            ("state", "installed", ("id", "sha256", "version", "artifact")),
            ("state", "active", ("id",)),
        ],
        supports_check_mode=True,
    )
    given = module.params
    releases = Releases(Path(given["home"]), module.check_mode)
    pruned: list[str] = []
    try:
        if given["state"] == "installed":
            changed = releases.install(
                given["id"], given["sha256"], given["version"], Path(given["artifact"])
            )
        elif given["state"] == "active":
            changed = releases.activate(given["id"], given["unit"], given["back"])
        else:
            pruned = releases.prune(given["keep"])
            changed = bool(pruned)
    except ReleaseError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=changed,
        pruned=pruned,
        current=releases.target("current"),
        previous=releases.target("previous"),
    )


if __name__ == "__main__":
    main()
