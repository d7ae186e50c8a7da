"""Fixtures for the tests of the service and of the emulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.certificates import Certificates, make_certificates
from tests.venue_sim.support import RunningVenue, resolve_test_names, run_venue


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A throw-away CA and the emulator's certificate."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def make_venue(
    tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., RunningVenue]]:
    """Starts emulators with settings of the test's own: `make_venue(background={"events_per_second": 0})`."""
    resolve_test_names(monkeypatch)
    with ExitStack() as running:

        def make(**settings: Any) -> RunningVenue:
            folder = tmp_path / f"venue-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            return running.enter_context(contextmanager(run_venue)(folder, certificates, **settings))

        yield make


@pytest.fixture
def venue(make_venue: Callable[..., RunningVenue]) -> RunningVenue:
    """A running emulator with the lively market of its defaults."""
    return make_venue()


@pytest.fixture
def quiet_venue(make_venue: Callable[..., RunningVenue]) -> RunningVenue:
    """A running emulator in which nobody trades but the test's own accounts."""
    return make_venue(background={"events_per_second": 0})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests recorded as `series per host`."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            for name, value in report.user_properties:
                if name.startswith("series per host"):
                    terminalreporter.write_line(f"{name}: {value}")
