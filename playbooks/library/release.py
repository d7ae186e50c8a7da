#!/usr/bin/python3
"""Ansible module: releases of one application on a host: unpacked, active, pruned.

/opt/<app>/releases/<id>/    unpacked artifact and its REVISION; appears by a rename, so it is whole or absent
/opt/<app>/current           symlink to the active release; swapped by a rename
/opt/<app>/previous          symlink to the release that was active before; where a rollback goes.
                             A host that was turned back has none: the release that it left was bad
/opt/<app>/fence             the largest fencing token that the host was told. Whoever changes its release
                             with a token must have that one: a controller that was overtaken is refused
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
  state:
    type: str
    choices: [fenced, installed, active, restarted, pruned]
    required: true
    description: "What shall hold."
  id: {type: str, description: "Release id. Required for installed and active."}
  sha256: {type: str, description: "Of the artifact, in hex. For installed."}
  version: {type: str, description: "Version for REVISION. For installed."}
  artifact: {type: path, description: "The artifact on this host; deleted afterwards. For installed."}
  unit: {type: str, description: "Stopped (it drains), then started. For active and restarted."}
  back: {type: bool, default: false, description: "For active: what the host leaves is bad and no previous."}
  fence: {type: int, description: "Fencing token. Required for fenced; a change with an old one is refused."}
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

    def told(self) -> int:
        """The largest token that the host knows; 0 when it knows none."""
        try:
            return int((self.home / "fence").read_text())
        except FileNotFoundError:
            return 0

    def tell(self, token: int) -> bool:
        """Obey this token and none before it; true when that is new.

        :raises ReleaseError: the host obeys a later one.
        """
        known = self.told()
        if token < known:
            raise ReleaseError(f"the host obeys a later rollout (token {known}, this one has {token})")
        if token == known or self.check_mode:
            return token != known
        draft = self.home / ".fence.new"
        with draft.open("w") as handle:
            handle.write(f"{token}\n")
            handle.flush()
            os.fsync(handle.fileno())
        draft.rename(self.home / "fence")
        return True

    def activate(self, release: str, unit: str | None, back: bool = False, token: int | None = None) -> bool:
        """Point `current` at a release and `previous` at the one before; true when that changed the host.

        With `back` the one before was bad: it is not kept as previous, and neither is any other.

        With a unit, stop, swap and start are one act on the host: trading pauses for no more than it must,
        and a control node that dies meanwhile leaves no host stopped. The start is not waited for.

        :raises ReleaseError: the release is not installed, or the unit cannot be stopped or started.
        """
        self.obey(token)
        if not self.revision(release) and not self.check_mode:
            raise ReleaseError(f"{self.folder / release} is not installed; install it before it is activated")
        before = self.target("current")
        if before == release and (unit is None or self.runs(release, unit)):
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

    def restart(self, unit: str, token: int | None) -> bool:
        """Stop the unit (it drains) and start it on the release that it has; always a change.

        :raises ReleaseError: the host obeys another token, or the unit cannot be stopped or started.
        """
        self.obey(token)
        if not self.check_mode:
            systemctl("stop", unit)
            systemctl("reset-failed", unit)
            systemctl("start", "--no-block", unit)
        return True

    def obey(self, token: int | None) -> None:
        """Refuse a change by a controller whose token is not the host's; None: nobody is asked.

        :raises ReleaseError: it is not.
        """
        if token is not None and token != self.told():
            raise ReleaseError(
                f"not changed: the host obeys token {self.told()}, this rollout has {token}: overtaken"
            )

    def runs(self, release: str, unit: str) -> bool:
        """Whether the unit's process was started in this release's folder: then nothing is left to do."""
        shown = subprocess.run(
            ["systemctl", "show", unit, "--property=MainPID", "--value"],
            capture_output=True,
            text=True,
            check=False,
        )
        pid = shown.stdout.strip()
        if pid in ("", "0"):
            return False
        try:
            return Path(f"/proc/{pid}/cwd").resolve() == (self.folder / release).resolve()
        except OSError:
            return False

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
            "state": {
                "type": "str",
                "choices": ["fenced", "installed", "active", "restarted", "pruned"],
                "required": True,
            },
            "id": {"type": "str"},
            "sha256": {"type": "str"},
            "version": {"type": "str"},
            "artifact": {"type": "path"},
            "unit": {"type": "str"},
            "back": {"type": "bool", "default": False},
            "fence": {"type": "int"},
            "keep": {"type": "int", "default": 5},
        },
        required_if=[
            ("state", "installed", ("id", "sha256", "version", "artifact")),
            ("state", "active", ("id",)),
            ("state", "fenced", ("fence",)),
            ("state", "restarted", ("unit",)),
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
            changed = releases.activate(given["id"], given["unit"], given["back"], given["fence"])
        elif given["state"] == "restarted":
            changed = releases.restart(given["unit"], given["fence"])
        elif given["state"] == "fenced":
            changed = releases.tell(given["fence"])
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
