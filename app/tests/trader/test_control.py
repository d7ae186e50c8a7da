"""Only root and the service's user are heard; whatever they send gets one answer."""

import asyncio
import io
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from trader.service import control
from trader.service.control import ControlServer, RefusedError
from trader.service.control_client import ControlClient, ControlError
from trader.telemetry.events import Events


class Served:
    """A server with a few handlers, and what it logged."""

    def __init__(self, path: Path) -> None:
        self.log = io.StringIO()
        self.path = path
        self.server = ControlServer(
            path,
            {"echo": self._echo, "refuse": self._refuse, "fail": self._fail, "hang": self._hang},
            Events(self.log),
        )

    async def _echo(self, text: str, times: int = 1) -> dict[str, Any]:
        return {"text": text * times}

    async def _refuse(self) -> dict[str, Any]:
        raise RefusedError("2 orders are open at the venue")

    async def _fail(self) -> dict[str, Any]:
        raise ValueError("secret=hunter2 and more")

    async def _hang(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    async def call(self, name: str, **params: Any) -> dict[str, Any]:
        return await asyncio.to_thread(ControlClient(self.path).call, name, **params)

    async def refusal(self, name: str, **params: Any) -> str:
        with pytest.raises(ControlError) as caught:
            await self.call(name, **params)
        return str(caught.value)

    async def send(self, raw: bytes) -> dict[str, Any]:
        """Bytes as they are."""
        reader, writer = await asyncio.open_unix_connection(str(self.path))
        writer.write(raw)
        answer = json.loads(await reader.readline())
        writer.close()
        return dict(answer)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    running = Served(tmp_path / "control.sock")
    await running.server.start()
    yield running
    await running.server.stop()


async def test_a_call_is_answered_and_logged(served: Served) -> None:
    assert await served.call("echo", text="ab", times=2) == {"text": "abab"}
    [event] = served.events()
    assert (event["event"], event["call"], event["uid"], event["pid"]) == (
        "control_called",
        "echo",
        os.geteuid(),
        os.getpid(),
    )


async def test_the_socket_is_for_its_owner_alone(served: Served) -> None:
    mode = served.path.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


async def test_somebody_else_is_refused_and_logged(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_peer", lambda writer: (77, 12_345))
    assert await served.refusal("echo", text="x") == (
        "user 12345 may not control this service; be root or its own user"
    )
    [event] = served.events()
    assert (event["event"], event["uid"], event["pid"]) == ("control_refused", 12_345, 77)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
async def test_the_kernel_says_who_it_is(served: Served) -> None:
    served.path.chmod(0o666)
    served.path.parent.chmod(0o755)
    code = (
        "import os, socket, sys; os.setresuid(65534, 65534, 65534); s = socket.socket(socket.AF_UNIX);"
        's.connect(sys.argv[1]); s.sendall(b\'{"call": "echo"}\\n\'); print(s.recv(999).decode())'
    )
    for folder in served.path.parents:
        if folder.stat().st_uid == os.geteuid() and "pytest" in str(folder):
            folder.chmod(0o755)
    process = await asyncio.create_subprocess_exec(
        "python3", "-c", code, str(served.path), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert "user 65534 may not control" in json.loads(out)["error"]
    assert served.events()[0]["event"] == "control_refused"


@pytest.mark.parametrize(
    ("name", "params", "text"),
    [
        ("dance", {}, "no such call; there are: echo, fail, hang, refuse"),
        ("echo", {}, "echo: missing a required argument: 'text'"),
        ("echo", {"text": "x", "colour": 1}, "echo: got an unexpected keyword argument 'colour'"),
        ("refuse", {}, "2 orders are open at the venue"),
        ("fail", {}, "fail failed: ValueError; see the service's log"),
    ],
)
async def test_a_no_is_one_line(served: Served, name: str, params: dict[str, Any], text: str) -> None:
    assert await served.refusal(name, **params) == text
    assert await served.call("echo", text="alive") == {"text": "alive"}


async def test_a_failure_is_logged_without_secrets(served: Served) -> None:
    await served.refusal("fail")
    assert served.events()[-1]["event"] == "control_failed"
    assert "hunter2" not in served.log.getvalue()


@pytest.mark.parametrize(
    "raw",
    [b"\n", b"hello\n", b"[]\n", b"7\n", b'{"call": []}\n', b'{"call": "echo", "params": [1]}\n', b"\xff\n"],
)
async def test_nonsense_is_refused(served: Served, raw: bytes) -> None:
    answer = await served.send(raw)
    assert answer["ok"] is False
    assert await served.call("echo", text="alive") == {"text": "alive"}


async def test_a_request_is_bounded_in_size_and_time(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = await served.send(b"x" * (control.REQUEST_BYTES + 2))
    assert "at most 65536 bytes" in answer["error"]
    monkeypatch.setattr(control, "REQUEST_SECONDS", 0.05)
    answer = await served.send(b'{"call"')
    assert "within 0.05 s" in answer["error"]
    monkeypatch.setattr(control, "ANSWER_SECONDS", 0.05)
    assert await served.refusal("hang") == "hang did not end within 0.05 s"


async def test_one_that_hangs_keeps_no_other_waiting(served: Served) -> None:
    waiting = [asyncio.open_unix_connection(str(served.path)) for _ in range(control.CONNECTIONS - 1)]
    opened = await asyncio.gather(*waiting)
    assert await served.call("echo", text="x") == {"text": "x"}
    for _, writer in opened:
        writer.close()


async def test_a_dead_services_socket_is_replaced_and_a_living_ones_is_not(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    first, second = Served(path), Served(path)
    await first.server.start()
    with pytest.raises(ControlError, match="another service listens there"):
        await second.server.start()
    await second.server.stop()
    assert await first.call("echo", text="still here") == {"text": "still here"}
    await first.server.stop()
    assert not path.exists()


async def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("mine")
    with pytest.raises(ControlError, match="is no socket"):
        await Served(path).server.start()
    assert path.read_text() == "mine"


@pytest.mark.parametrize("path", ["absent/control.sock", "x" * 200])
async def test_a_path_that_cannot_be_used_is_one_line(tmp_path: Path, path: str) -> None:
    with pytest.raises(ControlError, match=r"control\.socket: .*; its folder must be there"):
        await Served(tmp_path / path).server.start()


def _dead(path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.close()


@pytest.mark.parametrize(
    ("make", "message"),
    [(lambda path: None, "the service is not running"), (_dead, "the service is not running")],
)
def test_without_a_service_the_client_says_so(
    tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    path = tmp_path / "control.sock"
    make(path)
    with pytest.raises(ControlError, match=message):
        ControlClient(path).call("status")


@pytest.mark.parametrize(
    ("answer", "message"),
    [(None, "no answer within 0.1 s"), (b"", "cut off"), (b'{"ok": tr', "cut off"), (b"[]\n", "cut off")],
)
def test_a_service_that_does_not_answer_well_is_said(
    tmp_path: Path, answer: bytes | None, message: str
) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        client = ControlClient(tmp_path / "s", timeout_seconds=0.1 if answer is None else 5)
        if answer is None:
            with pytest.raises(ControlError, match=message):
                client.call("status")
            return

        async def both() -> None:
            asking = asyncio.create_task(asyncio.to_thread(client.call, "status"))
            connection, _ = await asyncio.to_thread(listener.accept)
            connection.recv(1_000)
            connection.sendall(answer)
            connection.close()
            with pytest.raises(ControlError, match=message):
                await asking

        asyncio.run(both())
