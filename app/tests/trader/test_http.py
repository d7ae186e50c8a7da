import json
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest

from trader.service.http import HealthServer, HttpError
from trader.telemetry.metrics import Metrics

REASONS: dict[str, str] = {}


@pytest.fixture
async def base() -> AsyncIterator[str]:
    server = HealthServer(Metrics(), lambda: {"state": "halted"}, lambda: REASONS)
    port = await server.start("127.0.0.1", 0)
    yield f"http://127.0.0.1:{port}"
    await server.stop()


async def ask(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def test_health_is_answered_while_halted(base: str) -> None:
    assert await ask(f"{base}/healthz") == (200, '{"state":"halted"}\n')


async def test_readiness_gives_its_reasons(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await ask(f"{base}/readyz"))[0] == 200
    monkeypatch.setitem(REASONS, "journal", "disk full")
    status, body = await ask(f"{base}/readyz")
    assert status == 503
    assert json.loads(body) == {"ready": False, "reasons": {"journal": "disk full"}}


async def test_metrics_are_text(base: str) -> None:
    status, body = await ask(f"{base}/metrics")
    assert status == 200
    assert 'trader_orders_total{outcome="acknowledged"} 0.0' in body


async def test_an_address_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = HealthServer(Metrics(), dict, dict)
        with pytest.raises(HttpError, match=rf"cannot listen on 127\.0\.0\.1:{port}"):
            await server.start("127.0.0.1", port)
