from collections.abc import Iterator
from pathlib import Path

import pytest

from ops import paths
from ops.canary import soak as soak_module
from tests.canary.commands import HOSTS, METRICS, make_release
from tests.canary_helpers import OLD_RELEASE, OLD_SHA256, FakePrometheus, serve


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "RELEASES", tmp_path / "var/releases")
    monkeypatch.setattr(paths, "ROLLOUTS", tmp_path / "var/rollouts")
    monkeypatch.setattr(paths, "EVIDENCE", tmp_path / "var/evidence")
    (tmp_path / "app/trader/telemetry").mkdir(parents=True)
    (tmp_path / "app/trader/telemetry/metrics.yml").write_text(METRICS)
    return make_release("trader")


@pytest.fixture
def fake(release: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePrometheus]:
    with serve(FakePrometheus(HOSTS)) as served:
        monkeypatch.setattr(soak_module, "Clock", served.clock)
        for host in served.hosts.values():
            host.release, host.sha256 = OLD_RELEASE, OLD_SHA256
        yield served
