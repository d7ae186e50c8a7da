import pytest
from hypothesis import given
from hypothesis import strategies as st

from trader.model.identifiers import MAX_LENGTH, ClientId, client_id, parse_client_id

hosts = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,11}", fullmatch=True)
numbers = st.integers(min_value=0, max_value=10**9)


@given(hosts, numbers, numbers)
def test_an_id_reads_back_as_its_parts(host: str, epoch: int, sequence: int) -> None:
    text = client_id(host, epoch, sequence)
    assert len(text) <= MAX_LENGTH
    assert parse_client_id(text) == ClientId(host, epoch, sequence)


@given(hosts, numbers, numbers, hosts, numbers, numbers)
def test_different_parts_make_different_ids(h1: str, e1: int, s1: int, h2: str, e2: int, s2: int) -> None:
    same = (h1, e1, s1) == (h2, e2, s2)
    assert (client_id(h1, e1, s1) == client_id(h2, e2, s2)) == same


def test_an_id_that_the_venue_would_cut_is_refused() -> None:
    with pytest.raises(ValueError, match="37 characters"):
        client_id("h" * 33, 1, 1)


@pytest.mark.parametrize("text", [None, "", "web_123", "x-1", "-1-1", "trader-01-a-1", "trader-01-1-1 "])
def test_strangers_are_not_parsed(text: str | None) -> None:
    assert parse_client_id(text) is None
