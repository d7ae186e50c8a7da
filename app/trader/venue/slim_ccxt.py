"""ccxt, with each exchange loaded when it is asked for.

`import ccxt` and `import ccxt.pro` load the classes of all exchanges, three times (sync, async,
streaming): 0.7 s and 110 MB, of which the one that is traded needs a third. The packages do nothing with
those classes but name them, so placeholders stand in while the packages load, and the real module is
imported at the first use of its name. Everybody else in the process sees ccxt as it always is. Whoever
needs ccxt imports it from here, so that this happens first.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_PACKAGES = ("ccxt", "ccxt.async_support", "ccxt.pro")
_SHARED = frozenset({"abstract", "async_support", "base", "pro", "static_dependencies"})


class _Placeholder(ModuleType):
    """Has whatever is asked of it, so that `from ccxt.x import x` succeeds."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return None


class _Skip(MetaPathFinder, Loader):
    """Finds a placeholder for every exchange module of the three packages."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.rpartition(".")
        if package not in _PACKAGES or name in _SHARED:
            return None
        self.skipped.append(fullname)
        return ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Placeholder(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run."""


class _LazyPackage(ModuleType):
    """Imports an exchange at the first use of its name, which means the class, as in ccxt itself."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            importlib.import_module(f"{self.__name__}.{name}")
        except ModuleNotFoundError as error:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}") from error
        return vars(self)[name]

    def __setattr__(self, name: str, value: Any) -> None:
        # The import system names the submodule; in ccxt's packages the class of the same name has replaced
        # it.
        if isinstance(value, ModuleType) and name not in _SHARED:
            value = getattr(value, name, value)
        super().__setattr__(name, value)


def _load_packages() -> None:
    if "ccxt" in sys.modules:
        return  # somebody has paid for all of it already
    finder = _Skip()
    sys.meta_path.insert(0, finder)
    try:
        for package in _PACKAGES:
            importlib.import_module(package)
    finally:
        sys.meta_path.remove(finder)
    for fullname in finder.skipped:
        package, _, name = fullname.rpartition(".")
        del sys.modules[fullname]
        vars(sys.modules[package]).pop(name, None)
    for package in _PACKAGES:
        sys.modules[package].__class__ = _LazyPackage


def exchange_class(venue: str) -> Any:
    """The streaming class of one exchange, by ccxt's id, for example "binance"."""
    return getattr(sys.modules["ccxt.pro"], venue)


_load_packages()
errors: Any = importlib.import_module("ccxt.base.errors")
