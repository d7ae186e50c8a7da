"""The rate budget: the limit is never exceeded, priority always holds, bans are honoured."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.venue_sim.support import eventually
from trader.venue.budget import Budget, BudgetCore, Priority, Ticket
from trader.venue.endpoints import TARIFFS, Cost, Counted, Endpoint, Limit, Tariff, tariff
from trader.venue.wire_errors import BudgetError, NotSentError

SECOND_NS = 1_000_000_000
WEIGHT, ORDERS, RESERVE, PACE_SECONDS, KILL_PACE_SECONDS = 20, 5, 4, 2, 0.5
SMALL = Tariff(
    (Limit(Counted.WEIGHT, 10, WEIGHT), Limit(Counted.ORDERS, 3, ORDERS)),
    {Endpoint.PLACE: Cost(1, orders=1), Endpoint.QUERY: Cost(4), Endpoint.TRADES: Cost(9)},
)
ENDPOINTS = {
    # A kill places orders too: those that close positions.
    Priority.KILL: (Endpoint.CANCEL_ALL, Endpoint.PLACE),
    Priority.CANCEL: (Endpoint.CANCEL,),
    Priority.QUERY: (Endpoint.QUERY, Endpoint.TRADES, Endpoint.TIME),
    Priority.NEW: (Endpoint.PLACE,),
}
REQUESTS = st.sampled_from([(p, e) for p, endpoints in ENDPOINTS.items() for e in endpoints])


def small_core(**settings: float) -> BudgetCore:
    values = {"reserve_share": RESERVE / WEIGHT, "max_wait_seconds": 2, "patience_seconds": 1_000}
    paces = {"pace_seconds": PACE_SECONDS, "kill_pace_seconds": KILL_PACE_SECONDS}
    return BudgetCore(SMALL, **(values | paces | settings))


def ask(core: BudgetCore, now_ns: int, *requests: tuple[Priority, Endpoint]) -> list[Ticket]:
    """Ask, advance once, and return what was granted, in order."""
    for priority, endpoint in requests:
        core.request(priority, endpoint, now_ns)
    return core.advance(now_ns).granted


def fill(core: BudgetCore, now_ns: int) -> None:
    """Use all that queries may use."""
    assert len(ask(core, now_ns, *[(Priority.QUERY, Endpoint.QUERY)] * 4)) == 4


class BudgetMachine(RuleBasedStateMachine):
    """Any requests, waits, learned counts and bans."""

    def __init__(self) -> None:
        super().__init__()
        self.core = small_core()
        self.now_ns = SECOND_NS
        self.sent: list[tuple[int, Ticket]] = []
        self.waiting: list[Ticket] = []
        self.limited_ns = self.banned_ns = 0

    def advance(self) -> None:
        turn = self.core.advance(self.now_ns)
        for ticket in turn.refused:
            assert ticket.deadline_ns <= self.now_ns
            self.waiting.remove(ticket)
        for ticket in turn.granted:
            self.waiting.remove(ticket)
            self.sent.append((self.now_ns, ticket))
            self.check_ban(ticket)
            self.check_order(ticket)
        assert [t for t in self.waiting if t.deadline_ns <= self.now_ns] == []
        assert (turn.wake_at_ns is None) == (not self.waiting)
        assert turn.wake_at_ns is None or turn.wake_at_ns > self.now_ns

    def check_ban(self, ticket: Ticket) -> None:
        assert self.now_ns >= self.banned_ns
        if self.now_ns < self.limited_ns:
            assert ticket.priority <= Priority.CANCEL
            pace_seconds = KILL_PACE_SECONDS if ticket.priority is Priority.KILL else PACE_SECONDS
            recent = [t for at, t in self.sent if at > self.now_ns - pace_seconds * SECOND_NS]
            assert recent == [ticket], "one at a time"

    def check_order(self, ticket: Ticket) -> None:
        """Nobody who goes first still waits, but orders that lack only room as orders."""
        for other in self.waiting:
            first = (other.priority, other.deadline_ns) < (ticket.priority, ticket.deadline_ns)
            assert not first or (other.cost.orders and not ticket.cost.orders)

    @rule(requests=st.lists(REQUESTS, min_size=1, max_size=8))
    def ask(self, requests: list[tuple[Priority, Endpoint]]) -> None:
        for priority, endpoint in requests:
            try:
                self.waiting.append(self.core.request(priority, endpoint, self.now_ns))
            except BudgetError:
                assert max(self.limited_ns, self.banned_ns) > self.now_ns
        self.advance()

    @rule(milliseconds=st.integers(1, 4_000))
    def wait(self, milliseconds: int) -> None:
        self.now_ns += milliseconds * 1_000_000
        self.advance()

    @rule()
    def wake(self) -> None:
        turn = self.core.advance(self.now_ns)
        assert turn.granted == turn.refused == [], "nothing changed since the last time"
        before = len(self.waiting)
        # One may wait for the end of a ban, then for its weight, then for its place among the orders.
        for _ in range(3):
            wake_at_ns = self.core.advance(self.now_ns).wake_at_ns
            if wake_at_ns is None or len(self.waiting) < before:
                return
            self.now_ns = wake_at_ns
            self.advance()
        assert len(self.waiting) < before, "wake-ups lead to something"

    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        if self.waiting:
            ticket = data.draw(st.sampled_from(self.waiting))
            self.waiting.remove(ticket)
            self.core.withdraw(ticket)
            self.advance()

    @rule(status=st.sampled_from([429, 418]), seconds=st.integers(0, 5))
    def ban(self, status: int, seconds: int) -> None:
        self.core.learn({"Retry-After": str(seconds)}, status, self.now_ns)
        until_ns = self.now_ns + seconds * SECOND_NS
        if status == 429:
            self.limited_ns = max(self.limited_ns, until_ns)
        else:
            self.banned_ns = max(self.banned_ns, until_ns)
        self.advance()

    @invariant()
    def never_more_than_the_limit_in_any_window(self) -> None:
        for limit in SMALL.limits:
            since_ns = self.now_ns - round(limit.seconds * SECOND_NS)
            used = sum(ticket.cost.of(limit.counted) for at, ticket in self.sent if at > since_ns)
            assert used <= limit.amount
            low = sum(
                ticket.cost.of(limit.counted)
                for at, ticket in self.sent
                if at > since_ns and ticket.priority > Priority.CANCEL
            )
            assert low <= limit.amount * (WEIGHT - RESERVE) / WEIGHT


TestBudgetMachine = BudgetMachine.TestCase
TestBudgetMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1_500), st.lists(REQUESTS, max_size=6)), max_size=40))
def test_cancels_within_the_reserve_never_wait(
    steps: list[tuple[int, list[tuple[Priority, Endpoint]]]],
) -> None:
    """Whatever flood of queries and orders there is."""
    core, now_ns, cancelled_ns = small_core(), SECOND_NS, list[int]()
    for milliseconds, requests in steps:
        now_ns += milliseconds * 1_000_000
        for priority, endpoint in requests:
            if priority > Priority.CANCEL:
                core.request(priority, endpoint, now_ns)
        core.advance(now_ns)
        # A window that slides by buckets may count a request for one bucket longer.
        if len([at for at in cancelled_ns if at > now_ns - 11 * SECOND_NS]) < RESERVE:
            cancelled_ns.append(now_ns)
            assert ask(core, now_ns, (Priority.CANCEL, Endpoint.CANCEL))[0].priority is Priority.CANCEL


def test_a_cancel_overtakes_all_that_wait() -> None:
    core = small_core()
    fill(core, SECOND_NS)
    assert ask(core, SECOND_NS, (Priority.QUERY, Endpoint.QUERY), (Priority.NEW, Endpoint.PLACE)) == []
    granted = ask(core, SECOND_NS, (Priority.CANCEL, Endpoint.CANCEL), (Priority.KILL, Endpoint.CANCEL_ALL))
    assert [ticket.priority for ticket in granted] == [Priority.KILL, Priority.CANCEL]


def test_a_closing_order_without_room_does_not_delay_a_cancel() -> None:
    core = small_core()
    ask(core, SECOND_NS, *[(Priority.KILL, Endpoint.PLACE)] * ORDERS)
    granted = ask(core, SECOND_NS, (Priority.KILL, Endpoint.PLACE), (Priority.CANCEL, Endpoint.CANCEL))
    assert [ticket.priority for ticket in granted] == [Priority.CANCEL]


def test_a_stale_order_is_refused_and_a_query_waits_on() -> None:
    core = small_core()
    fill(core, SECOND_NS)
    assert ask(core, SECOND_NS, (Priority.QUERY, Endpoint.QUERY), (Priority.NEW, Endpoint.PLACE)) == []
    turn = core.advance(3 * SECOND_NS)
    assert [ticket.priority for ticket in turn.refused] == [Priority.NEW]
    assert core.usage(3 * SECOND_NS).waiting[Priority.QUERY] == 1
    assert [t.priority for t in core.advance(12 * SECOND_NS).granted] == [Priority.QUERY]


def test_what_can_never_fit_is_refused_at_once() -> None:
    core = BudgetCore(Tariff((Limit(Counted.WEIGHT, 10, 9),), {Endpoint.TRADES: Cost(9)}), reserve_share=0.2)
    with pytest.raises(BudgetError):
        core.request(Priority.QUERY, Endpoint.TRADES, 1)
    core.request(Priority.KILL, Endpoint.TRADES, 1)


@pytest.mark.parametrize("status", [429, 418])
def test_who_may_send_during_a_ban(status: int) -> None:
    core = small_core(patience_seconds=20)
    core.learn({"Retry-After": "30"}, status, SECOND_NS)
    for priority, endpoints in ENDPOINTS.items():
        if status == 429 and priority <= Priority.CANCEL:
            core.request(priority, endpoints[0], SECOND_NS)
        else:
            with pytest.raises(BudgetError, match="30 s more"):
                core.request(priority, endpoints[0], SECOND_NS)
    granted = core.advance(SECOND_NS).granted
    assert [ticket.priority for ticket in granted] == ([Priority.KILL] if status == 429 else [])
    assert core.usage(SECOND_NS).banned_seconds == 30
    assert ask(core, 31 * SECOND_NS, (Priority.NEW, Endpoint.PLACE))[-1].priority is Priority.NEW


@pytest.mark.parametrize(("status", "seconds"), [(429, 60), (418, 120), (200, 0), (403, 0), (503, 0)])
def test_a_ban_of_unsaid_length(status: int, seconds: int) -> None:
    core = small_core()
    core.learn({}, status, SECOND_NS)
    assert core.usage(SECOND_NS).banned_seconds == seconds


def test_a_ban_is_not_shortened_by_a_later_answer() -> None:
    core = small_core()
    core.learn({"retry-after": "30"}, 418, SECOND_NS)
    core.learn({"retry-after": "1"}, 418, SECOND_NS)
    core.learn({}, 200, SECOND_NS)
    assert core.usage(SECOND_NS).banned_seconds == 30


def test_the_venues_count_wins_when_it_is_higher() -> None:
    core = BudgetCore(TARIFFS["binance"])
    core.learn({"x-mbx-used-weight-1m": "5999", "X-MBX-USED-WEIGHT": "5999"}, 200, SECOND_NS)
    assert core.usage(SECOND_NS).used == 5999
    core.learn({"X-MBX-USED-WEIGHT-1M": "3"}, 200, SECOND_NS)
    assert core.usage(SECOND_NS).used == 5999, "what we counted is not forgotten"
    assert ask(core, SECOND_NS, (Priority.QUERY, Endpoint.TIME)) == []
    assert len(ask(core, SECOND_NS, (Priority.CANCEL, Endpoint.CANCEL))) == 1
    assert core.usage(SECOND_NS).used == 6000
    assert core.usage(63 * SECOND_NS).used == 0


def test_the_venues_count_of_orders() -> None:
    core = BudgetCore(TARIFFS["binance"])
    core.learn({"X-MBX-ORDER-COUNT-10S": "50", "X-MBX-ORDER-COUNT-1D": "50"}, 200, SECOND_NS)
    assert ask(core, SECOND_NS, (Priority.NEW, Endpoint.PLACE)) == []
    assert len(ask(core, 12 * SECOND_NS, (Priority.NEW, Endpoint.PLACE))) == 1


@pytest.mark.parametrize(
    "name", ["X-MBX-USED-WEIGHT-1X", "X-MBX-USED-WEIGHT-", "X-MBX-USED-WEIGHT-7M", "Age"]
)
def test_odd_headers_are_passed_over(name: str) -> None:
    core = BudgetCore(TARIFFS["binance"])
    core.learn({name: "5000", "X-MBX-USED-WEIGHT-1M": "many", "Retry-After": "Mon"}, 200, SECOND_NS)
    assert core.usage(SECOND_NS).used == 0


def test_rows_set_limits_and_counts() -> None:
    core = BudgetCore(TARIFFS["binance"])
    weight = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
    core.windows.learn_rows([weight | {"limit": 1_200, "count": 7}], SECOND_NS)
    usage = core.usage(SECOND_NS)
    assert (usage.used, usage.limit) == (7, 1_200)
    hourly = {"rateLimitType": "ORDERS", "interval": "HOUR", "intervalNum": 1, "limit": 1, "count": 1}
    core.windows.learn_rows([hourly], SECOND_NS)
    assert ask(core, SECOND_NS, (Priority.NEW, Endpoint.PLACE)) == [], (
        "a window that nobody told us of before"
    )


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 1},
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "EPOCH", "intervalNum": 1, "limit": 1},
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 0},
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": "1", "limit": 1},
    ],
)
def test_odd_rows_are_passed_over(row: dict[str, object]) -> None:
    core = BudgetCore(TARIFFS["binance"])
    core.windows.learn_rows([row], SECOND_NS)
    assert core.usage(SECOND_NS).limit == 6_000


@pytest.mark.parametrize(
    ("venue", "rate_limit_ms", "amount", "seconds"),
    [("kraken", 1_000, 1, 1), ("okx", 110, 9, 1), ("slow", 3_000, 1, 3), ("binance", 50, 6_000, 60)],
)
def test_limits_by_venue(venue: str, rate_limit_ms: float, amount: int, seconds: float) -> None:
    limit = tariff(venue, rate_limit_ms).limits[0]
    assert (limit.amount, limit.seconds) == (amount, seconds)


# -- callers that wait


async def test_waiting_callers_are_let_in_by_priority() -> None:
    budget = Budget(BudgetCore(Tariff((Limit(Counted.WEIGHT, 0.2, 1),), {})))
    await budget.acquire(Priority.QUERY, Endpoint.TIME)
    order: list[Priority] = []

    async def one(priority: Priority, endpoint: Endpoint) -> None:
        await budget.acquire(priority, endpoint)
        order.append(priority)

    tasks = [
        asyncio.create_task(one(p, e))
        for p, e in [
            (Priority.QUERY, Endpoint.QUERY),
            (Priority.CANCEL, Endpoint.CANCEL),
            (Priority.KILL, Endpoint.CANCEL_ALL),
        ]
    ]
    await asyncio.gather(*tasks)
    assert order == [Priority.KILL, Priority.CANCEL, Priority.QUERY]


async def test_a_refused_caller_is_told_that_nothing_was_sent() -> None:
    budget = Budget(BudgetCore(Tariff((Limit(Counted.WEIGHT, 60, 1),), {}), max_wait_seconds=0.05))
    await budget.acquire(Priority.QUERY, Endpoint.TIME)
    with pytest.raises(NotSentError):
        await budget.acquire(Priority.NEW, Endpoint.PLACE)
    assert Counter(budget.usage().waiting.values()) == {0: 4}


async def test_a_caller_that_gives_up_leaves_the_queue() -> None:
    budget = Budget(BudgetCore(Tariff((Limit(Counted.WEIGHT, 0.3, 1),), {})))
    await budget.acquire(Priority.QUERY, Endpoint.TIME)
    first = asyncio.create_task(budget.acquire(Priority.KILL, Endpoint.CANCEL_ALL))
    second = asyncio.create_task(budget.acquire(Priority.QUERY, Endpoint.QUERY))
    await eventually(lambda: sum(budget.usage().waiting.values()) == 2, "both wait")
    first.cancel()
    await second
    assert budget.usage().waiting[Priority.KILL] == 0


async def test_room_that_an_answer_makes_wakes_those_who_wait() -> None:
    budget = Budget(BudgetCore(Tariff((Limit(Counted.WEIGHT, 60, 1),), {}), patience_seconds=600))
    await budget.acquire(Priority.QUERY, Endpoint.TIME)
    waiting = asyncio.create_task(budget.acquire(Priority.QUERY, Endpoint.QUERY))
    await eventually(lambda: budget.usage().waiting[Priority.QUERY] == 1, "it waits")
    row = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2}
    budget.learn_rows([row])
    async with asyncio.timeout(10):
        await waiting


async def test_bans_come_over_both_ways() -> None:
    for over_ws in (False, True):
        budget = Budget(BudgetCore(TARIFFS["binance"]))
        if over_ws:
            budget.learn_rows([], 418)
        else:
            budget.learn({}, 418)
        with pytest.raises(BudgetError):
            await budget.acquire(Priority.KILL, Endpoint.CANCEL_ALL)
