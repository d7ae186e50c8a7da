"""What is reported and how often: money always, floods by a share, and a storm as one issue."""

from __future__ import annotations

import pytest

from trader.telemetry.sentry.event import Line, event, fingerprint
from trader.telemetry.sentry.policy import (
    BURST,
    KEPT,
    WINDOW_SECONDS,
    Storms,
    is_reported,
    kind_of,
    shares,
)
from trader.venue import wire_errors


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("order_refused", "money"),
        ("order_outcome_unknown", "money"),
        ("cancel_unresolved", "money"),
        ("fills_missing", "money"),
        ("kill_not_done", "money"),
        ("latch_is_tripped", "money"),
        ("daily_loss", "money"),
        ("difference", "money"),
        ("journal_failed", "money"),
        ("crash", "money"),
        ("stream_lost", "feed"),
        ("clock_not_asked", "feed"),
        ("library", "library"),
        ("reload_refused", "other"),
    ],
)
def test_kinds(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_money_is_never_sampled() -> None:
    for environment in ("production", "staging"):
        assert shares(environment, {"money": 0.0, "feed": 0.0, "library": 0.0, "other": 0.0})["money"] == 1.0


def test_production_reports_less_of_floods_unless_it_is_told_otherwise() -> None:
    assert shares("production", {}) == {"money": 1.0, "feed": 0.25, "library": 0.25, "other": 1.0}
    assert shares("staging", {}) == {"money": 1.0, "feed": 1.0, "library": 1.0, "other": 1.0}
    assert shares("production", {"feed": 0.5})["feed"] == 0.5


def test_errors_are_reported_and_warnings_about_money() -> None:
    assert is_reported("stream_lost", "error")
    assert is_reported("crash", "critical")
    assert is_reported("latch_is_tripped", "warning")
    assert not is_reported("stream_lost", "warning")
    assert not is_reported("order_sent", "info")


def test_a_storm_is_cut_and_says_by_how_many() -> None:
    storms = Storms()
    passed = [storms.passes(("a",), second)[0] for second in range(100)]
    assert passed == [True] * BURST + [False] * (100 - BURST)
    assert storms.passes(("b",), 50) == (True, 0)
    assert storms.passes(("a",), WINDOW_SECONDS) == (True, 100 - BURST)
    assert storms.passes(("a",), WINDOW_SECONDS + 1) == (True, 0)


def test_fingerprints_that_are_always_new_cost_bounded_memory() -> None:
    storms = Storms()
    for number in range(KEPT * 3):
        storms.passes((str(number),), 0)
    assert len(storms._seen) == KEPT


class RefusedError(Exception):
    pass


def line(name: str, said: str, **fields: str) -> Line:
    return Line(name, "error", 1.0, {"message": said, **fields}, RefusedError(said))


def test_one_issue_for_each_outcome_class_and_venue_code() -> None:
    refused = line("order_refused", 'binance {"code":-2010,"msg":"x"}', outcome="rejected", client_id="a")
    again = line(
        "order_refused", 'binance {"code":-2010,"msg":"other words"}', outcome="rejected", client_id="b"
    )
    other_code = line("order_refused", 'binance {"code":-1013,"msg":"x"}', outcome="rejected")
    other_class = line("order_refused", 'binance {"code":-2010,"msg":"x"}', outcome="unknown")
    assert fingerprint(refused) == ("order_refused", "rejected", "-2010")
    assert fingerprint(refused) == fingerprint(again)
    assert len({fingerprint(one) for one in (refused, other_code, other_class)}) == 3
    assert fingerprint(line("stream_lost", "gone")) == ("stream_lost", "-", "RefusedError")
    ours = Line(
        "order_not_placed",
        "error",
        1.0,
        {"outcome": "not_placed"},
        wire_errors.RefusedError(-2010, 400, "no"),
    )
    assert fingerprint(ours) == ("order_not_placed", "not_placed", "-2010")


def test_an_event_names_the_order_the_account_and_the_strategy() -> None:
    fields = {
        "message": "refused", "symbol": "BTC/USDT", "client_id": "trader-01-1-7", "account": "desk-1",
        "strategy": "quoter", "venue": "binance", "host": "trader-01", "outcome": "rejected", "epoch": "1",
    }  # fmt: skip
    made = event(Line("order_refused", "critical", 2.0, fields), held_back=3)
    assert made["tags"] == {"event": "order_refused", **{k: v for k, v in fields.items() if k != "message"}}
    assert made["contexts"]["trading"]["held_back"] == 3
    assert (made["level"], made["timestamp"]) == ("fatal", 2.0)
    assert made["message"] == "order_refused: refused"
