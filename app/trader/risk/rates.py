"""How often: orders per second, the same order again and again, the same intent twice."""

from collections import Counter, deque
from collections.abc import Collection, Hashable

from trader.model.intents import Place
from trader.model.orders import Order
from trader.risk.codes import RejectCode, Rejection, above, show
from trader.risk.limits import Limits

SECOND_NS = 1_000_000_000


class Window:
    """Counts what was admitted within the last `length_ns`, by key. Exact: no bucket, no average."""

    def __init__(self, length_ns: int) -> None:
        self.length_ns = length_ns
        self._entries: deque[tuple[int, Hashable]] = deque()
        self._counts: Counter[Hashable] = Counter()

    def count(self, key: Hashable, now_ns: int) -> int:
        """How many of this key lie in (now - length, now]."""
        while self._entries and now_ns - self._entries[0][0] >= self.length_ns:
            _, old = self._entries.popleft()
            self._counts[old] -= 1
            if not self._counts[old]:
                del self._counts[old]
        return self._counts[key]

    def add(self, key: Hashable, now_ns: int) -> None:
        self._entries.append((now_ns, key))
        self._counts[key] += 1


class Rates:
    """The three windows of one host.

    The throttle of repeated executions is that of RTS 6 (EU 2017/589) Art. 15(3) and of the FIA's guide
    (2015): how often a strategy has done the same thing, counted by symbol, side, price and quantity.
    """

    def __init__(self, limits: Limits) -> None:
        self._orders = Window(SECOND_NS)
        self._repeats = Window(0)
        self._intents = Window(0)
        self.resize(limits)

    def resize(self, limits: Limits) -> None:
        """Take new window lengths. What an old, shorter window has forgotten stays forgotten."""
        self._repeats.length_ns = limits.repeated_execution_window_seconds * SECOND_NS
        self._intents.length_ns = limits.identical_intent_window_ms * 1_000_000

    def check(self, intent: Place, limits: Limits, now_ns: int) -> Rejection | None:
        """The rates, counting this order."""
        count = 1 + self._orders.count(None, now_ns)
        if count > limits.max_orders_per_second:
            return above(
                RejectCode.ORDER_RATE,
                "max_orders_per_second",
                "orders within a second",
                count,
                limits.max_orders_per_second,
            )
        if self._intents.count(_identity(intent), now_ns):
            text = (
                f"{intent.symbol}: {intent.side} {show(intent.quantity)} of slot {intent.slot!r} was wanted"
                f" already within risk.identical_intent_window_ms {limits.identical_intent_window_ms}"
            )
            return Rejection(RejectCode.DUPLICATE_INTENT, text, "risk.identical_intent_window_ms")
        count = 1 + self._repeats.count(_execution(intent), now_ns)
        if count > limits.max_repeated_executions:
            return above(
                RejectCode.REPEATED_EXECUTION,
                "max_repeated_executions",
                f"{intent.symbol}: {intent.side} {show(intent.quantity)} at {intent.price}, executions within"
                f" {limits.repeated_execution_window_seconds} s",
                count,
                limits.max_repeated_executions,
            )
        return None

    def admitted(self, intent: Place, now_ns: int) -> None:
        """Count an order that was let through."""
        self._orders.add(None, now_ns)
        self._intents.add(_identity(intent), now_ns)
        self._repeats.add(_execution(intent), now_ns)


def check_slot(intent: Place, orders: Collection[Order]) -> Rejection | None:
    """A strategy's slot whose last order has no answer yet gets no second one."""
    if not intent.slot:
        return None
    for order in orders:
        if order.slot == intent.slot and order.symbol == intent.symbol and order.in_flight:
            text = (
                f"{intent.symbol}: slot {intent.slot!r} waits for {order.client_id}, which is {order.state}"
            )
            return Rejection(RejectCode.SLOT_IN_FLIGHT, text)
    return None


def _identity(intent: Place) -> Hashable:
    return (
        intent.symbol,
        intent.side,
        intent.kind,
        intent.quantity,
        intent.price,
        intent.slot,
        intent.reduce_only,
    )


def _execution(intent: Place) -> Hashable:
    return (intent.symbol, intent.side, intent.price, intent.quantity)
