#!/usr/bin/python3
"""One backup of this host into the vault's repository, to which nothing but adding is possible.

    backup.py SETTINGS

Copies the journal as it is at this moment, beside the settings, the kill switch's latch, the release's name,
and the API keys, encrypted for a key that lies neither here nor on the vault (the escrow). Run by
trader-backup.timer as the service's user. Exit code 0: it is on the vault. Anything else is a failed unit,
and an age that grows on the vault.

SETTINGS (JSON): host, trader (program), journal, stage (folder), files ({name: path}), escrow (age's
recipient), repository, program (reaches the vault's rclone).
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

SECRETS = ("venue", "panic")
LATE_SECONDS = 600
NO_REPOSITORY = "Is there a repository at the following location"


class BackupError(Exception):
    """What failed, in one line."""


def run(
    words: list[str], text: bytes | None = None, *, may_fail: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run one program to its end.

    Raises:
        BackupError: it failed or hung; with its last line.
    """
    try:
        done = subprocess.run(words, input=text, capture_output=True, check=False, timeout=LATE_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BackupError(f"{words[0]}: {error}") from error
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode != 0 and not may_fail:
        last = (said or done.stdout.decode(errors="replace").strip() or "no output").splitlines()[-1]
        raise BackupError(f"{' '.join(words[:2])}: exit code {done.returncode}: {last}")
    return subprocess.CompletedProcess(words, done.returncode, done.stdout.decode(errors="replace"), said)


def stage(settings: dict[str, Any], credentials: Path) -> dict[str, Any]:
    """Fill the folder that is backed up; returns the journal's manifest."""
    folder = Path(settings["stage"])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = run([settings["trader"], "journal", "backup", settings["journal"], "--to", str(folder), "--json"])
    for name, source in settings["files"].items():
        if Path(source).is_dir():
            shutil.copytree(source, folder / name, dirs_exist_ok=True)
        elif Path(source).exists():
            shutil.copyfile(source, folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
    keys = {
        name: json.loads((credentials / name).read_text())
        for name in SECRETS
        if (credentials / name).exists()
    }
    escrow = folder / "escrow.age"
    escrow.unlink(missing_ok=True)
    run(
        ["age", "--encrypt", "--recipient", settings["escrow"], "--output", str(escrow)],
        json.dumps(keys).encode(),
    )
    manifest: dict[str, Any] = json.loads(made.stdout)
    return manifest


def restic(settings: dict[str, Any], credentials: Path) -> list[str]:
    """The words before restic's own command."""
    return [
        *("restic", "--quiet", "--password-file", str(credentials / "restic")),
        *("--option", f"rclone.program={settings['program']}", "--repo", f"rclone:{settings['repository']}"),
    ]


def send(settings: dict[str, Any], credentials: Path) -> dict[str, Any]:
    """Add it to the repository, which is made the first time; returns restic's summary."""
    words = restic(settings, credentials)
    there = run([*words, "cat", "config"], may_fail=True)
    if there.returncode != 0:
        if NO_REPOSITORY not in there.stderr:
            last = (there.stderr or "no output").splitlines()[-1]
            raise BackupError(f"the vault's repository cannot be read: {last}")
        run([*words, "init"])
    words = [word for word in words if word != "--quiet"]
    done = run(
        [*words, "backup", "--json", "--host", settings["host"], "--tag", "journal", settings["stage"]]
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    summary = next((line for line in lines if line.get("message_type") == "summary"), None)
    if summary is None or not summary.get("snapshot_id") or not summary.get("total_bytes_processed"):
        raise BackupError("restic ended well and named no snapshot: this is no backup")
    return dict(summary)


def main(words: list[str]) -> int:
    if len(words) != 1:
        print("usage: backup.py SETTINGS", file=sys.stderr)
        return 2
    os.umask(0o077)
    try:
        settings = json.loads(Path(words[0]).read_text())
        credentials = Path(os.environ["CREDENTIALS_DIRECTORY"])
        manifest = stage(settings, credentials)
        summary = send(settings, credentials)
    except (BackupError, OSError, ValueError, KeyError) as error:
        print(f"backup: {error}", file=sys.stderr)
        return 1
    print(
        f"snapshot {summary['snapshot_id']}: {manifest['events']} records, {manifest['size']} bytes,"
        f" {summary.get('data_added', 0)} bytes added in {summary.get('total_duration', 0):.1f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
