"""The parts of a panic by themselves: the rule of two zeros, and how little is loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trader.support import APP
from trader.panic.outcome import Outcome
from trader.panic.ways import Open
from trader.panic.zeros import SKEW_SECONDS, Zeros

LOOKS = st.lists(
    st.tuples(st.integers(0, 2), st.booleans(), st.sampled_from([0.0, 0.5, 1.0, 3.0, 7.0])), max_size=30
)


@given(LOOKS, st.sampled_from([0.1, 5.0]))
def test_two_zeros_with_the_whole_pause_between_and_no_order_meanwhile(
    looks: list[tuple[int, bool, float]], window_seconds: float
) -> None:
    zeros, now = Zeros(window_seconds), 0.0
    history: list[tuple[float, int, bool]] = []
    for count, complete, pause in looks:
        now += pause
        zeros.saw(count, complete, now)
        history.append((now, count, complete))
        if zeros.proven:
            break
    # The same rule, said from behind: since the last order that was seen, two whole zeros so far apart.
    last_order = max((n for n, (_, count, _) in enumerate(history) if count), default=-1)
    whole = [at for at, count, complete in history[last_order + 1 :] if complete and not count]
    apart = whole[-1] - whole[0] if whole else 0.0
    assert zeros.proven == (len(whole) >= 2 and apart >= window_seconds + SKEW_SECONDS)


def test_the_wait_ends_when_a_zero_counts() -> None:
    zeros = Zeros(5.0)
    assert zeros.wait_seconds(0.0) is None
    zeros.saw(0, True, 10.0)
    assert zeros.wait_seconds(12.0) == 4.0
    zeros.saw(0, True, 15.9)
    assert not zeros.proven
    zeros.saw(1, True, 15.95)
    assert zeros.wait_seconds(16.0) is None
    zeros.saw(0, False, 30.0)
    assert zeros.wait_seconds(30.0) is None, "a list that is missing is no zero"


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (None, "NOT VERIFIED: the venue did not list the open orders; why"),
        (frozenset(), "NOT VERIFIED: no order was open at the last look, a second one is missing; why"),
        (
            frozenset({Open("B", "2", "own"), Open("A", "1", "", "algo")}),
            "2 ORDERS ARE STILL OPEN: A algo 1, B 2 (own); why",
        ),
    ],
)
def test_what_is_not_proven_is_said(left: frozenset[Open] | None, text: str) -> None:
    outcome = Outcome(left, 0, 0, 1.0, None, None, False, "why")
    assert (outcome.good, outcome.complaints()) == (False, [text])
    assert not Outcome(frozenset(), 1, 0, 1.0, None, "disk", True, "").good


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


def test_little_is_loaded_before_the_first_cancel() -> None:
    program = """
import sys
import trader.cli, trader.panic.run, trader.panic.settings, trader.panic.latching
assert not {"ccxt", "aiohttp"} & set(sys.modules), "the latch is first"
trader.panic.run.quick_ccxt.load()
import trader.panic.canceller, trader.panic.venue_ways
slow = (
    "pydantic", "requests", "apsw", "prometheus_client", "trader.journal", "trader.service", "trader.orders"
)
print(sorted(name for name in slow if name in sys.modules))
"""
    assert python(program) == "[]"


def test_ccxt_is_the_same_without_what_is_left_out() -> None:
    show = """
import os
from trader.venue.exchange import VenueAccess, make_exchange
from trader.panic.venue_ways import WAYS
before = os.environ.get("SSL_CERT_FILE")
for venue in sorted(WAYS):
    exchange = make_exchange(VenueAccess(venue, None, None, 5_000, 2_000, "k", "c2VjcmV0", "p"))
    exchange.milliseconds = lambda: 1_700_000_000_000
    classes = [f"{c.__module__}.{c.__name__}" for c in type(exchange).__mro__]
    print(venue, classes, sorted(exchange.urls["api"]), exchange.cafile, before)
import requests, ssl
assert requests.Session().headers and requests.exceptions.Timeout
"""
    quick = python("from trader.panic import quick_ccxt; quick_ccxt.load()" + show)
    assert quick == python(show)
    assert len(quick.splitlines()) == 7


def test_ccxts_connections_trust_whom_they_should() -> None:
    program = """
import asyncio, os
from trader.panic import quick_ccxt
quick_ccxt.load()
from trader.venue.exchange import VenueAccess, make_exchange
async def main():
    exchange = make_exchange(VenueAccess("binance", None, None, 5_000, 2_000))
    exchange.open()
    print(len(exchange.ssl_context.get_ca_certs()) > 50, exchange.ssl_context.check_hostname)
    import aiohttp.connector
    print(len(aiohttp.connector._SSL_CONTEXT_VERIFIED.get_ca_certs()))
    await exchange.close()
asyncio.run(main())
"""
    assert python(program).split() == ["True", "True", "0"]
