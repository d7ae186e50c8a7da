"""Fixtures for the tests of the service."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.trader.support import RunningTrader
from tests.venue_sim.support import RunningVenue


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
