"""ccxt, loaded in part, is the same ccxt. Asked in a process of its own: here it may be loaded whole."""

import subprocess
import sys

from tests.trader.support import APP


def python(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(APP)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_only_what_is_asked_for_is_loaded() -> None:
    program = """
import sys
from trader.venue.slim_ccxt import exchange_class
exchange_class("binance")
names = ("binance", "kraken", "okx")
print(sorted(n for n in sys.modules if n.startswith("ccxt.") and n.split(".")[-1] in names))
"""
    loaded = ["ccxt.abstract.binance", "ccxt.async_support.binance", "ccxt.pro.binance"]
    assert python(program) == str(loaded)


VENUES = ["binance", "binanceusdm", "kraken", "krakenfutures", "bybit", "okx", "coinbase"]
SHOW = f"""
for venue in {VENUES}:
    cls = get(venue)
    print(venue, cls().id, [f"{{c.__module__}}.{{c.__name__}}" for c in cls.__mro__])
"""


def test_a_class_has_the_same_family_as_in_the_whole() -> None:
    slim = python("from trader.venue.slim_ccxt import exchange_class as get" + SHOW)
    assert slim == python("import ccxt.pro; get = lambda venue: getattr(ccxt.pro, venue)" + SHOW)
    assert len(slim.splitlines()) == len(VENUES)


def test_everybody_else_sees_ccxt_as_it_is() -> None:
    program = """
import trader.venue.slim_ccxt
import ccxt, ccxt.pro, ccxt.async_support
from ccxt.pro import kraken
import ccxt.pro.okx
assert kraken.__name__ == "kraken" and ccxt.pro.okx.__name__ == "okx" and isinstance(ccxt.pro.okx, type)
assert issubclass(ccxt.pro.kraken, ccxt.async_support.kraken)
assert ccxt.binance().id == "binance" and len(ccxt.exchanges) > 90
assert not hasattr(ccxt, "no_such_exchange")
print("same")
"""
    assert python(program) == "same"
