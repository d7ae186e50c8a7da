#!/usr/bin/python3
"""Looks after the copies of every host: whether they come, whether they hold, and how old they may get.

    keeper.py SETTINGS look                       ages and locks of all repositories and copies, every few
    minutes keeper.py SETTINGS check | data | forget      restic's check, its check with every byte, retention
    keeper.py SETTINGS test [HOST ...]            restore for real into a scratch folder, replay, prove
    keeper.py SETTINGS prepare HOST TO [BEFORE]   put ready what TO takes to become HOST; BEFORE = UTC seconds

Each check of each host ends as ok or with one line why not; both are kept in checks.json and told to
node_exporter. Nothing that failed is only logged: the exit code is 1, the series says 0, and the time of the
last success stands still. SETTINGS (JSON): home, hosts, keep_within, max_age_seconds, max_lock_seconds,
trader (program), textfile.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 6 * 3_600
COPY = re.compile(r"(\d{6})\.jsonl")
BY = "the vault's keeper"


class CheckError(Exception):
    """Why a check failed, in one line."""


class Keeper:
    """The copies of all hosts under one folder."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.home = Path(settings["home"])
        self.state: dict[str, dict[str, Any]] = self._read()

    # -- checks, each of one host: returns what it found, raises CheckError

    def age(self, host: str) -> str:
        """The newest backup is young enough."""
        newest = self.snapshots(host)[-1:]
        if not newest:
            raise CheckError("there is no backup")
        at = moment(newest[0]["time"])
        self.state.setdefault(host, {})["newest_backup"] = at
        if (age := time.time() - at) > self.settings["max_age_seconds"]:
            raise CheckError(f"the newest backup is {age:.0f} s old")
        return f"{newest[0]['short_id']}, {age:.0f} s old"

    def lock(self, host: str) -> str:
        """No lock is left behind: with one, backups go on and look well, while retention and checks stop."""
        folder = self.home / "repositories" / host / "locks"
        ages = [time.time() - path.stat().st_mtime for path in folder.glob("*")] if folder.exists() else []
        if ages and max(ages) > self.settings["max_lock_seconds"]:
            raise CheckError(
                f"a lock is {max(ages):.0f} s old; if no restic runs: keeper forget takes it away"
            )
        return f"{len(ages)} locks"

    def check(self, host: str) -> str:
        """The repository's structure holds."""
        self.restic(host, "check")
        return "no errors"

    def data(self, host: str) -> str:
        """Every byte of the repository is what was written."""
        self.restic(host, "check", "--read-data")
        return "no errors"

    def forget(self, host: str) -> str:
        """What is older than the retention goes; by age alone, which no added snapshot can turn against old
        ones.
        """
        self.restic(host, "unlock")  # stale ones only: no refresh for half an hour
        self.restic(host, "forget", "--prune", "--keep-within", self.settings["keep_within"])
        return f"kept what is younger than {self.settings['keep_within']}"

    def restore_test(self, host: str) -> str:
        """A journal comes out of the newest backup and the shipped records, and is whole."""
        with tempfile.TemporaryDirectory(dir=self._scratch()) as name:
            found = self.gather(host, Path(name))
            if found["skipped"]:
                raise CheckError(f"the newest backup does not hold: {found['skipped'][0]}")
            done = self.build(host, Path(name), found)
        shipped = found["shipped_records"]
        if shipped and done["events"] < shipped:
            raise CheckError(f"{shipped} records were shipped, {done['events']} came back")
        return f"{done['events']} records, {done['replayed']} of them replayed"

    # -- restores

    def gather(self, host: str, folder: Path, before: float | None = None) -> dict[str, Any]:
        """Fill a folder with the newest backup that holds, and the shipped records of the newest epoch.

        A backup of another epoch than the records is left out: its journal may have gone another way since,
        and the records alone are a whole journal.
        """
        copies = self.copies(host)
        found: dict[str, Any] = {
            "host": host,
            "skipped": [],
            "snapshot": None,
            "epoch": 0,
            "shipped_records": 0,
        }
        if copies:
            found["epoch"] = copies[-1][0]
            shutil.copyfile(copies[-1][1], folder / "records.jsonl")
            found["shipped_records"] = last_record(folder / "records.jsonl")
        chosen = [s for s in self.snapshots(host) if before is None or moment(s["time"]) <= before]
        for snapshot in reversed(chosen):
            target = folder / "backup"
            shutil.rmtree(target, ignore_errors=True)
            try:
                self.restic(host, "restore", snapshot["id"], "--target", str(folder / "out"))
                out = next((folder / "out").rglob("manifest.json"), None)
                if out is None:
                    raise CheckError("holds no journal")
                out.parent.rename(target)
                manifest = self.trader("journal", "check-backup", str(target), "--host", host, "--json")
            except CheckError as error:
                found["skipped"].append(f"{snapshot['short_id']}: {error}")
                continue
            finally:
                shutil.rmtree(folder / "out", ignore_errors=True)
            if copies and manifest["epoch"] != found["epoch"]:
                shutil.rmtree(target)
                break
            found |= {"snapshot": snapshot["short_id"], "manifest": manifest, "epoch": manifest["epoch"]}
            break
        if found["snapshot"] is None and not copies:
            raise CheckError(
                f"nothing to restore from{': ' + found['skipped'][0] if found['skipped'] else ''}"
            )
        return found

    def build(self, host: str, folder: Path, found: dict[str, Any]) -> dict[str, Any]:
        """A journal from what was gathered, as a restore makes it."""
        words = ["--host", host, "--account", found.get("manifest", {}).get("account") or host]
        words += ["--backup", str(folder / "backup")] if found["snapshot"] else []
        words += ["--records", str(folder / "records.jsonl")] if found["shipped_records"] else []
        words += ["--epoch", str(found["epoch"] + 1), "--by", BY, "--reason", "restore test", "--json"]
        return self.trader("journal", "restore", str(folder / "journal.sqlite"), *words)

    def prepare(self, host: str, to: str, before: float | None) -> dict[str, Any]:
        """Put ready what the host `to` takes with its key."""
        handover = self.home / "handover"
        handover.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._scratch()) as name:
            folder = Path(name)
            found = self.gather(host, folder, before)
            fresh = handover / f"{to}.new"
            with tarfile.open(fresh, "w") as tar:
                for path in sorted(folder.iterdir()):
                    tar.add(path, path.name)
        fresh.rename(handover / f"{to}.tar")
        return found | {"bytes": (handover / f"{to}.tar").stat().st_size}

    # -- what they stand on

    def snapshots(self, host: str) -> list[dict[str, Any]]:
        """Oldest first; none when there is no repository yet."""
        if not (self.home / "repositories" / host / "config").exists():
            return []
        listed = json.loads(self.restic(host, "snapshots", "--json", "--no-lock") or "[]")
        return sorted(listed or [], key=lambda one: moment(one["time"]))

    def copies(self, host: str) -> list[tuple[int, Path]]:
        """Epoch and file of the shipped records, oldest first."""
        folder = self.home / "journals" / host
        paths = folder.iterdir() if folder.exists() else []
        return sorted((int(match[1]), path) for path in paths if (match := COPY.fullmatch(path.name)))

    def restic(self, host: str, *words: str) -> str:
        secret = Path(os.environ["CREDENTIALS_DIRECTORY"]) / f"restic-{host}"
        repository = ["--repo", str(self.home / "repositories" / host), "--password-file", str(secret)]
        return run(["restic", "--quiet", *repository, *words])

    def trader(self, *words: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(run([self.settings["trader"], *words]))
        return answer

    def _scratch(self) -> Path:
        folder = self.home / "scratch"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    # -- the state, for people and for node_exporter

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            content: dict[str, dict[str, Any]] = json.loads((self.home / "checks.json").read_text())
            return content
        except FileNotFoundError:
            return {}

    def perform(self, name: str, act: Callable[[str], str], hosts: list[str]) -> bool:
        """One check of several hosts; whether it passed everywhere."""
        good = True
        for host in hosts:
            try:
                text, passed = act(host), True
            except (CheckError, OSError, ValueError, KeyError) as error:
                text, passed = str(error) or type(error).__name__, False
            print(f"{host}: {name}: {text if passed else 'FAILED: ' + text}", flush=True)
            entry = (
                self.state.setdefault(host, {}).setdefault("checks", {}).setdefault(name, {"last_success": 0})
            )
            entry |= {"passed": passed, "text": text, "at": time.time()}
            if passed:
                entry["last_success"] = entry["at"]
            good = good and passed
        return good

    def write(self) -> None:
        write(self.home / "checks.json", json.dumps(self.state, indent=1))
        write(Path(self.settings["textfile"]), self._metrics(), 0o644)

    def _metrics(self) -> str:
        lines = []
        for host in self.settings["hosts"]:
            known = self.state.get(host, {})
            checks = known.get("checks", {})
            label = f'host="{host}"'
            if "newest_backup" in known:
                lines.append(
                    f"breakwater_backup_last_success_timestamp_seconds{{{label}}} {known['newest_backup']}"
                )
            for name, entry in sorted(checks.items()):
                series = f'{{{label},check="{name}"}}'
                lines.append(f"breakwater_backup_check_success{series} {int(entry['passed'])}")
                lines.append(
                    f"breakwater_backup_check_last_success_timestamp_seconds{series} {entry['last_success']}"
                )
            if tested := checks.get("restore_test", {}).get("last_success"):
                lines.append(f"breakwater_restore_test_last_success_timestamp_seconds{{{label}}} {tested}")
            if copies := self.copies(host):
                lines.append(
                    f"breakwater_copy_last_timestamp_seconds{{{label}}} {copies[-1][1].stat().st_mtime}"
                )
        return "".join(f"{line}\n" for line in sorted(lines))


def moment(text: str) -> float:
    """UTC seconds of one of restic's times, which have nanoseconds."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", text).replace("Z", "+00:00")).timestamp()


def last_record(path: Path) -> int:
    """The sequence of the last whole line; 0 = there is none."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 21)))
        whole, _, _ = file.read().rpartition(b"\n")
    return int(json.loads(whole.splitlines()[-1])["seq"]) if whole else 0


def run(words: list[str]) -> str:
    """One program's output.

    Raises:
        CheckError: it failed, with its last line.
    """
    try:
        done = subprocess.run(words, capture_output=True, check=False, timeout=PATIENCE_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CheckError(f"{words[0]}: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines() or ["no output"]
        raise CheckError(f"{Path(words[0]).name}: exit code {done.returncode}: {said[-1][:300]}")
    return done.stdout.decode(errors="replace")


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Whole or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.chmod(mode)
    fresh.rename(path)


def main(words: list[str]) -> int:
    if len(words) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    os.umask(0o077)
    try:
        keeper = Keeper(json.loads(Path(words[0]).read_text()))
    except (OSError, ValueError) as error:
        print(f"keeper: {words[0]}: {error}", file=sys.stderr)
        return 2
    act, hosts = words[1], words[2:] or keeper.settings["hosts"]
    if act == "prepare" and len(words) in (4, 5):
        try:
            print(
                json.dumps(keeper.prepare(words[2], words[3], float(words[4]) if len(words) == 5 else None))
            )
        except (CheckError, OSError, ValueError) as error:
            print(f"keeper: {words[2]}: {error}", file=sys.stderr)
            return 1
        return 0
    acts: dict[str, list[tuple[str, Callable[[str], str]]]] = {
        "look": [("age", keeper.age), ("lock", keeper.lock)],
        "check": [("check", keeper.check)],
        "data": [("data", keeper.data)],
        "forget": [("forget", keeper.forget)],
        "test": [("restore_test", keeper.restore_test)],
    }
    if act not in acts:
        print(f"keeper: {act!r} is none of {', '.join(acts)}, prepare", file=sys.stderr)
        return 2
    passed = [keeper.perform(name, check, hosts) for name, check in acts[act]]
    keeper.write()
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
