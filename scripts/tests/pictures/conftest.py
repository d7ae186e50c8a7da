"""Two real Prometheus servers: over a fleet in which nothing is wrong, and over one in which much is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.slo.model import Model, load
from tests.pictures_fleet import Running, prometheus
from tests.pictures_states import ill, well


@pytest.fixture(scope="session")
def model() -> Model:
    return load()


@pytest.fixture(scope="session")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The browser's own folder."""
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="session")
def well_fleet(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with prometheus(well(), model, tmp_path_factory.mktemp("well")) as running:
        assert running.wait_for(lambda: running.query("slo:error_budget:remaining"))
        assert running.wait_for(lambda: running.query('ALERTS{alertname="Watchdog", alertstate="firing"}'))
        yield running


@pytest.fixture(scope="session")
def ill_fleet(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with prometheus(ill(), model, tmp_path_factory.mktemp("ill")) as running:
        assert running.wait_for(lambda: running.query("slo:error_budget:remaining"))
        for alert in (
            "HostMissing",
            "KillSwitchTripped",
            "DailyLoss50",
            "ReleaseSkew",
            "OrderLatencyP95Symptom",
        ):
            fires = f'ALERTS{{alertname="{alert}", alertstate="firing"}}'
            assert running.wait_for(lambda fires=fires: running.query(fires)), f"{alert} does not fire"  # type: ignore[misc]
        yield running
