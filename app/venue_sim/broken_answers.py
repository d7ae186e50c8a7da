"""Answers that faults break, as they leave: on an HTTP connection, and on one of the WebSocket API."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from typing import Any

from aiohttp import web

from venue_sim import fault as kinds
from venue_sim.connections import Connection
from venue_sim.fault import Fault
from venue_sim.faults import Faults

PAGE = "<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center></body></html>"
_JSON = "application/json;charset=UTF-8"
_HANG_CHECK_SECONDS = 0.25
_IDS = ("orderId", "algoId")
_CLIENT_IDS = ("clientOrderId", "origClientOrderId", "clientAlgoId")
_LINGER_NOT = struct.pack("ii", 1, 0)


async def over_rest(
    request: web.BaseRequest, faults: Faults, fault: Fault, whole: bytes, status: int, headers: dict[str, str]
) -> web.Response:
    """Answer an HTTP request as a fault wants it.

    Args:
        request: answered here, or never.
        faults: says how long a hang lasts.
        fault: of a kind that breaks answers.
        whole: the body of the good answer.
        status, headers: of the good answer.
    """
    transport = request.transport
    if fault.kind == kinds.HTML:
        page = PAGE.format(status=fault.http_status)
        return web.Response(status=fault.http_status, text=page, content_type="text/html")
    if fault.kind == kinds.BAD_JSON:
        return web.Response(body=_half(whole), status=status, headers={"Content-Type": _JSON, **headers})
    if fault.kind == kinds.EMPTY:
        return web.Response(body=b"", status=status, headers={"Content-Type": _JSON, **headers})
    if transport is not None:
        if fault.kind == kinds.HANG:
            await _stay_silent(transport, faults, fault)
        elif fault.kind == kinds.RESET:
            reset(transport)
        else:
            if fault.kind == kinds.TRUNCATED:
                lines = [f"HTTP/1.1 {status} OK", f"Content-Type: {_JSON}", f"Content-Length: {len(whole)}"]
                lines += [f"{name}: {value}" for name, value in headers.items()]
                transport.write("\r\n".join([*lines, "", ""]).encode() + _half(whole))
            transport.close()
    return web.Response()  # never arrives: the connection is gone


def over_websocket(connection: Connection, fault: Fault, whole: bytes) -> None:
    """Answer a request of the WebSocket API as a fault wants it; after a hang the connection goes on."""
    transport = connection.transport
    if fault.kind == kinds.BAD_JSON:
        connection.put(_half(whole))
    elif fault.kind == kinds.EMPTY:
        connection.put(b"")
    elif transport is not None and fault.kind == kinds.RESET:
        reset(transport)
    elif transport is not None and fault.kind in (kinds.CLOSE, kinds.TRUNCATED):
        if fault.kind == kinds.TRUNCATED:
            transport.write(_text_frame_head(len(whole)) + _half(whole))
        transport.close()


def without_ids(body: Any) -> Any:
    """A good answer without the ids of its orders."""
    if isinstance(body, list):
        return [without_ids(row) for row in body]
    if not isinstance(body, dict):
        return body
    return {name: value for name, value in body.items() if name not in (*_IDS, *_CLIENT_IDS)}


def with_client_id(body: Any, client_id: str) -> Any:
    """A good answer that names another client order id."""
    if isinstance(body, list):
        return [with_client_id(row, client_id) for row in body]
    if not isinstance(body, dict):
        return body
    return {name: client_id if name in _CLIENT_IDS else value for name, value in body.items()}


def with_status(body: Any, status: str) -> Any:
    """A good answer that says the same status of every order."""
    if isinstance(body, list):
        return [with_status(row, status) for row in body]
    return {**body, "status": status} if isinstance(body, dict) and "status" in body else body


def reset(transport: asyncio.Transport) -> None:
    """End a connection with a TCP RST: without lingering the kernel sends no FIN."""
    held = transport.get_extra_info("socket")
    # A twin of the descriptor, because not every event loop's socket can be given options.
    with socket.socket(fileno=os.dup(held.fileno())) as twin:
        twin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    transport.abort()


async def _stay_silent(transport: asyncio.Transport, faults: Faults, fault: Fault) -> None:
    """Hold a connection open, unanswered, until the fault ends or the client goes; then drop it."""
    while not transport.is_closing():
        if not faults.holds(fault, time.monotonic_ns()):
            transport.abort()
            return
        await asyncio.sleep(_HANG_CHECK_SECONDS)


def _half(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


def _text_frame_head(length: int) -> bytes:
    """The head of an unmasked, final text frame (RFC 6455, 5.2)."""
    if length < 126:
        return struct.pack("!BB", 0x81, length)
    if length < 1 << 16:
        return struct.pack("!BBH", 0x81, 126, length)
    return struct.pack("!BBQ", 0x81, 127, length)
