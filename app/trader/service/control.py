"""Control over a Unix socket: one JSON object in a line is the request, one is the answer.

Who may: root and the service's own user. The kernel says who is there (SO_PEERCRED), so there is no password
to keep; the socket's mode keeps all others from connecting at all.
"""

import asyncio
import inspect
import json
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from trader.service.control_client import ANSWER_SECONDS, DEFAULT_SOCKET, ControlError
from trader.telemetry.events import Events

REQUEST_BYTES = 64 * 1024
REQUEST_SECONDS = 5.0
CONNECTIONS = 8
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid

Handler = Callable[..., Awaitable[dict[str, Any]]]


class RefusedError(Exception):
    """A handler's no, in one line for the person who asked."""


class ControlSettings(BaseModel):
    """The Unix socket of `trader status` and its kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    socket: Path = Field(
        default=DEFAULT_SOCKET,
        description="Path of the socket; its folder is there already.",
    )


class ControlServer:
    """Serves until stopped.

    Args:
        handlers: by name; called with the request's parameters, answers with JSON-ready values. It raises
            `RefusedError` to say no.
    """

    def __init__(self, path: Path, handlers: Mapping[str, Handler], events: Events) -> None:
        self._path = path
        self._handlers = handlers
        self._events = events
        self._server: asyncio.Server | None = None
        self._own: tuple[int, int] | None = None
        self._free = asyncio.Semaphore(CONNECTIONS)

    async def start(self) -> None:
        """Listen.

        Raises:
            ControlError: another service listens there, or the path cannot be used.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            _clear(self._path)
            mask = os.umask(0o177)
            try:
                listener.bind(str(self._path))
            finally:
                os.umask(mask)
            self._own = _identity(self._path)
            self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=REQUEST_BYTES)
        except OSError as error:
            listener.close()
            text = error.strerror or str(error)
            raise ControlError(
                f"control.socket: {self._path}: {text}; its folder must be there, writable and a short path"
            ) from error
        except BaseException:
            listener.close()
            raise

    async def stop(self) -> None:
        """Stop listening, and take the socket away if it is still ours."""
        if self._server is not None:
            self._server.close()
        if self._own is not None and _identity(self._path) == self._own:
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with self._free:
                answer = await self._answer(reader, writer)
                writer.write(json.dumps(answer).encode() + b"\n")
                async with asyncio.timeout(REQUEST_SECONDS):
                    await writer.drain()
        except (OSError, TimeoutError):
            return  # nobody reads the answer any more
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, Any]:
        pid, uid = _peer(writer)
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                line = await reader.readline()
        except (ValueError, TimeoutError):
            return _no(
                f"a request is one line of at most {REQUEST_BYTES} bytes, within {REQUEST_SECONDS:g} s"
            )
        # Only now: closing on what is unread would lose the answer.
        if uid not in (0, os.geteuid()):
            self._events.emit("control_refused", "warning", uid=uid, pid=pid)
            return _no(f"user {uid} may not control this service; be root or its own user")
        try:
            request = json.loads(line)
            name, params = request["call"], dict(request.get("params") or {})
            handler = self._handlers[name]
        except KeyError:
            return _no(f"no such call; there are: {', '.join(sorted(self._handlers))}")
        except (ValueError, TypeError, AttributeError):
            return _no('a request is one JSON object: {"call": "status", "params": {}}')
        self._events.emit("control_called", call=name, uid=uid, pid=pid)
        return await self._call(name, handler, params)

    async def _call(self, name: str, handler: Handler, params: dict[str, Any]) -> dict[str, Any]:
        try:
            inspect.signature(handler).bind(**params)
        except TypeError as error:
            return _no(f"{name}: {error}")
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return {"ok": True, "result": await handler(**params)}
        except RefusedError as error:
            return _no(str(error))
        except TimeoutError:
            return _no(f"{name} did not end within {ANSWER_SECONDS:g} s")
        except Exception as error:  # noqa: BLE001 - a failed question must not end the service; it is logged and told
            self._events.error("control_failed", error, call=name)
            return _no(f"{name} failed: {type(error).__name__}; see the service's log")


def _no(text: str) -> dict[str, Any]:
    return {"ok": False, "error": text}


def _peer(writer: asyncio.StreamWriter) -> tuple[int, int]:
    """The process id and user id of who connected."""
    connection = writer.get_extra_info("socket")
    pid, uid, _ = _CREDENTIALS.unpack(
        connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    )
    return pid, uid


def _clear(path: Path) -> None:
    """Take away what a dead service left; refuse to take a living one's socket, or a file that is none."""
    try:
        known = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(known.st_mode):
        raise ControlError(f"control.socket: {path} is there and is no socket; give another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except TimeoutError:
            pass  # somebody listens, and is busy
    raise ControlError(f"control.socket: {path}: another service listens there; stop that one first")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        known = path.lstat()
    except OSError:
        return None
    return known.st_dev, known.st_ino
