"""A small project to build: one package, one locked dependency in a wheel folder, no network.

Not a conftest: app/tests has one, and two modules of one name cannot be type-checked together.
"""

import base64
import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

PYPROJECT = """\
[project]
name = "app"
version = "1.2.3"

[project.scripts]
trader = "trader.cli:main"
venue-sim = "venue_sim.cli:main"
"""
CLI = """\
import sys

import tinydep


def main() -> int:
    print(f"{tinydep.NAME} {tinydep.__cached__ is not None} {sys.flags.isolated} {sys.path[1:]}")
    return 0
"""


def make_wheel(folder: Path, name: str = "tinydep", content: str = "NAME = 'tiny'\n") -> str:
    """Write a wheel into a folder and return its sha256, as a lock file states it."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}/__init__.py": content,
        f"{name}/data.json": "{}",
        f"{name}/__init__.pyi": "NAME: str\n",
        f"{name}/tests/__init__.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name}-tool = {name}:NAME\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text)}\n"
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items() | {(f"{info}/RECORD", record + f"{info}/RECORD,,\n")}:
            archive.writestr(path, text)
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def make_checkout(root: Path, lock: str) -> Path:
    """Write a checkout with the packages `trader` and `venue_sim`."""
    for package in ("trader", "venue_sim"):
        folder = root / "app" / package
        (folder / "tests").mkdir(parents=True)
        (folder / "__init__.py").write_text("")
        (folder / "cli.py").write_text(CLI)
        (folder / "metrics.yml").write_text("name: up\n")
        (folder / "tests/test_cli.py").write_text("assert False\n")
        (folder / ".editor.swp").write_text("droppings")
    (root / "app/pyproject.toml").write_text(PYPROJECT)
    (root / "app/requirements.lock").write_text(lock)
    return root


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Lock file text whose one package lies in a wheel folder that pip is told of."""
    digest = make_wheel(tmp_path / "wheels")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return f"tinydep==1.0 --hash=sha256:{digest}\n"


@pytest.fixture
def new_checkout() -> Callable[[Path, str], Path]:
    """`make_checkout`; pytest loads this file as a plugin, which a test should not import as well."""
    return make_checkout


@pytest.fixture
def checkout(tmp_path: Path, lock: str) -> Path:
    return make_checkout(tmp_path / "checkout", lock)
