import os
import socket
from pathlib import Path

from trader.service.notify import Notifier


def test_messages_arrive_as_assignments(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")}).send(READY=1, STATUS="trading")
        assert systemd.recv(100) == b"READY=1\nSTATUS=trading"


def test_an_abstract_address_works() -> None:
    name = f"trader-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + name)
        systemd.settimeout(5)
        Notifier({"NOTIFY_SOCKET": "@" + name}).send(STOPPING=1)
        assert systemd.recv(100) == b"STOPPING=1"


def test_nobody_listening_is_no_error(tmp_path: Path) -> None:
    Notifier({}).send(READY=1)
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "absent")}).send(READY=1)


def test_the_watchdog_is_ours_only_if_the_pid_is() -> None:
    assert Notifier({"WATCHDOG_USEC": "2000000"}).watchdog_seconds == 2
    assert Notifier({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}).watchdog_seconds == 2
    assert Notifier({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}).watchdog_seconds is None
    assert Notifier({}).watchdog_seconds is None
