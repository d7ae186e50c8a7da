"""Lower floors never import higher ones, and the pure floor imports nothing that does I/O."""

import ast
from pathlib import Path

import pytest

import trader

ROOT = Path(trader.__file__).resolve().parent
FLOORS = [
    {"cli", "commands"},
    {"service", "peers"},
    {"strategy", "shadow", "preflight", "panic", "shipping", "eod"},
    {"orders", "reconcile", "kill_switch"},
    {"risk", "journal", "venue", "telemetry"},
    {"model"},
]
PURE = {"collections", "dataclasses", "decimal", "enum", "re", "typing"}
FILES = sorted(ROOT.rglob("*.py"))


def floor_of(package: str) -> int:
    return next(level for level, names in enumerate(FLOORS) if package in names)


def package_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    return modules


def breaches(package: str, tree: ast.AST) -> list[str]:
    """Imports of a higher floor, or of a neighbour that is not allowed to be known."""
    own = [module.split(".")[1] for module in imported(tree) if module.startswith("trader.")]
    return [name for name in own if name in set().union(*FLOORS) and floor_of(name) < floor_of(package)]


def test_every_package_has_a_floor() -> None:
    packages = {package_of(path) for path in FILES} - {"__init__"}
    assert packages <= set().union(*FLOORS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    if path.parent == ROOT and path.name == "__init__.py":
        assert not [m for m in imported(ast.parse(path.read_text())) if m.startswith("trader")]
        return
    assert not breaches(package_of(path), ast.parse(path.read_text()))


@pytest.mark.parametrize("path", sorted((ROOT / "model").glob("*.py")), ids=lambda path: path.name)
def test_the_model_is_pure(path: Path) -> None:
    roots = {module.split(".")[0] for module in imported(ast.parse(path.read_text()))}
    assert roots <= PURE | {"trader"}


@pytest.mark.parametrize("path", sorted((ROOT / "risk").glob("*.py")), ids=lambda path: path.name)
def test_risk_is_pure(path: Path) -> None:
    modules = imported(ast.parse(path.read_text()))
    assert {module.split(".")[0] for module in modules} <= PURE | {"datetime", "pydantic", "trader"}
    own = {module.split(".")[1] for module in modules if module.startswith("trader.")}
    assert own <= {"model", "risk"}
    assert not modules & {"datetime", "datetime.datetime"}, (
        "a `date` is a value, a `datetime` reads the clock"
    )


@pytest.mark.parametrize("path", sorted((ROOT / "panic").glob("*.py")), ids=lambda path: path.name)
def test_panic_needs_little_of_the_service(path: Path) -> None:
    modules = {module for module in imported(ast.parse(path.read_text())) if module.startswith("trader.")}
    assert {module.split(".")[1] for module in modules} <= {"panic", "kill_switch", "venue", "telemetry"}


@pytest.mark.parametrize(
    ("package", "line"),
    [
        ("model", "from trader.venue.gateway import Gateway"),
        ("journal", "import trader.service.settings"),
        ("strategy", "from trader import cli"),
        ("risk", "from trader.orders.book import OrderBook"),
    ],
)
def test_a_breach_is_found(package: str, line: str) -> None:
    assert breaches(package, ast.parse(line))
