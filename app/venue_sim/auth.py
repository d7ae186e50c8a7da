"""Who sent a request: API key, time window and HMAC over the exact bytes received."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple
from urllib.parse import quote_plus, urlencode

from venue_sim import errors
from venue_sim.model import Account, ApiKey
from venue_sim.parameters import Parameters

_SIGNATURE = re.compile(rb"(?:^|&)signature=[^&]*")
_KEY = re.compile(r"^[A-Za-z0-9_.-]{8,128}$")
_WINDOW = re.compile(r"^[0-9]{1,5}(\.[0-9]{1,3})?$")
_TIMESTAMP = re.compile(r"^[0-9]{10,16}$")

DEFAULT_WINDOW_MS = 5000
LONGEST_WINDOW_MS = 60_000
MICROSECONDS_FROM = 10**14
"""A timestamp of this size or more is in microseconds: the venue takes both."""


class Caller(NamedTuple):
    """Who sent a request, by the key that came with it."""

    account: Account
    key: ApiKey


class KeyRing:
    """Accounts by API key."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._by_key = {
            key.api_key: Caller(account, key) for account in accounts for key in account.keys.values()
        }

    def find(self, api_key: str | None) -> Caller | None:
        """Whose a key is, verified or not."""
        return self._by_key.get(api_key) if api_key else None

    def require(self, api_key: str | None) -> Caller:
        """Whose a key is.

        Raises:
            VenueError: -2014 when there is no key in form, -2015 when it is unknown or disabled.
        """
        caller = self.find(api_key)
        if caller is not None and caller.key.enabled:
            return caller
        if not api_key or not _KEY.match(api_key):
            raise errors.bad_key_format()
        raise errors.rejected_key()


def check_signed(key: ApiKey, parameters: Parameters, payloads: Iterable[bytes], now_ms: int) -> None:
    """Check the time window and the signature of a signed request.

    Args:
        key: whose secret signs.
        parameters: as received, `timestamp`, `recvWindow` and `signature` included.
        payloads: the byte strings that the client may have signed; one of them must match.
        now_ms: the venue's time.

    Raises:
        VenueError: -1102, -1021, -1022 or -1131.
    """
    timestamp = parameters.get("timestamp")
    if not timestamp or not _TIMESTAMP.match(timestamp):
        raise errors.mandatory("timestamp")
    signature = parameters.get("signature")
    if not signature:
        raise errors.mandatory("signature")
    sent_ms = int(timestamp)
    if sent_ms >= MICROSECONDS_FROM:
        sent_ms //= 1000
    if sent_ms >= now_ms + 1000:
        raise errors.ahead_of_server()
    if now_ms - sent_ms > _window_ms(parameters.get("recvWindow")):
        raise errors.outside_recv_window()
    sent = signature.lower().encode()
    for payload in payloads:
        if hmac.compare_digest(hmac.digest(key.api_secret, payload, "sha256").hex().encode(), sent):
            return
    raise errors.bad_signature()


def _window_ms(value: str | None) -> Decimal:
    if value is None:
        return Decimal(DEFAULT_WINDOW_MS)
    if not _WINDOW.match(value):
        raise errors.mandatory("recvWindow")
    window_ms = Decimal(value)
    if window_ms > LONGEST_WINDOW_MS:
        raise errors.VenueError(-1131, "recvWindow must be less than 60000")
    return window_ms


def rest_payload(query: bytes, body: bytes) -> bytes:
    """What a REST client signs: the query string followed by the body, without the signature."""
    return _SIGNATURE.sub(b"", query) + _SIGNATURE.sub(b"", body)


def ws_payloads(parameters: Parameters) -> list[bytes]:
    """What a WebSocket API client signs: its parameters in alphabetical order, plain or percent-encoded."""
    pairs = sorted((name, value) for name, value in parameters.items() if name != "signature")
    plain = "&".join(f"{name}={value}" for name, value in pairs).encode()
    encoded = urlencode(pairs, quote_via=quote_plus).encode()
    return [plain] if plain == encoded else [plain, encoded]
