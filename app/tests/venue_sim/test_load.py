"""The load program runs from anywhere and measures what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

APP = Path(__file__).resolve().parents[2]


def test_a_small_load(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.venue_load", "--orders", "200", "--latency-orders", "20"]
    environment = {**os.environ, "PYTHONPATH": str(APP)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    for transport in ("rest", "ws"):
        measured = result[transport]
        assert (measured["orders"], measured["low_rate"]["orders"]) == (200, 20)
        assert measured["orders_per_second"] > 0
        assert measured["record_bytes_per_order"] > 500
        assert 0 < measured["low_rate"]["p50_ms"] <= measured["low_rate"]["p99_ms"]
