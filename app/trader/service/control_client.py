"""Asks a running service over its control socket.

Apart from the server, and with few imports: `trader kill` starts here, and with the server's (asyncio,
pydantic) it would take 0.3 s more of a core on each host.
"""

import json
import socket
from pathlib import Path
from typing import Any

import yaml

ANSWER_BYTES = 8 * 1024 * 1024
ANSWER_SECONDS = 60.0
DEFAULT_SOCKET = Path("/run/trader/control.sock")


class ControlError(Exception):
    """The socket cannot be served, or the service cannot be asked; one line with the next step."""


def control_socket(path: Path) -> Path:
    """Only `control` of a settings file: a mistake elsewhere in it must not make the service unreachable.

    Raises:
        ControlError: no such file, not YAML, or `control` is wrong.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ControlError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ControlError(f"{path}: not a settings file; correct it") from error
    if not isinstance(content, dict):
        raise ControlError(f"{path}: not a settings file; correct it")
    section = content.get("control", {})
    if not isinstance(section, dict):
        raise ControlError(f"{path}: control: must hold keys and values")
    for key in section:
        if key != "socket":
            raise ControlError(f"{path}: control.{key}: no such key; remove it")
    found = section.get("socket", str(DEFAULT_SOCKET))
    if not isinstance(found, str):
        raise ControlError(f"{path}: control.socket: must be a path")
    return Path(found)


class ControlClient:
    """Asks a running service. Synchronous: a command has nothing else to do meanwhile."""

    def __init__(self, path: Path, timeout_seconds: float = ANSWER_SECONDS + 5) -> None:
        self._path = path
        self._timeout_seconds = timeout_seconds

    def call(self, name: str, **params: Any) -> dict[str, Any]:
        """Ask once.

        Raises:
            ControlError: the service does not run, we may not ask it, it does not answer, or it says no.
        """
        request = json.dumps({"call": name, "params": params}).encode() + b"\n"
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
                connection.settimeout(self._timeout_seconds)
                connection.connect(str(self._path))
                connection.sendall(request)
                line = self._read_line(connection)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise ControlError(
                f"{self._path}: the service is not running; start it: systemctl start trader"
            ) from error
        except PermissionError as error:
            raise ControlError(f"{self._path}: no permission; be root or the service's user") from error
        except TimeoutError as error:
            raise ControlError(
                f"{self._path}: no answer within {self._timeout_seconds:g} s; it may hang, see its log"
            ) from error
        except OSError as error:
            raise ControlError(f"{self._path}: {error.strerror or error}; see the service's log") from error
        return self._result(line)

    def _read_line(self, connection: socket.socket) -> bytes:
        line = bytearray()
        while not line.endswith(b"\n"):
            part = connection.recv(65_536)
            line += part
            if not part or len(line) > ANSWER_BYTES:
                break
        return bytes(line)

    def _result(self, line: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(line)
            if answer["ok"]:
                return dict(answer["result"])
            refusal = str(answer["error"])
        except (ValueError, KeyError, TypeError) as error:
            raise ControlError(
                f"{self._path}: the answer was cut off; the service may have stopped, see its log"
            ) from error
        raise ControlError(refusal)
