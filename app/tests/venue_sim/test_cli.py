"""The `venue-sim` command as a process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.certificates import Certificates
from tests.venue_sim.support import RunningVenue

COMMAND = [sys.executable, "-c", "from venue_sim.cli import main; main()"]
APP = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 20


@pytest.fixture
def settings(tmp_path: Path, certificates: Certificates) -> RunningVenue:
    """Settings of an emulator that is not started."""
    return RunningVenue(tmp_path, certificates)


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(APP), **more}


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, words)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


@contextmanager
def started(path: Path, **env: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A running process and its line of readiness; killed if the test left it alive."""
    process = subprocess.Popen(
        [*COMMAND, "run", "--config", str(path)],
        env=environment(**env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.stderr and process.stderr.read()
        yield process, json.loads(line)
    finally:
        process.kill()
        process.communicate()


def test_ready_to_stopped(settings: RunningVenue, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(DEADLINE_SECONDS)
        with started(settings.config_path, NOTIFY_SOCKET=str(tmp_path / "notify")) as (process, ready):
            assert ready["event"] == "ready"
            assert systemd.recv(100) == b"READY=1"
            with urllib.request.urlopen(f"http://127.0.0.1:{ready['admin_port']}/health") as answer:
                assert json.load(answer)["status"] == "ok"
            with socket.create_connection(("127.0.0.1", ready["api_port"])) as client:
                process.send_signal(signal.SIGTERM)
                assert systemd.recv(100) == b"STOPPING=1"
                assert process.wait(DEADLINE_SECONDS) == 0
                client.close()
            assert process.stderr is not None
            assert process.stderr.read() == ""
    kinds = [json.loads(line)["kind"] for line in settings.record_path.read_text().splitlines()]
    assert (kinds[0], kinds[-1]) == ("start", "stop")


def test_nothing_is_lost_on_an_orderly_stop_and_a_kill_can_be_recovered(settings: RunningVenue) -> None:
    with started(settings.config_path) as (process, ready):
        url = f"http://127.0.0.1:{ready['admin_port']}/faults"
        for number in range(20):
            body = {"kind": "error", "name": str(number), "duration_seconds": 9}
            request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
            urllib.request.urlopen(request).close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_SECONDS) == 0
    entries = [json.loads(line) for line in settings.record_path.read_text().splitlines()]
    names = [entry["fault"]["name"] for entry in entries if entry["kind"] == "fault"]
    assert names == [str(number) for number in range(20)]
    with started(settings.config_path) as (process, _):
        process.kill()
        process.wait()
    with started(settings.config_path) as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_SECONDS) == 0
    seqs = [json.loads(line)["seq"] for line in settings.record_path.read_text().splitlines()]
    assert seqs == list(range(1, len(seqs) + 1))


def test_validate_config_touches_nothing(settings: RunningVenue) -> None:
    done = run("validate-config", settings.config_path)
    assert (done.returncode, "good: 2 symbol(s), 3 account(s)" in done.stdout) == (0, True)
    assert not settings.record_path.exists()


@pytest.mark.parametrize("command", [("validate-config",), ("run", "--config")])
def test_bad_settings_are_one_line_and_exit_2(settings: RunningVenue, command: tuple[str, ...]) -> None:
    settings.settings["symbols"][0]["tick_size"] = "much"
    settings.config_path.write_text(yaml.safe_dump(settings.settings))
    done = run(*command, settings.config_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"venue-sim: {settings.config_path}: symbols.0.tick_size: ")


def test_a_taken_port_and_a_bad_certificate_and_record_are_one_line(settings: RunningVenue) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for change, complaint in (
            ({"admin": {"port": port}}, f"admin: cannot listen on 127.0.0.1:{port}: "),
            (
                {"api": settings.settings["api"] | {"key": str(settings.config_path)}},
                "api.certificate, api.key: ",
            ),
            ({"record": "/dev/null/record"}, "record: cannot open /dev/null/record: "),
        ):
            settings.config_path.write_text(yaml.safe_dump(settings.settings | change))
            done = run("run", "--config", settings.config_path)
            assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
            assert complaint in done.stderr


def test_help_teaches() -> None:
    done = run("--help")
    assert done.returncode == 0
    for word in ("accounts.json", "tick_size", "curl -X POST", "validate-config"):
        assert word in done.stdout
    assert run("run").returncode == 2


def test_a_full_disk_stops_it_with_one_line(settings: RunningVenue) -> None:
    limited = [
        "sh",
        "-c",
        'ulimit -f 8 && exec "$@"',
        "sh",
        *COMMAND,
        "run",
        "--config",
        str(settings.config_path),
    ]
    settings.settings["background"] = {"events_per_second": 0}
    settings.config_path.write_text(yaml.safe_dump(settings.settings))
    process = subprocess.Popen(
        limited, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{json.loads(process.stdout.readline())['admin_port']}/faults"
        body = json.dumps({"kind": "error", "name": "x" * 1000, "duration_seconds": 9}).encode()
        for _ in range(100):
            try:
                urllib.request.urlopen(urllib.request.Request(url, body, method="POST"), timeout=5).close()
            except OSError:
                break
        assert process.wait(DEADLINE_SECONDS) == 1
        assert process.stderr is not None
        complaint = process.stderr.read()
        assert (
            complaint == f"venue-sim: stopped: record: cannot write {settings.record_path}: File too large\n"
        )
    finally:
        process.kill()
        process.communicate()


def test_a_reset_is_a_real_one_in_the_process_too(settings: RunningVenue) -> None:
    """uvloop's connections are not asyncio's: the RST is looked for where it arrives, at the socket."""
    with started(settings.config_path) as (_, ready):
        url = f"http://127.0.0.1:{ready['admin_port']}/faults"
        body = json.dumps({"kind": "reset", "endpoint": "time", "duration_seconds": 30}).encode()
        urllib.request.urlopen(urllib.request.Request(url, body, method="POST")).close()

        async def ask() -> bytes:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", ready["api_port"], ssl=settings.ssl_context(), server_hostname="localhost"
            )
            writer.write(b"GET /api/v3/time HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return await asyncio.wait_for(reader.read(), DEADLINE_SECONDS)

        # Not with the blocking ssl module: it takes a reset for the end of the stream.
        with pytest.raises(ConnectionResetError):
            asyncio.run(ask())
