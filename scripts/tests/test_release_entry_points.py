"""What the package offers by entry point is in the artifact, and an interpreter on a host finds it."""

import subprocess
from pathlib import Path

import pytest

from ops.errors import OperatorError
from ops.release.build import build, read_project

pytest_plugins = ["tests.release_helpers"]
ROOT = Path(__file__).parents[2]
DECLARED = """
[project.entry-points."trader.strategies"]
slow = "trader.cli:main"
other = "venue_sim.cli:main"

[project.entry-points."trader.others"]
x = "venue_sim.cli:main"
"""
PROGRAM = """\
import sys
from importlib.metadata import entry_points
sys.path[:] = [sys.argv[1], *(path for path in sys.path if not path.endswith("-packages"))]
for point in entry_points(group="trader.strategies"):
    print(point.name, point.value, point.dist.version)
"""


def unpack(artifact: Path, target: Path) -> Path:
    target.mkdir()
    subprocess.run(["tar", "--zstd", "-xf", artifact, "-C", target], check=True)
    return target


def test_an_unpacked_release_offers_what_its_own_package_declares(tmp_path: Path, checkout: Path) -> None:
    project = checkout / "app/pyproject.toml"
    project.write_text(project.read_text() + DECLARED)
    release = build(checkout, tmp_path / "var", "trader", []).release
    folder = unpack(release.artifact, tmp_path / "release")
    text = (folder / "lib/trader-1.2.3.dist-info/entry_points.txt").read_text()
    assert text == "[trader.strategies]\nslow = trader.cli:main\n"
    command: list[str | Path] = ["/usr/bin/python3", "-IB", "-c", PROGRAM, folder / "lib"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "slow trader.cli:main 1.2.3\n"
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "MANIFEST"], cwd=folder, check=True)


def test_a_package_that_declares_nothing_has_no_such_file(tmp_path: Path, checkout: Path) -> None:
    release = build(checkout, tmp_path / "var", "trader", []).release
    assert not list(unpack(release.artifact, tmp_path / "release").rglob("trader-*/entry_points.txt"))


def test_the_real_package_offers_its_strategies() -> None:
    offered = read_project(ROOT / "app/pyproject.toml", "trader").entry_points
    assert set(offered) == {"trader.strategies"}
    assert {"quoter", "twap"} <= set(offered["trader.strategies"])
    assert read_project(ROOT / "app/pyproject.toml", "venue_sim").entry_points == {}


@pytest.mark.parametrize("wrong", ["entry-points = 3", "entry-points = {'trader.strategies' = 'x'}"])
def test_entry_points_of_another_form_are_one_line(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(f"[project]\nversion = '1'\nscripts = {{trader = 'trader.cli:main'}}\n{wrong}\n")
    with pytest.raises(OperatorError, match="entry-points cannot be read"):
        read_project(path, "trader")
