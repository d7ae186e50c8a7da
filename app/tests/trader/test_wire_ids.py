"""Our ids in the forms that venues can carry, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trader.model.identifiers import client_id, parse_client_id
from trader.venue.wire_ids import (
    LAST_EPOCH,
    LAST_SEQUENCE,
    WireForm,
    from_wire,
    name_from_wire,
    to_wire,
)

hosts = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,11}", fullmatch=True)
epochs = st.integers(min_value=0, max_value=LAST_EPOCH)
sequences = st.integers(min_value=0, max_value=10**13)
forms = st.sampled_from(WireForm)
HEX = to_wire("trader-01-1-42", WireForm.HEX)


@given(forms, hosts, epochs, sequences)
def test_an_id_comes_back_from_the_wire(form: WireForm, host: str, epoch: int, sequence: int) -> None:
    text = client_id(host, epoch, sequence)
    assert from_wire(to_wire(text, form), form, host) == text


@given(hosts, epochs, sequences)
def test_the_hex_form_is_what_the_venues_take(host: str, epoch: int, sequence: int) -> None:
    wire = to_wire(client_id(host, epoch, sequence), WireForm.HEX)
    assert len(wire) == 32
    assert set(wire) <= set("0123456789abcdef")


@given(forms, hosts, hosts, epochs, epochs, sequences, sequences)
def test_different_ids_stay_different(
    form: WireForm, h1: str, h2: str, e1: int, e2: int, s1: int, s2: int
) -> None:
    same = (h1, e1, s1) == (h2, e2, s2)
    one, two = (to_wire(client_id(h, e, s), form) for h, e, s in ((h1, e1, s1), (h2, e2, s2)))
    assert (one == two) == same


@given(forms, hosts, hosts, epochs, sequences)
def test_an_order_of_another_host_is_never_ours(
    form: WireForm, host: str, other: str, epoch: int, sequence: int
) -> None:
    # As the pattern reads it, "a-1" with 2-3 is "a" with 1-2-3 to nobody: the host is all but the last two.
    wire = to_wire(client_id(other, epoch, sequence), form)
    name = name_from_wire(wire, form, host, "77")
    parts = parse_client_id(name)
    ours = parts is not None and parts.host == host
    assert ours == (host == other)


@given(forms, hosts, st.text(max_size=40))
def test_only_what_we_spell_is_ours(form: WireForm, host: str, text: str) -> None:
    own = from_wire(text, form, host)
    assert own is None or to_wire(own, form) == text.lower().replace("-", "") or to_wire(own, form) == text


def test_the_form_is_fixed() -> None:
    # Orders that are open while the service is updated carry it: it can never change.
    assert HEX == "fa832445608ecade" + "0001" + "00000000002a"


def test_a_uuid_with_dashes_is_the_same_id() -> None:
    dashed = f"{HEX[:8]}-{HEX[8:12]}-{HEX[12:16]}-{HEX[16:20]}-{HEX[20:]}"
    assert from_wire(dashed.upper(), WireForm.HEX, "trader-01") == "trader-01-1-42"


@pytest.mark.parametrize("text", [None, "", "0", "web_123", HEX[:-1], HEX + "0", "g" * 32, "trader-01-1-42"])
def test_strangers_are_not_ours_in_hex(text: str | None) -> None:
    assert from_wire(text, WireForm.HEX, "trader-01") is None
    parts = parse_client_id(name_from_wire(text, WireForm.HEX, "trader-01", "77"))
    assert parts is None


@pytest.mark.parametrize(
    "text", [None, "", "web_123", "trader-02-1-42", "trader-01-01-42", "trader-01-1-042"]
)
def test_strangers_are_not_ours_in_text(text: str | None) -> None:
    assert from_wire(text, WireForm.TEXT, "trader-01") is None
    parts = parse_client_id(name_from_wire(text, WireForm.TEXT, "trader-01", "77"))
    assert parts is None or parts.host == "trader-02"


def test_orders_without_an_id_do_not_share_a_name() -> None:
    assert name_from_wire(None, WireForm.HEX, "a", "77") != name_from_wire("", WireForm.HEX, "a", "78")


@pytest.mark.parametrize(
    "text", [client_id("h", LAST_EPOCH + 1, 1), client_id("h", 1, LAST_SEQUENCE + 1), "web_123"]
)
def test_what_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text):
        to_wire(text, WireForm.HEX)
