"""The vault's programs with the real restic, rclone and `trader`: what holds, and every sabotage that must
be red.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ops import paths

FILES = paths.ROOT / "roles" / "backup_vault" / "files"
BACKUP = paths.ROOT / "roles" / "backup_client" / "files" / "backup.py"
HOST, PASSWORD = "trader-01", "repository-password"
SECRET = {"api_key": "K" * 64, "api_secret": "S" * 64}
TRADER = f"""#!/bin/sh
PYTHONPATH={paths.ROOT / "app"} exec {sys.executable} -c 'from trader.cli import main; main()' "$@"
"""
# Grows a journal as a service does, and ships it as the service would.
GROW = """
import os, sys
from pathlib import Path
from trader.journal import Journal, records, storage
from trader.journal.lines import line
path, count, lines = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
opened = Journal.open(path, "trader-01", "trader-01", 1, "dev")
connection = opened._connection
with storage.transaction(connection):
    notes = [records.note(f"note {number}") for number in range(count)]
    rows = storage.append(connection, notes, *storage.tail(connection))
    storage.fold(connection, notes, rows[-1][0])
lines.parent.mkdir(parents=True, exist_ok=True)
every = storage.query(connection, "SELECT seq, at_ns, kind, body, hash FROM events ORDER BY seq")
lines.write_bytes(b"".join(map(line, every)))
connection.close(True)
os.close(opened._lock)
"""


@dataclass
class Vault:
    """A vault and one host on this machine; the host reaches it by the door, without ssh."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "vault"

    @property
    def repository(self) -> Path:
        return self.home / "repositories" / HOST

    @property
    def lines(self) -> Path:
        return self.home / "journals" / HOST / "000001.jsonl"

    @property
    def journal(self) -> Path:
        return self.folder / "journal.sqlite"

    def set_up(self) -> None:
        for path in (self.home / "repositories", self.folder / "credentials"):
            path.mkdir(parents=True)
        trader, rclone = self.folder / "trader", self.folder / "vault-rclone"
        trader.write_text(TRADER)
        door = (FILES / "door.py").read_text().replace('Path("/var/lib/backups")', f'Path("{self.home}")')
        (self.folder / "door.py").write_text(door)
        # As ssh and the forced command do it: the words are the host's, what is done is the door's affair.
        door_py = f"{sys.executable} -IB {self.folder / 'door.py'} {HOST}"
        rclone.write_text(f'#!/bin/sh\nSSH_ORIGINAL_COMMAND="rclone $*" exec {door_py}\n')
        for path in (trader, rclone):
            path.chmod(0o755)
        for name in ("restic", f"restic-{HOST}"):
            (self.folder / "credentials" / name).write_text(PASSWORD)
        for name in ("venue", "panic"):
            (self.folder / "credentials" / name).write_text(json.dumps(SECRET))
        subprocess.run(["age-keygen", "-o", self.folder / "escrow.key"], check=True, capture_output=True)
        public = subprocess.run(
            ["age-keygen", "-y", self.folder / "escrow.key"], check=True, capture_output=True, text=True
        )
        (self.folder / "trader.yml").write_text("host: trader-01\n")
        self._settings(
            "backup.json",
            host=HOST,
            trader=str(trader),
            journal=str(self.journal),
            stage=str(self.folder / "stage"),
            files={
                "trader.yml": str(self.folder / "trader.yml"),
                "latch.json": str(self.folder / "latch.json"),
            },
            escrow=public.stdout.strip(),
            repository=HOST,
            program=str(rclone),
        )
        self._settings(
            "keeper.json",
            home=str(self.home),
            hosts=[HOST],
            keep_within="2d",
            max_age_seconds=900,
            max_lock_seconds=1800,
            trader=str(trader),
            textfile=str(self.folder / "keeper.prom"),
        )

    def _settings(self, name: str, **values: Any) -> None:
        (self.folder / name).write_text(json.dumps(values))

    def program(self, path: Path, *words: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "CREDENTIALS_DIRECTORY": str(self.folder / "credentials"),
            "RESTIC_CACHE_DIR": str(self.folder / "cache"),
        }
        argv = [sys.executable, "-IB", str(path), *words]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)

    def grow(self, count: int = 50) -> None:
        environment = os.environ | {"PYTHONPATH": str(paths.ROOT / "app")}
        argv = [sys.executable, "-c", GROW, str(self.journal), str(count), str(self.lines)]
        subprocess.run(argv, env=environment, check=True)

    def backup(self) -> subprocess.CompletedProcess[str]:
        return self.program(BACKUP, str(self.folder / "backup.json"))

    def keeper(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.program(FILES / "keeper.py", str(self.folder / "keeper.json"), *words)

    def prepared(self) -> dict[str, Any]:
        done = self.keeper("prepare", HOST, HOST)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def backed_up(self) -> int:
        """Events of the journal in the last backup that was taken."""
        return int(json.loads((self.folder / "stage" / "manifest.json").read_text())["events"])

    def metric(self, series: str) -> float:
        lines = (self.folder / "keeper.prom").read_text().splitlines()
        return float(next(line for line in lines if line.startswith(f"{series} ")).rpartition(" ")[2])


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """With one backup, and records that were shipped since."""
    made = Vault(tmp_path)
    made.set_up()
    made.grow()
    done = made.backup()
    assert done.returncode == 0, done.stderr
    made.grow()
    return made


def red(vault: Vault, act: str, check: str, word: str) -> None:
    done = vault.keeper(act)
    assert done.returncode == 1, done.stdout
    assert word in done.stdout, done.stdout
    assert vault.metric(f'breakwater_backup_check_success{{host="{HOST}",check="{check}"}}') == 0


def test_all_checks_of_what_holds(vault: Vault) -> None:
    for act in ("look", "check", "data", "forget", "test"):
        done = vault.keeper(act)
        assert done.returncode == 0, done.stdout + done.stderr
    for check in ("age", "lock", "check", "data", "forget", "restore_test"):
        assert vault.metric(f'breakwater_backup_check_success{{host="{HOST}",check="{check}"}}') == 1
    assert (
        vault.metric(f'breakwater_restore_test_last_success_timestamp_seconds{{host="{HOST}"}}')
        > time.time() - 60
    )
    tested = json.loads((vault.home / "checks.json").read_text())[HOST]["checks"]["restore_test"]["text"]
    shipped = len(vault.lines.read_bytes().splitlines())
    assert tested == f"{shipped} records, {shipped - vault.backed_up()} of them replayed"
    assert not list((vault.home / "scratch").glob("tmp*"))


def test_what_is_put_ready_is_a_whole_journal(vault: Vault, tmp_path: Path) -> None:
    found = vault.prepared()
    assert (found["epoch"], found["skipped"]) == (1, [])
    target = tmp_path / "taken"
    target.mkdir()
    subprocess.run(["tar", "-x", "-C", target, "-f", vault.home / "handover" / f"{HOST}.tar"], check=True)
    assert {path.name for path in target.iterdir()} == {"backup", "records.jsonl"}
    names = {path.name for path in (target / "backup").iterdir()}
    assert names >= {"journal.sqlite", "manifest.json", "trader.yml", "escrow.age"}
    opened = subprocess.run(
        ["age", "--decrypt", "--identity", vault.folder / "escrow.key", target / "backup" / "escrow.age"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(opened.stdout) == {"venue": SECRET, "panic": SECRET}


def test_a_secret_is_nowhere_in_clear(vault: Vault) -> None:
    for path in vault.home.rglob("*"):
        if path.is_file():
            assert SECRET["api_secret"].encode() not in path.read_bytes(), path


def packs(vault: Vault) -> list[Path]:
    return sorted(
        (path for path in (vault.repository / "data").rglob("*") if path.is_file()),
        key=lambda p: p.stat().st_mtime,
    )


def corrupt(pack: Path) -> None:
    content = bytearray(pack.read_bytes())
    middle = len(content) // 3
    content[middle : middle + 4] = bytes(byte ^ 0xFF for byte in content[middle : middle + 4])
    pack.chmod(0o600)
    pack.write_bytes(content)


def test_a_corrupted_pack_is_found_by_every_byte_and_by_the_restore_test(vault: Vault) -> None:
    corrupt(max(packs(vault), key=lambda pack: pack.stat().st_size))
    assert vault.keeper("check").returncode == 0, "restic's own check does not read the data"
    red(vault, "data", "data", "FAILED")
    red(vault, "test", "restore_test", "does not hold")


def test_a_corrupted_backup_falls_back_to_the_one_before_and_says_so(vault: Vault) -> None:
    before, first = set(packs(vault)), vault.backed_up()
    vault.grow(2_000)
    assert vault.backup().returncode == 0
    for pack in set(packs(vault)) - before:
        corrupt(pack)
    found = vault.prepared()
    assert len(found["skipped"]) == 1
    assert found["snapshot"] is not None
    assert found["manifest"]["events"] == first, "the one before"


def test_a_stale_lock_is_red_and_the_retention_takes_it_away(vault: Vault) -> None:
    lock = vault.repository / "locks" / ("0" * 64)
    lock.parent.mkdir(exist_ok=True)
    lock.write_bytes(b"left behind")
    assert vault.keeper("look").returncode == 0, "young: a backup may be at work"
    old = time.time() - 1_801
    os.utime(lock, (old, old))
    red(vault, "look", "lock", "a lock is 18")


def test_an_old_backup_is_red(vault: Vault) -> None:
    settings = json.loads((vault.folder / "keeper.json").read_text())
    (vault.folder / "keeper.json").write_text(json.dumps(settings | {"max_age_seconds": 0}))
    red(vault, "look", "age", "the newest backup is")


def test_no_backup_at_all_is_red(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    vault.set_up()
    red(vault, "look", "age", "there is no backup")
    done = vault.keeper("prepare", HOST, HOST)
    assert (done.returncode, "nothing to restore from" in done.stderr) == (1, True)


def test_a_gap_in_the_shipped_records_is_red(vault: Vault) -> None:
    lines = vault.lines.read_bytes().splitlines(keepends=True)
    vault.lines.write_bytes(b"".join(lines[:80] + lines[81:]))
    red(vault, "test", "restore_test", "record 81 is missing")


def test_records_that_are_not_in_the_restored_journal_are_red(vault: Vault) -> None:
    """The records of another journal, of the same length."""
    lines = vault.lines.read_bytes().splitlines(keepends=True)
    vault.lines.write_bytes(b"".join([*lines[:70], lines[70].replace(b"note", b"nota"), *lines[71:]]))
    red(vault, "test", "restore_test", "does not continue")


def test_an_empty_dump_is_no_backup(vault: Vault) -> None:
    """A program that copies nothing and says that all is well."""
    (vault.folder / "trader").write_text("#!/bin/sh\necho '{}'\n")
    for name in ("journal.sqlite", "manifest.json"):
        (vault.folder / "stage" / name).unlink()
    vault.backup()
    (vault.folder / "trader").write_text(TRADER)
    red(vault, "test", "restore_test", "does not hold")


def no_journal(vault: Vault) -> None:
    vault.journal.unlink()


def no_key_for_the_escrow(vault: Vault) -> None:
    settings = vault.folder / "backup.json"
    settings.write_text(settings.read_text().replace('"escrow": "age1', '"escrow": "age0'))


def another_password(vault: Vault) -> None:
    (vault.folder / "credentials" / "restic").write_text("another")


def a_vault_that_is_away(vault: Vault) -> None:
    (vault.folder / "vault-rclone").write_text("#!/bin/sh\nexit 255\n")


FAILURES = [no_journal, no_key_for_the_escrow, another_password, a_vault_that_is_away]


@pytest.mark.parametrize("sabotage", FAILURES)
def test_a_backup_that_failed_fails(vault: Vault, sabotage: Callable[[Vault], None]) -> None:
    sabotage(vault)
    done = vault.backup()
    assert done.returncode == 1
    assert done.stderr.startswith("backup: ")
    assert "Traceback" not in done.stderr


def test_a_host_can_delete_nothing(vault: Vault) -> None:
    """With the host's own key and password: forget and prune are refused, and the snapshot stays."""
    before = packs(vault)
    words = ["restic", "--password-file", str(vault.folder / "credentials" / "restic")]
    words += ["-o", f"rclone.program={vault.folder / 'vault-rclone'}", "--repo", f"rclone:{HOST}"]
    done = subprocess.run(
        [*words, "forget", "--prune", "--keep-last", "1", "latest"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert packs(vault) == before
    assert vault.keeper("test").returncode == 0


@pytest.mark.parametrize(
    "asked", ["", "bash -i", "copy", "copy ../x", "copy 1 2", "rm -rf /", "scp -t /", "take x"]
)
def test_the_door_does_nothing_else(vault: Vault, asked: str) -> None:
    done = subprocess.run(
        [sys.executable, "-IB", vault.folder / "door.py", HOST],
        env=os.environ | {"SSH_ORIGINAL_COMMAND": asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "is not for this key" in done.stderr


@pytest.mark.parametrize("words", [[], ["look-hard"], ["prepare", HOST]])
def test_bad_words_are_one_line(vault: Vault, words: list[str]) -> None:
    done = vault.keeper(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
