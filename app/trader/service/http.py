"""Health, readiness and metrics on one private address."""

from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from trader.telemetry.metrics import Metrics

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class HttpError(Exception):
    """The address cannot be served; one line."""


class HealthServer:
    """Answers as long as the loop lives, halted or not.

    Args:
        health: the body of /healthz.
        not_ready: why the service is not ready; empty = ready.
    """

    def __init__(
        self, metrics: Metrics, health: Callable[[], dict[str, Any]], not_ready: Callable[[], dict[str, str]]
    ) -> None:
        self._metrics = metrics
        self._health = health
        self._not_ready = not_ready
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen.

        Returns:
            The port, which the system chose when 0 was asked for.

        Raises:
            HttpError: the address is not ours or in use.
        """
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._answer_health),
                web.get("/readyz", self._answer_ready),
                web.get("/metrics", self._answer_metrics),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise HttpError(
                f"http: cannot listen on {host}:{port}: {error.strerror}; free it or correct http"
            ) from error
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer_health(self, request: web.Request) -> web.Response:
        return _json(self._health())

    async def _answer_ready(self, request: web.Request) -> web.Response:
        reasons = self._not_ready()
        return _json({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    async def _answer_metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.expose(), headers={"Content-Type": METRICS_TYPE})


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body) + b"\n", status=status, content_type="application/json")
