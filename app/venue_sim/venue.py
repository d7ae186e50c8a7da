"""The venue as its operations see it: the exchange, the limits, the keys, the clock and a source of ids."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass, field

from venue_sim.auth import Caller, KeyRing
from venue_sim.clock import Clock
from venue_sim.exchange import Exchange
from venue_sim.limits import Limits

_ALPHABET = string.ascii_letters + string.digits


@dataclass(slots=True)
class Venue:
    """What a request is served from.

    `ids` makes the client order ids of those who send none; it is seeded, so that runs can be compared.
    `caller` is who sent the signed request that is being served.
    """

    exchange: Exchange
    limits: Limits
    keys: KeyRing
    clock: Clock
    ids: random.Random
    caller: Caller | None = field(default=None, init=False)

    def new_client_id(self) -> str:
        """A client order id in the venue's own form."""
        return "".join(self.ids.choices(_ALPHABET, k=22))
