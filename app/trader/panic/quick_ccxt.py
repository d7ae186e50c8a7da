"""ccxt at a third less of its start: what it imports for a client that is not used here is left out.

ccxt's base class imports `requests` for its synchronous client (0.1 s), and aiohttp reads all public
authorities (0.1 s) for connections that nobody here makes: ccxt's own connections get the authorities of the
settings, or certifi's. Anything that went around ccxt would trust nobody and fail.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_REQUESTS = ("requests", "requests.utils", "requests.exceptions")
_USER_AGENT = "python-requests/2"  # what ccxt calls itself; venues' fronts know it
_AUTHORITIES = "SSL_CERT_FILE"


def load() -> None:
    """Import what makes an exchange."""
    if "requests" in sys.modules or "aiohttp" in sys.modules:
        import trader.venue.exchange  # somebody has paid already
    else:
        with _without_requests(), _without_authorities():
            import trader.venue.exchange  # noqa: F401 - for the import itself


class _Placeholder(ModuleType):
    """Has any error class that is asked of it."""

    def __getattr__(self, name: str) -> type[Exception]:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {})


@contextmanager
def _without_requests() -> Iterator[None]:
    for name in _REQUESTS:
        sys.modules[name] = _Placeholder(name)
    vars(sys.modules["requests.utils"])["default_user_agent"] = lambda: _USER_AGENT
    try:
        yield
    finally:
        for name in _REQUESTS:
            del sys.modules[name]


@contextmanager
def _without_authorities() -> Iterator[None]:
    before = os.environ.get(_AUTHORITIES)
    os.environ[_AUTHORITIES] = os.devnull
    try:
        yield
    finally:
        if before is None:
            del os.environ[_AUTHORITIES]
        else:
            os.environ[_AUTHORITIES] = before
