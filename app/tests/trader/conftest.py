"""Fixtures for the tests of the service."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.trader.support import RunningTrader
from tests.venue_sim.support import RunningVenue


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that the service runs on; the standard one of 3.11 cannot close a TLS connection twice."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def make_trader(tmp_path: Path) -> Iterator[Callable[..., RunningTrader]]:
    """Prepares services: `make_trader(venue, drain={...})`; they end with the test."""
    made: list[RunningTrader] = []

    def make(venue: RunningVenue, **changes: Any) -> RunningTrader:
        folder = tmp_path / f"trader-{len(made)}"
        folder.mkdir()
        made.append(RunningTrader(folder, venue, **changes))
        return made[-1]

    yield make
    for trader in made:
        trader.close()
