"""What tells the ages of certificates and credentials: a file that cannot be read is told as ended."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ops import paths

pytestmark = pytest.mark.rules

PROGRAM = paths.ROOT / "roles" / "node_exporter" / "files" / "ages.py"
DAY = 86_400


def certificate(path: Path, days: int) -> str:
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-days", str(days)]
    subprocess.run([*words, "-keyout", "/dev/null", "-out", path], check=True, capture_output=True)
    return path.read_text()


def told(folder: Path) -> dict[str, float]:
    out = folder / "out.prom"
    words = [
        sys.executable,
        "-IB",
        str(PROGRAM),
        str(out),
        "--certificates",
        f"{folder}/*.pem",
        f"{folder}/none/*.pem",
    ]
    subprocess.run([*words, "--credentials", f"{folder}/*.cred"], check=True)
    lines = [line for line in out.read_text().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_ends_and_changes_are_told(tmp_path: Path) -> None:
    long, short = certificate(tmp_path / "long.pem", 100), certificate(tmp_path / "short.pem", 10)
    (tmp_path / "chain.pem").write_text(f"words before\n{long}{short}")
    (tmp_path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
    (tmp_path / "empty.pem").write_text("")
    (tmp_path / "key.cred").write_text("x")
    os.utime(tmp_path / "key.cred", (1_000_000, 1_000_000))
    series = told(tmp_path)
    ends = {
        name: series[f'breakwater_certificate_not_after_timestamp_seconds{{certificate="{name}"}}']
        for name in ("long", "short", "chain", "broken", "empty")
    }
    now = time.time()
    assert 99 * DAY < ends["long"] - now <= 100 * DAY
    assert ends["chain"] == ends["short"] < ends["long"], "the first that ends counts"
    assert ends["broken"] == ends["empty"] == 0
    assert series['breakwater_credential_changed_timestamp_seconds{credential="key"}'] == 1_000_000
    assert now - 60 < series["breakwater_ages_written_timestamp_seconds"] <= time.time()


def test_a_certificate_that_is_renewed_is_told_anew(tmp_path: Path) -> None:
    name = 'breakwater_certificate_not_after_timestamp_seconds{certificate="a"}'
    certificate(tmp_path / "a.pem", 1)
    before = told(tmp_path)[name]
    certificate(tmp_path / "a.pem", 50)
    assert told(tmp_path)[name] > before + 40 * DAY


def test_every_series_is_one_that_the_alerts_know() -> None:
    named = set(re.findall(r"breakwater_\w+_seconds", PROGRAM.read_text()))
    assert len(named) == 3
    declared = (paths.ROOT / "monitoring" / "foreign_metrics.yml").read_text()
    assert [name for name in named if name not in declared] == []
