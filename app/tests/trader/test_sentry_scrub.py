"""No secret is left in an event, wherever it stood; what is no secret is."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trader.telemetry.sentry.scrub import HIDDEN, scrub, text

OWN = "the-account's-own"


def known(value: str) -> str:
    return value.replace(OWN, HIDDEN)


def everything(value: Any) -> str:
    return repr(scrub(value, known))


@pytest.mark.parametrize(
    "template",
    [
        "binance GET https://api.example/api/v3/order?symbol=BTCUSDT&signature={}",
        "https://api.example/x?apiKey={}&timestamp=1",
        "https://api.example/x?timestamp=1&api_key={}",
        "https://user:{}@api.example/x",
        "Authorization: Bearer {}",
        "authorization=Basic {}",
        "bearer {}",
        '{{"apiKey": "{}", "symbol": "BTC/USDT"}}',
        "{{'secret': '{}'}}",
        "{{'api-key': b'{}'}}",
        "X-MBX-APIKEY: {}",
        "listenKey={}",
        "password: {}",
        "token {}",
        f"{OWN} and {{}}{{}}",
    ],
)
def test_a_secret_in_a_text_is_taken_out(template: str) -> None:
    secret = secrets.token_hex(16)
    planted = template.format(secret, secret)
    said = text(planted, known)
    assert secret not in said
    assert OWN not in said
    assert HIDDEN in said


@pytest.mark.parametrize(
    "harmless",
    [
        "binance GET https://api.example/api/v3/order?symbol=BTCUSDT",
        "order trader-01-1-4711 of BTC/USDT was refused: -2010",
        "the key must be text",
        "signature for this request is not valid",
        "no space left on device",
        "a_function_of_ours_whose_name_is_longer_than_any_key_of_a_venue",
    ],
)
def test_what_is_no_secret_stays(harmless: str) -> None:
    assert text(harmless, known) == harmless


@pytest.mark.parametrize(
    "name", ["api_key", "apiKey", "API-KEY", "secret", "Authorization", "token", "password", "listenKey"]
)
@pytest.mark.parametrize("inside", [str, lambda s: [s], lambda s: {"value": s}, lambda s: (s,), str.encode])
def test_what_has_the_name_of_a_secret_is_hidden_whatever_it_is(name: str, inside: Any) -> None:
    secret = secrets.token_hex(8)
    assert secret not in everything({"extra": {"deep": [{name: inside(secret)}]}})


def test_the_accounts_own_secret_is_hidden_in_marks_of_the_sdk_as_well() -> None:
    assert OWN not in everything({"release": f"r-{OWN}", "event_id": OWN})
    mark = secrets.token_hex(32)
    assert scrub({"event_id": mark}, known) == {"event_id": mark}


def test_keys_are_scrubbed_too() -> None:
    assert OWN not in everything({"tags": {OWN: 1, f"secret={OWN}": {OWN: [OWN]}}})


def test_what_is_neither_text_nor_a_collection_becomes_scrubbed_text() -> None:
    class Order:
        def __repr__(self) -> str:
            return f"Order(signature={secret})"

    secret = secrets.token_hex(8)
    assert secret not in everything({"order": Order(), "raw": f"secret={secret}".encode()})


def test_it_ends_in_what_contains_itself() -> None:
    circle: dict[str, Any] = {}
    circle["again"] = circle
    assert HIDDEN in everything(circle)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(_JSON, st.text(alphabet="ABCDEFabcdef0123456789", min_size=12, max_size=40))
def test_the_accounts_own_secret_is_left_nowhere(content: Any, secret: str) -> None:
    def plant(value: Any) -> Any:
        if isinstance(value, dict):
            return {f"{key}{secret}": plant(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [plant(entry) for entry in value]
        return f"{value}{secret}{value}"

    assert secret not in repr(scrub(plant(content), lambda said: said.replace(secret, HIDDEN)))
