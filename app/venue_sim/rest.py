"""The REST API: from HTTP to a call and back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from venue_sim import broken_answers
from venue_sim.auth import rest_payload
from venue_sim.endpoints import BY_ROUTE, Endpoint
from venue_sim.errors import VenueError
from venue_sim.front import Call, Front
from venue_sim.parameters import Parameters
from venue_sim.stamps import arrival_ns, peer_address

_JSON = "application/json;charset=UTF-8"


class Rest:
    """Answers REST requests."""

    def __init__(self, front: Front, routes: Mapping[tuple[str, str], Endpoint] = BY_ROUTE) -> None:
        self._front = front
        self._routes = routes

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path, _, query = request.raw_path.partition("?")
        endpoint = self._routes.get((request.method, path))
        if endpoint is None:
            # As the venue: its front answers unknown paths with a page, not with JSON.
            return web.Response(
                status=404, text="<html><body><h1>404 Not found</h1></body></html>", content_type="text/html"
            )
        arrived_ns = arrival_ns(request)
        body = await request.read() if request.body_exists else b""
        query_bytes = query.encode()
        pairs = parse_qsl(query, keep_blank_values=True)
        if body:
            pairs += parse_qsl(body.decode("latin-1"), keep_blank_values=True)
        parameters = Parameters(pairs)
        call = Call(
            transport="rest",
            endpoint=endpoint,
            parameters=parameters,
            api_key=request.headers.get("X-MBX-APIKEY") or None,
            payloads=(rest_payload(query_bytes, body),),
            peer=peer_address(request),
            arrival_monotonic_ns=arrived_ns,
            arrival_wall_ns=time.time_ns() - (time.monotonic_ns() - arrived_ns),
            repeated=len(parameters) != len(pairs),
        )
        hits = self._front.hits(call)
        reply = await self._front.serve_with(call, hits) if hits else self._front.serve(call)
        if reply.text is not None:
            return web.Response(text=reply.text, status=reply.http_status, headers=reply.headers)
        content = orjson.dumps(_error_body(reply.error) if reply.error else reply.body)
        if reply.broken is not None:
            return await broken_answers.over_rest(
                request, self._front.faults, reply.broken, content, reply.http_status, reply.headers
            )
        headers = {"Content-Type": _JSON, **reply.headers}
        return web.Response(body=content, status=reply.http_status, headers=headers)


def _error_body(error: VenueError) -> dict[str, int | str]:
    return {"code": error.code, "msg": error.message}
