"""What no sequence of admitted orders can do."""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trader.risk_support import NOW_NS, QUOTE, USD, code, intent, view
from tests.trader.support import make_order
from trader.model.intents import Place
from trader.model.orders import Order
from trader.model.transitions import OrderState, Signal
from trader.model.values import Instrument, OrderKind, Quote, Side, TradingState
from trader.risk import Limits, RejectCode, RiskEngine, RiskInput

STEP_NS = 50_000_000
LIMITS = Limits(
    max_order_notional_usd=Decimal(400),
    max_position_usd=Decimal(600),
    max_gross_exposure_usd=Decimal(900),
    max_open_orders_per_symbol=4,
    max_open_orders=6,
    max_orders_per_second=5,
)
PRICES = {"BTC/USDT": Decimal(60_000), "ETH/USDT": Decimal(3_000)}


@dataclass
class Book:
    """Orders and positions; fills and ends come in any order."""

    state: TradingState = TradingState.ACTIVE
    orders: list[Order] = field(default_factory=list)
    positions: dict[str, Decimal] = field(default_factory=dict)
    count: int = 0

    def view(self, now_ns: int) -> RiskInput:
        quotes = {s: Quote(s, p - 1, p + 1, now_ns) for s, p in PRICES.items()}
        live = [order for order in self.orders if not order.final]
        return view(*live, state=self.state, positions=self.positions, quotes=quotes)

    def add(self, place: Place) -> None:
        self.count += 1
        self.orders.append(
            make_order(
                f"trader-01-1-{self.count}",
                OrderState.SENT,
                symbol=place.symbol,
                side=place.side,
                kind=place.kind,
                quantity=place.quantity,
                price=place.price,
            )
        )

    def fill(self, number: int, share: Decimal) -> None:
        live = [order for order in self.orders if not order.final]
        if not live:
            return
        order = live[number % len(live)]
        quantity = (order.quantity - order.filled) * share
        order.filled += quantity
        self.positions[order.symbol] = (
            self.positions.get(order.symbol, Decimal(0)) + order.side.sign * quantity
        )
        order.signal(Signal.FILLED if order.filled == order.quantity else Signal.PARTLY_FILLED)

    def end(self, number: int) -> None:
        live = [order for order in self.orders if not order.final]
        if live:
            live[number % len(live)].signal(Signal.CANCELED)


places = st.builds(
    lambda symbol, side, units, away, market: Place(
        symbol,
        side,
        OrderKind.MARKET if market else OrderKind.LIMIT,
        Decimal(units) / (10_000 if symbol == "BTC/USDT" else 500),
        None if market else PRICES[symbol] * (1 + Decimal(away) / 1_000),
        0,
    ),
    st.sampled_from(sorted(PRICES)),
    st.sampled_from(Side),
    st.integers(min_value=1, max_value=80),
    st.integers(min_value=-8, max_value=8),
    st.booleans(),
)
steps = st.one_of(
    places,
    st.tuples(st.just("fill"), st.integers(0, 9), st.sampled_from([Decimal("0.5"), Decimal(1)])),
    st.tuples(st.just("end"), st.integers(0, 9), st.just(Decimal(0))),
)


def run(book: Book, moves: list[Place | tuple[str, int, Decimal]]) -> list[Place]:
    """Apply the moves, one each 50 ms, and return what was admitted."""
    engine, admitted = RiskEngine(LIMITS), []
    for number, move in enumerate(moves):
        now_ns = NOW_NS + number * STEP_NS
        if isinstance(move, tuple):
            kind, which, share = move
            book.fill(which, share) if kind == "fill" else book.end(which)
        elif engine.check(move, book.view(now_ns), now_ns) is None:
            engine.admitted(move, now_ns)
            book.add(move)
            admitted.append(move)
        assert_bounds(book)
    return admitted


def assert_bounds(book: Book) -> None:
    """Whichever of the orders that are out are filled, wholly or not, every limit holds."""
    live = [order for order in book.orders if not order.final]
    assert len(live) <= LIMITS.max_open_orders
    gross = Decimal(0)
    for symbol in PRICES:
        of_symbol = [order for order in live if order.symbol == symbol]
        assert len(of_symbol) <= LIMITS.max_open_orders_per_symbol
        position = book.positions.get(symbol, Decimal(0))
        left = {
            side: sum((o.quantity - o.filled for o in of_symbol if o.side is side), Decimal(0))
            for side in Side
        }
        reachable = [position, position + left[Side.BUY], position - left[Side.SELL]]
        values = [abs(quantity) * USD[symbol.split("/")[0]] for quantity in reachable]
        assert max(values) <= LIMITS.max_position_usd
        gross += max(values)
    assert gross <= LIMITS.max_gross_exposure_usd


@settings(max_examples=200)
@given(st.lists(steps, max_size=40))
def test_no_outcome_of_admitted_orders_exceeds_a_limit(moves: list[Place | tuple[str, int, Decimal]]) -> None:
    run(Book(), moves)


def test_the_property_is_not_empty() -> None:
    """The moves above do reach the limits: without that the property would prove nothing."""
    big = intent(price="60000", quantity="0.006")
    assert len(run(Book(), [big] * 5)) == 1
    other = intent(symbol="ETH/USDT", price="3000", quantity="0.1")
    assert len(run(Book(), [big, other, other])) == 2


@settings(max_examples=200)
@given(
    st.lists(steps, max_size=40),
    st.fixed_dictionaries({symbol: st.integers(-50, 50) for symbol in PRICES}),
)
def test_reduce_only_never_makes_a_position_larger(
    moves: list[Place | tuple[str, int, Decimal]], held: dict[str, int]
) -> None:
    start = {symbol: Decimal(units) / 1_000 for symbol, units in held.items()}
    book = Book(TradingState.REDUCE_ONLY, positions=dict(start))
    engine = RiskEngine(LIMITS)
    size = {symbol: abs(quantity) for symbol, quantity in start.items()}
    for number, move in enumerate(moves):
        now_ns = NOW_NS + number * STEP_NS
        if isinstance(move, tuple):
            kind, which, share = move
            book.fill(which, share) if kind == "fill" else book.end(which)
        elif engine.check(move, book.view(now_ns), now_ns) is None:
            engine.admitted(move, now_ns)
            book.add(move)
        for symbol, quantity in book.positions.items():
            assert abs(quantity) <= size[symbol]
            assert quantity * start[symbol] >= 0, "never through zero"
            size[symbol] = abs(quantity)


@given(st.lists(st.integers(min_value=0, max_value=400), max_size=80), st.integers(1, 6))
def test_no_second_has_more_orders_than_allowed(gaps_ms: list[int], most: int) -> None:
    engine, now_ns, admitted = RiskEngine(Limits(max_orders_per_second=most)), NOW_NS, []
    for number, gap_ms in enumerate(gaps_ms):
        now_ns += gap_ms * 1_000_000
        place = intent(price=str(Decimal(59_000) + number))
        fresh = view(quotes={"BTC/USDT": replace(QUOTE, received_ns=now_ns)})
        if engine.check(place, fresh, now_ns) is None:
            engine.admitted(place, now_ns)
            admitted.append(now_ns)
        else:
            # Nothing is refused that would have fitted.
            assert sum(now_ns - at_ns < 1_000_000_000 for at_ns in admitted) == most
    for start_ns in admitted:
        assert sum(start_ns <= at_ns < start_ns + 1_000_000_000 for at_ns in admitted) <= most


@given(st.integers(1, 10**9), st.integers(1, 10**9), st.integers(-3, 3), st.integers(0, 5), st.integers(0, 5))
def test_a_limit_is_exact_to_the_last_digit(
    price_ticks: int, lots: int, off: int, price_places: int, lot_places: int
) -> None:
    price, quantity = Decimal(price_ticks).scaleb(-price_places), Decimal(lots).scaleb(-lot_places)
    exact = Fraction(price) * Fraction(quantity)
    limit = price * quantity + Decimal(off).scaleb(-(price_places + lot_places))
    if limit <= 0:
        return
    instrument = Instrument("BTC/USDT", "BTC", "USDT", price, quantity, Decimal(0))
    limits = Limits(
        max_order_notional_usd=limit,
        max_position_usd=Decimal("1e40"),
        max_gross_exposure_usd=Decimal("1e40"),
    )
    world = view(
        instruments={"BTC/USDT": instrument}, quotes={"BTC/USDT": Quote("BTC/USDT", price, price, NOW_NS)}
    )
    place = Place("BTC/USDT", Side.BUY, OrderKind.LIMIT, quantity, price, NOW_NS)
    refused = code(RiskEngine(limits).check(place, world, NOW_NS)) is RejectCode.ORDER_NOTIONAL
    assert refused == (exact > Fraction(limit))
