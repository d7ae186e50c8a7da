"""The futures market as its operations see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from venue_sim.endpoints import PublicRun, Run
from venue_sim.model import Account
from venue_sim.parameters import Parameters
from venue_sim.usdm.countdown import Countdowns
from venue_sim.usdm.exchange import FuturesExchange
from venue_sim.usdm.listen_keys import ListenKeys
from venue_sim.usdm.record import UsdmRecord
from venue_sim.venue import Venue


@dataclass(slots=True)
class UsdmVenue(Venue):
    """What a futures request is served from."""

    exchange: FuturesExchange
    countdowns: Countdowns
    listen_keys: ListenKeys
    record: UsdmRecord


UsdmRun = Callable[[UsdmVenue, Account, Parameters, int], Any]
UsdmPublicRun = Callable[[UsdmVenue, Parameters, int], Any]


def signed(run: UsdmRun) -> Run:
    """An operation as the front calls it: with the futures account of the one whose key was sent."""

    def served(venue: Venue, account: Account, parameters: Parameters, now_ms: int) -> Any:
        assert isinstance(venue, UsdmVenue)
        return run(venue, venue.exchange.accounts[account.name], parameters, now_ms)

    return served


def public(run: UsdmPublicRun) -> PublicRun:
    """The same for an operation without an account."""

    def served(venue: Venue, parameters: Parameters, now_ms: int) -> Any:
        assert isinstance(venue, UsdmVenue)
        return run(venue, parameters, now_ms)

    return served
