"""Each check: a case that trips it, and a neighbour that does not."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.trader.risk_support import ETH, NOW_NS, QUOTE, USD, Check, check, code, intent, view
from tests.trader.support import BTC, make_order
from trader.model.transitions import OrderState
from trader.model.values import OrderKind, Quote, Side, TradingState
from trader.risk import Limits, RejectCode, RiskEngine

MS = 1_000_000
SELL, BUY = Side.SELL, Side.BUY


def having(**fields: Any) -> Any:
    """A view in which the instrument BTC/USDT has other rules."""
    return view(instruments={"BTC/USDT": replace(BTC, **fields)})


def quoted(bid: str, ask: str) -> Any:
    return view(quotes={"BTC/USDT": Quote("BTC/USDT", Decimal(bid), Decimal(ask), NOW_NS)})


def resting(side: Side, price: str, state: OrderState = OrderState.OPEN, **fields: Any) -> Any:
    quantity = Decimal(fields.pop("quantity", "0.001"))
    return make_order(side=side, price=Decimal(price), state=state, quantity=quantity, **fields)


def held(quantity: str, *orders: Any, **fields: Any) -> Any:
    return view(*orders, positions={"BTC/USDT": Decimal(quantity)}, **fields)


CASES: list[tuple[RejectCode, Check, Check]] = [
    (
        RejectCode.HALTED,
        lambda: check(intent(), view(state=TradingState.HALTED)),
        lambda: check(intent(), view(state=TradingState.ACTIVE)),
    ),
    (
        RejectCode.REDUCE_ONLY,
        lambda: check(intent(SELL, "60010", "0.003"), held("0.002", state=TradingState.REDUCE_ONLY)),
        lambda: check(intent(SELL, "60010", "0.002"), held("0.002", state=TradingState.REDUCE_ONLY)),
    ),
    (
        RejectCode.UNKNOWN_INSTRUMENT,
        lambda: check(intent(symbol="DOGE/USDT"), view()),
        lambda: check(intent(symbol="ETH/USDT", price="2990", quantity="0.01"), view()),
    ),
    (
        RejectCode.INVERSE_INSTRUMENT,
        lambda: check(intent(), having(settle="BTC")),
        lambda: check(
            intent(),
            view(
                instruments={"BTC/USDT": replace(BTC, settle="USDT")},
                usd=(USD | {"BTC/USDT": USD["BTC"]}).get,
            ),
        ),
    ),
    (
        RejectCode.NOT_TRADING,
        lambda: check(intent(), having(trading=False)),
        lambda: check(intent(), having(trading=True)),
    ),
    (
        RejectCode.BAD_NUMBER,
        lambda: check(intent(quantity="NaN"), view()),
        lambda: check(intent(quantity="0.001"), view()),
    ),
    (
        RejectCode.OFF_TICK,
        lambda: check(intent(price="59990.001"), view()),
        lambda: check(intent(price="59990.010"), view()),
    ),
    (
        RejectCode.OFF_LOT,
        lambda: check(intent(quantity="0.0010001"), view()),
        lambda: check(intent(quantity="0.0010000"), view()),
    ),
    (
        RejectCode.MIN_QUANTITY,
        lambda: check(intent(quantity="0.001"), having(min_quantity=Decimal("0.00101"))),
        lambda: check(intent(quantity="0.001"), having(min_quantity=Decimal("0.001"))),
    ),
    (
        RejectCode.MIN_NOTIONAL,
        lambda: check(intent(price="59990"), having(min_notional=Decimal("59.991"))),
        lambda: check(intent(price="59990"), having(min_notional=Decimal("59.990"))),
    ),
    (
        RejectCode.NO_QUOTE,
        lambda: check(intent(), view(quotes={})),
        lambda: check(intent(), view(quotes={"BTC/USDT": QUOTE})),
    ),
    (
        RejectCode.BAD_QUOTE,
        lambda: check(intent(), quoted("60001", "60000")),
        lambda: check(intent(), quoted("60000", "60000")),
    ),
    (
        RejectCode.STALE_QUOTE,
        lambda: check(intent(), view(), NOW_NS + 501 * MS, max_quote_age_ms=500),
        lambda: check(intent(), view(), NOW_NS + 500 * MS, max_quote_age_ms=500),
    ),
    (
        RejectCode.PRICE_COLLAR,
        lambda: check(intent(price="60060.01"), view(), price_collar_bps=10),
        lambda: check(intent(price="60060"), view(), price_collar_bps=10),
    ),
    (
        RejectCode.PRICE_FAR,
        lambda: check(intent(price="56999.99"), view(), passive_collar_bps=500),
        lambda: check(intent(price="57000"), view(), passive_collar_bps=500),
    ),
    (
        RejectCode.NO_MARK,
        lambda: check(intent(), view(usd={"USDT": Decimal(1)}.get)),
        lambda: check(intent(), view(usd={"USDT": Decimal(1), "BTC": Decimal(60_000)}.get)),
    ),
    (
        RejectCode.ORDER_NOTIONAL,
        lambda: check(intent(), view(), max_order_notional_usd=Decimal("59.98")),
        lambda: check(intent(), view(), max_order_notional_usd=Decimal("59.99")),
    ),
    (
        RejectCode.POSITION,
        lambda: check(
            intent(), held("0.002", resting(BUY, "59000")), max_position_usd=239, max_order_notional_usd=60
        ),
        lambda: check(
            intent(), held("0.002", resting(BUY, "59000")), max_position_usd=240, max_order_notional_usd=60
        ),
    ),
    (
        RejectCode.GROSS_EXPOSURE,
        lambda: check(
            intent(),
            view(positions={"ETH/USDT": Decimal("-0.1")}),
            max_gross_exposure_usd=359,
            max_position_usd=300,
            max_order_notional_usd=60,
        ),
        lambda: check(
            intent(),
            view(positions={"ETH/USDT": Decimal("-0.1")}),
            max_gross_exposure_usd=360,
            max_position_usd=300,
            max_order_notional_usd=60,
        ),
    ),
    (
        RejectCode.OPEN_ORDERS_SYMBOL,
        lambda: check(intent(), view(resting(BUY, "59000")), max_open_orders_per_symbol=1),
        lambda: check(intent(), view(resting(BUY, "59000", symbol="ETH/USDT")), max_open_orders_per_symbol=1),
    ),
    (
        RejectCode.OPEN_ORDERS,
        lambda: check(
            intent(),
            view(resting(BUY, "59000"), resting(BUY, "2900", symbol="ETH/USDT")),
            max_open_orders_per_symbol=2,
            max_open_orders=2,
        ),
        lambda: check(
            intent(),
            view(resting(BUY, "59000"), resting(BUY, "2900", symbol="ETH/USDT")),
            max_open_orders_per_symbol=2,
            max_open_orders=3,
        ),
    ),
    (
        RejectCode.NO_PNL,
        lambda: check(intent(), view(daily_pnl_usd=None)),
        lambda: check(intent(SELL, "60010"), held("0.001", daily_pnl_usd=None)),
    ),
    (
        RejectCode.DAILY_LOSS,
        lambda: check(intent(), view(daily_pnl_usd=Decimal("-200"))),
        lambda: check(intent(), view(daily_pnl_usd=Decimal("-199.99"))),
    ),
    (
        RejectCode.ORDER_RATE,
        lambda: check(
            intent(),
            view(),
            before=[(intent(price=f"5998{n}"), NOW_NS - 999 * MS) for n in range(3)],
            max_orders_per_second=3,
        ),
        lambda: check(
            intent(),
            view(),
            before=[(intent(price=f"5998{n}"), NOW_NS - 1_000 * MS) for n in range(3)],
            max_orders_per_second=3,
        ),
    ),
    (
        RejectCode.REPEATED_EXECUTION,
        lambda: check(
            intent(),
            view(),
            before=[(intent(slot=str(n)), NOW_NS - 9_999 * MS) for n in range(2)],
            max_repeated_executions=2,
            repeated_execution_window_seconds=10,
        ),
        lambda: check(
            intent(),
            view(),
            before=[(intent(slot=str(n), quantity="0.0011"), NOW_NS - 9_999 * MS) for n in range(2)],
            max_repeated_executions=2,
            repeated_execution_window_seconds=10,
        ),
    ),
    (
        RejectCode.SLOT_IN_FLIGHT,
        lambda: check(intent(slot="a"), view(resting(BUY, "59000", OrderState.UNKNOWN, slot="a"))),
        lambda: check(intent(slot="a"), view(resting(BUY, "59000", OrderState.OPEN, slot="a"))),
    ),
    (
        RejectCode.DUPLICATE_INTENT,
        lambda: check(
            intent(), view(), before=[(intent(), NOW_NS - 99 * MS)], identical_intent_window_ms=100
        ),
        lambda: check(
            intent(), view(), before=[(intent(), NOW_NS - 100 * MS)], identical_intent_window_ms=100
        ),
    ),
    (
        RejectCode.SELF_CROSS,
        lambda: check(intent(price="60000"), view(resting(SELL, "60000"))),
        lambda: check(intent(price="60000"), view(resting(SELL, "60000.01"))),
    ),
]


def test_every_code_has_a_case() -> None:
    assert {case[0] for case in CASES} == set(RejectCode)


@pytest.mark.parametrize(("expected", "trips", "passes"), CASES, ids=[case[0].value for case in CASES])
def test_a_check_trips_and_its_neighbour_does_not(expected: RejectCode, trips: Check, passes: Check) -> None:
    assert passes() is None
    rejection = trips()
    assert rejection is not None
    assert rejection.code is expected
    assert "\n" not in rejection.text
    assert rejection.key in {"", *(f"risk.{name}" for name in Limits.model_fields)}
    assert rejection.key in rejection.text or expected is RejectCode.NO_PNL


def test_a_rejection_names_the_limit_and_the_numbers() -> None:
    rejection = check(intent(), view(), max_order_notional_usd=Decimal("59.98"))
    assert rejection is not None
    assert rejection.text == "BTC/USDT: order of USD 59.99 is above risk.max_order_notional_usd 59.98"
    assert rejection.key == "risk.max_order_notional_usd"


@pytest.mark.parametrize(
    "fields",
    [
        {"quantity": "0"},
        {"quantity": "-1"},
        {"quantity": "Infinity"},
        {"quantity": "1e18"},
        {"quantity": "1e-19"},
        {"price": "0"},
        {"price": "-1"},
        {"price": "sNaN"},
        {"price": "1e40"},
        {"price": None, "kind": OrderKind.LIMIT},
        {"price": "59990", "kind": OrderKind.MARKET},
    ],
    ids=str,
)
def test_numbers_that_cannot_be_meant(fields: dict[str, Any]) -> None:
    assert code(check(intent(**fields), view())) is RejectCode.BAD_NUMBER


@pytest.mark.parametrize("side", list(Side))
def test_a_market_order_needs_a_quote_near_the_mid(side: Side) -> None:
    assert check(intent(side, None), view()) is None
    assert code(check(intent(side, None), view(quotes={}))) is RejectCode.NO_QUOTE
    assert code(check(intent(side, None), quoted("59000", "61000"))) is RejectCode.PRICE_COLLAR


def test_sells_have_the_same_collars() -> None:
    assert code(check(intent(SELL, "59939.99"), view(), price_collar_bps=10)) is RejectCode.PRICE_COLLAR
    assert check(intent(SELL, "59940"), view(), price_collar_bps=10) is None
    assert code(check(intent(SELL, "63000.01"), view(), passive_collar_bps=500)) is RejectCode.PRICE_FAR
    assert check(intent(SELL, "63000"), view(), passive_collar_bps=500) is None


@pytest.mark.parametrize(
    ("side", "position", "order", "passes"),
    [
        (SELL, "0.002", None, True),
        (SELL, "0.002", resting(SELL, "60100", quantity="0.001"), True),
        (SELL, "0.002", resting(SELL, "60100", quantity="0.00101"), False),
        (SELL, "0.002", resting(SELL, "60100", OrderState.UNKNOWN, quantity="0.002"), False),
        (SELL, "0", None, False),
        (SELL, "-0.002", None, False),
        (BUY, "-0.002", None, True),
        (BUY, "0.002", None, False),
    ],
)
def test_reduce_only_counts_what_is_on_the_way(side: Side, position: str, order: Any, passes: bool) -> None:
    price = "60010" if side is SELL else "59990"
    orders = [] if order is None else [order]
    now = check(intent(side, price), held(position, *orders, state=TradingState.REDUCE_ONLY))
    flagged = check(intent(side, price, reduce_only=True), held(position, *orders))
    assert (now is None, flagged is None) == (passes, passes)
    if not passes:
        assert (code(now), code(flagged)) == (RejectCode.REDUCE_ONLY, RejectCode.REDUCE_ONLY)


def test_a_way_out_is_open_when_limits_are_exceeded() -> None:
    tight: dict[str, Any] = {
        "max_order_notional_usd": 100,
        "max_position_usd": 100,
        "max_gross_exposure_usd": 100,
    }
    lost: dict[str, Any] = {"daily_pnl_usd": Decimal(-5_000), "usd": {"USDT": Decimal(1)}.get}
    assert check(intent(SELL, "60010"), held("1", **lost), **tight) is None
    assert check(intent(BUY), held("1", **lost), **tight) is not None


def test_an_order_beyond_zero_is_bounded_by_what_it_ends_at() -> None:
    limits: dict[str, Any] = {
        "max_position_usd": 60,
        "max_order_notional_usd": 60,
        "max_gross_exposure_usd": 10_000,
    }
    assert check(intent(SELL, "60000", "0.001"), held("0.0001"), **limits) is None
    assert code(check(intent(SELL, "60000", "0.001"), held("-0.0001"), **limits)) is RejectCode.POSITION


@pytest.mark.parametrize("missing", ["instrument", "mark"])
def test_exposure_that_cannot_be_valued_refuses_what_adds_to_it(missing: str) -> None:
    fields: dict[str, Any] = {"positions": {"ETH/USDT": Decimal(1)}}
    if missing == "instrument":
        fields["instruments"] = {"BTC/USDT": BTC}
    else:
        fields["usd"] = {"USDT": Decimal(1), "BTC": Decimal(60_000)}.get
    assert code(check(intent(), view(**fields))) is RejectCode.NO_MARK


def test_a_flat_symbol_needs_no_mark() -> None:
    usd = {"USDT": Decimal(1), "BTC": Decimal(60_000)}.get
    assert check(intent(), view(positions={"ETH/USDT": Decimal(0)}, usd=usd)) is None


def test_a_quote_asset_without_a_value_is_no_zero() -> None:
    instrument = replace(
        ETH, symbol="ETH/BTC", quote="BTC", tick_size=Decimal("0.00001"), min_notional=Decimal(0)
    )
    quote = Quote("ETH/BTC", Decimal("0.05"), Decimal("0.0501"), NOW_NS)
    place = intent(symbol="ETH/BTC", price="0.05", quantity="0.1")
    fields: dict[str, Any] = {"instruments": {"ETH/BTC": instrument}, "quotes": {"ETH/BTC": quote}}
    assert check(place, view(**fields)) is None
    assert code(check(place, view(**fields, usd={"ETH": Decimal(3_000)}.get))) is RejectCode.NO_MARK


@pytest.mark.parametrize("state", [OrderState.CANCEL_PENDING, OrderState.UNKNOWN, OrderState.SENT])
def test_an_order_that_may_be_there_can_be_met(state: OrderState) -> None:
    order = resting(SELL, "59990", state)
    assert code(check(intent(price="59990"), view(order))) is RejectCode.SELF_CROSS


def test_a_market_order_does_not_take_our_own_touch() -> None:
    assert code(check(intent(BUY, None), view(resting(SELL, "60001")))) is RejectCode.SELF_CROSS
    assert check(intent(BUY, None), view(resting(SELL, "60001.01"))) is None
    # A market order of ours cannot be met: it never rests.
    assert check(intent(BUY, None), view(make_order(side=SELL, kind=OrderKind.MARKET, price=None))) is None


def test_slots_are_of_one_symbol_and_the_empty_one_is_none() -> None:
    waiting = resting(BUY, "2900", OrderState.SENT, symbol="ETH/USDT", slot="a")
    assert check(intent(slot="a"), view(waiting)) is None
    assert check(intent(slot=""), view(resting(BUY, "59000", OrderState.SENT, slot=""))) is None


def test_two_slots_may_want_the_same_at_once() -> None:
    assert check(intent(slot="b"), view(), before=[(intent(slot="a"), NOW_NS)]) is None


def test_limits_are_replaced_and_the_past_still_counts() -> None:
    engine = RiskEngine(Limits(max_orders_per_second=10))
    for number in range(5):
        engine.admitted(intent(price=f"5990{number}"), NOW_NS)
    assert engine.check(intent(), view(), NOW_NS) is None
    [change] = engine.reload(Limits(max_orders_per_second=5))
    assert (change.key, change.old, change.new, change.direction) == (
        "risk.max_orders_per_second",
        10,
        5,
        "tightened",
    )
    assert engine.limits.max_orders_per_second == 5
    assert code(engine.check(intent(), view(), NOW_NS)) is RejectCode.ORDER_RATE


def test_a_window_is_as_long_as_the_reload_says() -> None:
    engine = RiskEngine(Limits(identical_intent_window_ms=100))
    engine.admitted(intent(), NOW_NS)
    engine.reload(Limits(identical_intent_window_ms=400))
    assert code(engine.check(intent(), view(), NOW_NS + 300 * MS)) is RejectCode.DUPLICATE_INTENT
    assert engine.check(intent(), view(), NOW_NS + 400 * MS) is None
