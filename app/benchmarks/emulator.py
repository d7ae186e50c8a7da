"""The venue emulator as a process of its own on a core of its own, and what clients need to reach it."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.certificates import DOMAIN, make_certificates

STOP_SECONDS = 20
APP = Path(__file__).resolve().parent.parent
MEMORY = Path("/dev/shm")  # noqa: S108 - a tmpfs is the point: the record must not load the disk under test
SYMBOL = {
    "symbol": "BTCUSDT", "base": "BTC", "quote": "USDT", "price": "60000.00",
    "tick_size": "0.01", "step_size": "0.00001", "min_notional": "5",
}  # fmt: skip


@dataclass
class Emulator:
    """The running emulator: where it is, who may trade, and what it has used.

    Attributes:
        hostname: as the service's `venue.hostname` and ccxt's `hostname`; see `names` for who resolves it.
        secrets: API key and secret of each account.
    """

    pid: int
    port: int
    admin_port: int
    record: Path
    ca_file: Path
    context: ssl.SSLContext
    secrets: list[tuple[str, bytes]]

    @property
    def hostname(self) -> str:
        return f"{DOMAIN}:{self.port}"

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def entries(self) -> Iterator[dict[str, Any]]:
        """What it has recorded and written so far."""
        with self.record.open() as lines:
            for line in lines:
                if line.endswith("\n"):
                    yield json.loads(line)


@contextmanager
def emulator(
    core: int, events_per_second: int = 0, symbols: Sequence[dict[str, str]] = (SYMBOL,)
) -> Iterator[Emulator]:
    """Start an emulator with nine accounts and without rate limits, hand it out, stop it.

    Args:
        core: where it runs; nothing else should.
        events_per_second: of its background flow; 0 = only the accounts trade.
        symbols: what is traded there.
    """
    with tempfile.TemporaryDirectory(prefix="bench-venue-", dir=MEMORY) as name:
        folder = Path(name)
        certificates = make_certificates(folder)
        secrets = [(f"key-of-load-{n:02}-{'k' * 20}", f"secret-of-load-{n:02}".encode()) for n in range(9)]
        config = folder / "venue.yml"
        config.write_text(
            json.dumps(_settings(folder, secrets, events_per_second, symbols))
        )  # JSON is YAML too
        command = [sys.executable, "-c", "from venue_sim.cli import main; main()"]
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*command, "run", "--config", str(config)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(APP)},
        )
        try:
            os.sched_setaffinity(process.pid, {core})
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise SystemExit("benchmarks: the emulator did not start")
            context = ssl.create_default_context(cafile=str(certificates.ca_file))
            started, record = json.loads(line), folder / "record.jsonl"
            ports = int(started["api_port"]), int(started["admin_port"])
            yield Emulator(process.pid, *ports, record, certificates.ca_file, context, secrets)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _settings(
    folder: Path,
    secrets: list[tuple[str, bytes]],
    events_per_second: int,
    symbols: Sequence[dict[str, str]],
) -> dict[str, Any]:
    accounts = [
        {
            "name": f"load-{n:02}",
            "api_key": key,
            "api_secret": secret.decode(),
            "balances": {"USDT": "1000000", "BTC": "100"},
        }
        for n, (key, secret) in enumerate(secrets)
    ]
    (folder / "accounts.json").write_text(json.dumps(accounts))
    return {
        "api": {"port": 0, "certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")},
        "admin": {"port": 0},
        "accounts_file": str(folder / "accounts.json"),
        "record": str(folder / "record.jsonl"),
        "background": {"events_per_second": events_per_second},
        "limits": {"weight_per_minute": 10**9, "orders_per_10_seconds": 10**9, "orders_per_day": 10**9},
        "symbols": list(symbols),
    }
