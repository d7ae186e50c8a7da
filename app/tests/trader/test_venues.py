"""The table of venues: what a row says must be what ccxt has."""

import pytest

from trader.venue.exchange import VenueAccess, make_exchange
from trader.venue.venues import RULES, Answer, Cancel, Life, Market, VenueRule, ids_fit, rule_of
from trader.venue.wire_ids import WireForm

SEVEN = {"binance", "binanceusdm", "kraken", "krakenfutures", "bybit", "okx", "coinbase"}
STREAMS = ("watchOrders", "watchMyTrades", "watchBidsAsks")
ROWS = list(RULES.values())


def test_the_seven_venues_are_covered() -> None:
    assert set(RULES) == SEVEN


def test_another_venue_is_refused_with_the_reason() -> None:
    with pytest.raises(
        ValueError, match=r"venue\.id: 'kucoin' is not covered: how it takes client order ids"
    ):
        rule_of("kucoin")


@pytest.mark.parametrize("rule", ROWS, ids=lambda rule: rule.id)
def test_rows_agree_with_ccxt(rule: VenueRule) -> None:

    exchange = make_exchange(VenueAccess(rule.id, None, None, 5_000, 2_000, host="trader-01"))
    assert {name for name in STREAMS if exchange.has[name]} == rule.streams
    assert exchange.requiredCredentials["password"] is rule.passphrase
    assert exchange.options["defaultType"] == rule.market.value
    assert exchange.has[rule.market.value]


@pytest.mark.parametrize("rule", ROWS, ids=lambda rule: rule.id)
def test_rows_agree_with_themselves(rule: VenueRule) -> None:
    assert (rule.cancel_by is None) == (rule.cancel is Cancel.TAKEN_BY_VENUE_ID)
    assert (rule.reduce_only is not None) == (rule.market is Market.SWAP)
    assert rule.form is WireForm.TEXT or rule.max_length == 32
    # Only an answer that tells the order's state can tell all of its fills.
    assert not rule.fills_in_answer or rule.answer is Answer.STATE


@pytest.mark.parametrize(
    ("venue", "wanted", "given"),
    [
        ("binance", 5_000, 5_000),
        ("binance", 90_000, 60_000),
        ("kraken", 500, 5_000),  # the venue itself wants at least 2 s
        ("coinbase", 5_000, 120_000),  # nothing but the signature's age
    ],
)
def test_a_requests_life_is_within_the_venues_limits(venue: str, wanted: int, given: int) -> None:
    assert rule_of(venue).lifetime_ms(wanted) == given


def test_coinbase_says_that_its_proof_of_absence_takes_longer() -> None:
    assert rule_of("coinbase").life is Life.SIGNATURE


@pytest.mark.parametrize("venue", sorted(SEVEN))
def test_usual_ids_fit_everywhere(venue: str) -> None:
    assert ids_fit(venue, "trader-01", 1, 10**10) is None


@pytest.mark.parametrize(
    ("venue", "host", "epoch", "words"),
    [
        ("binance", "h" * 30, 1, "characters"),
        ("krakenfutures", "h" * 30, 1, "characters"),
        ("okx", "trader-01", 65_536, "the last epoch is 65535"),
        ("kraken", "trader-01", 65_536, "the last epoch is 65535"),
    ],
)
def test_what_does_not_fit_is_one_line_with_the_key(venue: str, host: str, epoch: int, words: str) -> None:
    line = ids_fit(venue, host, epoch, 10**10)
    assert line is not None
    assert line.startswith("host: ")
    assert words in line
    assert "\n" not in line
