"""The list of hosts that a kill goes by: whole, or it says what is missing."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from ops.errors import OperatorError
from ops.kill.kit import load
from tests.kill_helpers import write_kit

NAMES = ["trader-01", "trader-02"]


def test_a_kit_names_every_host_and_how_to_get_there(tmp_path: Path) -> None:
    changed = {"sudo": True, "recovery": {}, "user": "", "key_file": ""}
    write_kit(tmp_path, NAMES, {"trader-02": changed})
    kit = load("lab-test", folder=tmp_path / "kill")
    assert [target.name for target in kit.targets] == NAMES
    assert (kit.missing, kit.doubts) == ((), ())
    first, second = kit.targets
    assert first.ssh[-1] == "192.0.2.1"
    assert "UserKnownHostsFile=/some where/known_hosts" in first.ssh
    assert first.ssh[-5:-1] == ("-i", "/keys/one", "-l", "root")
    assert "BatchMode=yes" in first.ssh, "a question nobody answers would hang it"
    assert (second.sudo, second.recovery) == (True, {})
    assert "-l" not in second.ssh


def test_ssh_takes_our_words_and_agrees_on_a_key_quickly(tmp_path: Path) -> None:
    write_kit(tmp_path, NAMES, {name: {"ssh_arguments": ""} for name in NAMES})
    ssh, *words = load("lab-test", folder=tmp_path / "kill").targets[0].ssh
    said = subprocess.run([ssh, "-G", *words], capture_output=True, text=True, check=True).stdout
    (ways,) = (line.split()[1].split(",") for line in said.splitlines() if line.startswith("kexalgorithms "))
    assert ways[0] == "curve25519-sha256"
    assert len(ways) > 1, "a host that knows another way only is reached all the same"


def test_a_secret_is_not_shown(tmp_path: Path) -> None:
    write_kit(tmp_path, NAMES)
    assert "s" * 20 not in repr(load("lab-test", folder=tmp_path / "kill"))


def test_hosts_can_be_chosen(tmp_path: Path) -> None:
    write_kit(tmp_path, NAMES)
    chosen = load("lab-test", ("trader-02",), folder=tmp_path / "kill")
    assert [target.name for target in chosen.targets] == ["trader-02"]
    with pytest.raises(OperatorError, match=r"trader-09: not in .*trader-01, trader-02.*--refresh"):
        load("lab-test", ("trader-02", "trader-09"), folder=tmp_path / "kill")


def test_a_host_of_the_inventory_without_a_file_is_missed(tmp_path: Path) -> None:
    place = write_kit(tmp_path, NAMES)
    (place / "trader-02.json").unlink()
    kit = load("lab-test", folder=tmp_path / "kill")
    assert kit.missing == ("trader-02",)
    assert "trader-02" in kit.doubts[0]


def test_a_host_that_left_the_inventory_is_not_gone_to(tmp_path: Path) -> None:
    """Which hosts there are is told by the file that was written last."""
    place = write_kit(tmp_path, NAMES)
    first = json.loads((place / "trader-01.json").read_text())
    (place / "trader-01.json").write_text(json.dumps(first | {"fleet": ["trader-01"]}))
    now = (place / "trader-02.json").stat().st_mtime_ns + 1_000_000_000
    os.utime(place / "trader-01.json", ns=(now, now))
    kit = load("lab-test", folder=tmp_path / "kill")
    assert [target.name for target in kit.targets] == ["trader-01"]


def test_a_changed_inventory_makes_it_doubtful(tmp_path: Path) -> None:
    place = write_kit(tmp_path, NAMES)
    hosts = tmp_path / "inventory" / "hosts.yml"
    confirmed = (place / "confirmed").stat().st_mtime
    os.utime(hosts, (confirmed + 5, confirmed + 5))
    assert "hosts.yml" in load("lab-test", folder=tmp_path / "kill").doubts[0]
    (place / "confirmed").unlink()
    assert "never compared" in load("lab-test", folder=tmp_path / "kill").doubts[0]


def test_no_kit_says_which_there_are(tmp_path: Path) -> None:
    write_kit(tmp_path, NAMES)
    with pytest.raises(OperatorError, match=r"no hosts of fleet 'production' \(there: lab-test\).*--refresh"):
        load("production", folder=tmp_path / "kill")
    with pytest.raises(OperatorError, match=r"there: none"):
        load("production", folder=tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["", "{", '{"host": "trader-01"}'])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    place = write_kit(tmp_path, NAMES)
    (place / "trader-01.json").write_text(text)
    os.utime(place / "trader-01.json", (1, 1))
    with pytest.raises(OperatorError, match=r"trader-01\.json: .*--refresh"):
        load("lab-test", folder=tmp_path / "kill")
