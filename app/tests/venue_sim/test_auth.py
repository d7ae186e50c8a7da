"""Keys, time windows and signatures."""

from __future__ import annotations

import hmac

import pytest

from venue_sim.auth import KeyRing, check_signed, rest_payload, ws_payloads
from venue_sim.errors import VenueError
from venue_sim.model import Account, ApiKey
from venue_sim.parameters import Parameters

NOW_MS = 1_700_000_000_000
KEY = ApiKey("", "key-of-account-a", b"secret")
SECOND = ApiKey("panic", "second-key-of-account-a", b"other")
ACCOUNT = Account("a", 1, {key.name: key for key in (KEY, SECOND)})


def sign(payload: bytes) -> str:
    return hmac.new(b"secret", payload, "sha256").hexdigest()


def check(
    timestamp: str | None = str(NOW_MS), window: str | None = None, signature: str | None = None
) -> None:
    parameters = Parameters(signature=sign(b"x") if signature is None else signature)
    if timestamp is not None:
        parameters["timestamp"] = timestamp
    if window is not None:
        parameters["recvWindow"] = window
    check_signed(KEY, parameters, [b"x"], NOW_MS)


@pytest.mark.parametrize(
    ("age_ms", "window", "code"),
    [
        (0, None, None),
        (5000, None, None),
        (5001, None, -1021),
        (-999, None, None),
        (-1000, None, -1021),
        (101, "100", -1021),
        (100, "100.5", None),
        (59_000, "60000", None),
        (0, "60001", -1131),
        (0, "x", -1102),
    ],
)
def test_time_window(age_ms: int, window: str | None, code: int | None) -> None:
    if code is None:
        check(str(NOW_MS - age_ms), window)
        return
    with pytest.raises(VenueError) as refused:
        check(str(NOW_MS - age_ms), window)
    assert refused.value.code == code


def test_microseconds_are_taken() -> None:
    check(str(NOW_MS * 1000 + 7))


@pytest.mark.parametrize("timestamp", [None, "", "now", "1.5", "12"])
def test_timestamp_must_be_there(timestamp: str | None) -> None:
    with pytest.raises(VenueError, match="-1102 Mandatory parameter 'timestamp'"):
        check(timestamp)


def test_signature() -> None:
    check(signature=sign(b"x").upper())
    with pytest.raises(VenueError, match="-1102 Mandatory parameter 'signature'"):
        check(signature="")
    for wrong in (sign(b"y"), "0" * 64, "é"):
        with pytest.raises(VenueError, match="-1022"):
            check(signature=wrong)


def test_what_a_rest_client_signs() -> None:
    assert rest_payload(b"a=1&signature=zz&b=2", b"") == b"a=1&b=2"
    assert rest_payload(b"signature=zz", b"") == b""
    # The documentation's own example of a mixed request: no "&" between query and body.
    query = b"symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC"
    body = b"quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
    secret = b"NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    signed = hmac.new(secret, rest_payload(query, body + b"&signature=zz"), "sha256").hexdigest()
    assert signed == "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77"


def test_what_a_websocket_client_signs() -> None:
    assert ws_payloads(Parameters(b="2", a="1", signature="zz")) == [b"a=1&b=2"]
    assert ws_payloads(Parameters(id="a/b")) == [b"id=a/b", b"id=a%2Fb"]


def test_keys() -> None:
    ring = KeyRing([ACCOUNT])
    assert ring.require("key-of-account-a") == (ACCOUNT, KEY)
    assert ring.require("second-key-of-account-a") == (ACCOUNT, SECOND)
    for key, code in (
        (None, -2014),
        ("", -2014),
        ("?", -2014),
        ("another-key", -2015),
        ("Key-of-account-a", -2015),
    ):
        with pytest.raises(VenueError) as refused:
            ring.require(key)
        assert (refused.value.code, refused.value.http_status) == (code, 401)


def test_a_disabled_key_is_known_and_refused() -> None:
    key = ApiKey("", "key-of-account-a", b"s", enabled=False)
    account = Account("a", 1, {"": key, "panic": SECOND})
    ring = KeyRing([account])
    assert ring.find("key-of-account-a") == (account, key)
    assert ring.require("second-key-of-account-a") == (account, SECOND)
    with pytest.raises(VenueError) as refused:
        ring.require("key-of-account-a")
    assert (refused.value.code, refused.value.http_status) == (-2015, 401)
