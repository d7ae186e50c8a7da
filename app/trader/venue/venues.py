"""The seven venues that the service can trade at: one row each, and nothing is sent without a row.

ccxt's unified `clientOrderId` is dropped, renamed or ignored by some venues, and what an answer proves
differs from venue to venue, so a row states it. Source of every fact: ccxt 4.5.90 (its request building is
what the tests capture), and for what only a venue can know, its own documentation. `proof` says how far a
row has been tried; nothing here has been run against a real venue with money.
"""

from dataclasses import dataclass
from enum import StrEnum

from trader.model.identifiers import client_id
from trader.venue.wire_ids import WireForm, to_wire


class Market(StrEnum):
    """What is traded; ccxt's names for defaultType."""

    SPOT = "spot"
    SWAP = "swap"  # linear perpetuals


class Answer(StrEnum):
    """What the answer to a new order holds."""

    STATE = "state"  # our id, the venue's id, and the order's state
    NAMES = "names"  # our id and the venue's id: the request was taken, the order may still be refused
    BARE = "bare"  # the venue's id alone; whose order it is must be asked


class Lookup(StrEnum):
    """How an order is found by our id."""

    QUERY = "query"  # fetch_order with a parameter
    OPEN_THEN_CLOSED = "open_then_closed"  # two lists, each filtered by the venue
    STATUS_THEN_HISTORY = "status_then_history"  # open or just closed; then the history and the fills
    REALTIME_THEN_HISTORY = "realtime_then_history"  # open or recent; then the archive
    LIST_AND_FILTER = "list_and_filter"  # all orders since it was made; we compare the ids


class Cancel(StrEnum):
    """How an order is cancelled, and what the answer proves."""

    STATE = "state"  # by our id; the answer holds the order's final state
    TAKEN = "taken"  # by our id; the answer says only that the request was taken
    TAKEN_BY_VENUE_ID = "taken_by_venue_id"  # only by the venue's id; taken, no state


class Life(StrEnum):
    """What ends the life of a request that is still on its way: after that, "not found" is proof."""

    RECV_WINDOW = "recv_window"  # the venue refuses a request that is older than this parameter says
    RECV_WINDOW_HEADER = "recv_window_header"
    EXPIRY_HEADER = "expiry_header"  # OKX expTime: a moment in UTC milliseconds
    DEADLINE = "deadline"  # Kraken AddOrder: a moment (RFC 3339) at which the matching engine refuses it
    PROCESS_BEFORE = "process_before"  # Kraken Futures: likewise
    SIGNATURE = "signature"  # Coinbase: nothing but the age of the request's own signature


class Proof(StrEnum):
    EMULATOR = "emulator"  # orders placed, lost, found and cancelled end to end
    REQUESTS = "requests"  # requests captured and answers read, no venue behind them


class Scope(StrEnum):
    """What one dead man's timer of the venue looks after."""

    ACCOUNT = "account"  # every order of the account
    SYMBOL = "symbol"  # the orders of one symbol
    NONE = "none"  # there is no timer that we can set


@dataclass(frozen=True, slots=True)
class DeadMan:
    """The venue's own timer, which cancels our orders unless we call again in time.

    Args:
        note: what it leaves out, or why there is none; for people.
        seconds: shortest and longest time that it can be set to.
    """

    scope: Scope
    note: str
    seconds: tuple[int, int] = (1, 86_400)


@dataclass(frozen=True, slots=True)
class VenueRule:
    """One venue's row.

    Args:
        form: how our id is spelled on the wire; `max_length` is what the venue takes of it.
        create: parameter of create_order that carries it.
        names: field of the venue's own answer that names it.
        lookup_by: parameter of the lookup that carries it; cancel_by: of the cancel. None: not by our id.
        cancel_info: field of the answer to a cancel in which our id stands, where ccxt reads another one.
        life_ms: shortest and longest life that the venue allows; equal = not ours to choose.
        unique: within what the venue keeps ids apart; uniqueness for ever is our own work.
        reduce_only: parameter of create_order; None = the venue cannot promise it (spot).
        realized: fields of the venue's trade that tell the realised profit, first one found; () = it does not
            tell, and Fill.realized stays 0.
        fills_in_answer: whether an answer's trades are whole, with the ids that queries and streams give.
        by_symbol: whether lists of open orders are asked for symbol by symbol, or all at once.
        funding: whether its list of funding payments is read (see `funding`); at a venue of perpetuals
            without it every payment is a difference that halts. Spot has none.
        streams: of ccxt: watchOrders, watchMyTrades, watchBidsAsks.
        passphrase: whether the key has one.
        movable: whether `venue.hostname` can point it at another host.
        public_time: address of a question that anybody may ask, with `{domain}` for what `venue.hostname`
            replaces.
        domain: the venue's own.
    """

    id: str
    market: Market
    form: WireForm
    max_length: int
    create: str
    names: str
    answer: Answer
    lookup: Lookup
    lookup_by: str
    cancel: Cancel
    cancel_by: str | None
    life: Life
    life_ms: tuple[int, int]
    unique: str
    dead_man: DeadMan
    public_time: str
    domain: str
    cancel_info: str | None = None
    reduce_only: str | None = None
    realized: tuple[str, ...] = ()
    fills_in_answer: bool = False
    funding: bool = False
    by_symbol: bool = True
    streams: frozenset[str] = frozenset({"watchOrders", "watchMyTrades", "watchBidsAsks"})
    passphrase: bool = False
    movable: bool = False
    proof: Proof = Proof.REQUESTS

    def lifetime_ms(self, wanted_ms: int) -> int:
        """How long a request stays valid, in milliseconds, when this much was asked for."""
        shortest, longest = self.life_ms
        return min(max(wanted_ms, shortest), longest)


_WINDOW = (100, 60_000)
_COINBASE_SIGNATURE_MS = 120_000
_KRAKEN_TIMER = DeadMan(
    Scope.ACCOUNT,
    "once it has fired it stays off until it is set again; it also cancels when the venue comes back from"
    " maintenance",
)

_ROWS = (
    VenueRule(
        id="binance",
        market=Market.SPOT,
        form=WireForm.TEXT,
        max_length=36,
        create="newClientOrderId",
        names="clientOrderId",
        answer=Answer.STATE,
        lookup=Lookup.QUERY,
        lookup_by="origClientOrderId",
        cancel=Cancel.STATE,
        cancel_by="origClientOrderId",
        # The answer to a cancel has the cancel's own id as clientOrderId; the order's is beside it.
        cancel_info="origClientOrderId",
        life=Life.RECV_WINDOW,
        life_ms=_WINDOW,
        unique="open orders of the account",
        dead_man=DeadMan(Scope.NONE, "the spot API has no timer"),
        public_time="https://api.{domain}/api/v3/time",
        domain="binance.com",
        fills_in_answer=True,
        movable=True,
        proof=Proof.EMULATOR,
    ),
    VenueRule(
        id="binanceusdm",
        market=Market.SWAP,
        form=WireForm.TEXT,
        max_length=36,
        create="newClientOrderId",
        names="clientOrderId",
        answer=Answer.STATE,
        lookup=Lookup.QUERY,
        lookup_by="origClientOrderId",
        cancel=Cancel.STATE,
        cancel_by="origClientOrderId",
        life=Life.RECV_WINDOW,
        life_ms=_WINDOW,
        unique="open orders of the account",
        dead_man=DeadMan(Scope.SYMBOL, "conditional orders stay (the service places none)"),
        public_time="https://fapi.{domain}/fapi/v1/time",
        domain="binance.com",
        reduce_only="reduceOnly",
        realized=("realizedPnl", "rp"),  # by query, in the stream
        funding=True,
        movable=True,
        proof=Proof.EMULATOR,
    ),
    VenueRule(
        id="kraken",
        market=Market.SPOT,
        form=WireForm.HEX,  # cl_ord_id: a UUID with or without dashes, or 18 characters of free text
        max_length=32,
        create="cl_ord_id",
        names="cl_ord_id",
        answer=Answer.BARE,  # AddOrder answers {descr, txid}
        lookup=Lookup.OPEN_THEN_CLOSED,  # fetch_order would send it as userref
        lookup_by="cl_ord_id",
        cancel=Cancel.TAKEN,  # {count, pending}
        cancel_by="cl_ord_id",
        life=Life.DEADLINE,
        # The venue takes 2 to 60 s from its own now; shorter than 5 s a slow request or a slow clock of
        # ours would be refused for its deadline alone.
        life_ms=(5_000, 60_000),
        unique="open orders of the account",
        dead_man=_KRAKEN_TIMER,
        public_time="https://api.{domain}/0/public/Time",
        domain="kraken.com",
        by_symbol=False,
    ),
    VenueRule(
        id="krakenfutures",
        market=Market.SWAP,
        form=WireForm.TEXT,
        max_length=100,
        create="cliOrdId",
        names="cliOrdId",
        answer=Answer.STATE,
        lookup=Lookup.STATUS_THEN_HISTORY,  # the status shows what is open or ended in the last 5 s
        lookup_by="cliOrdIds",
        cancel=Cancel.STATE,
        cancel_by="cliOrdId",
        life=Life.PROCESS_BEFORE,
        life_ms=(1_000, 60_000),
        unique="all orders of the account",
        dead_man=_KRAKEN_TIMER,
        public_time="https://{domain}/derivatives/api/v3/instruments/PF_XBTUSD/status",
        domain="futures.kraken.com",
        reduce_only="reduceOnly",
        # Fees are ccxt's estimate from its own table of rates: the venue's list of fills names none.
        # Of the account's log the rows "funding rate change" alone, which is what ccxt reads.
        funding=True,
        by_symbol=False,
    ),
    VenueRule(
        id="bybit",
        market=Market.SPOT,
        form=WireForm.TEXT,
        max_length=36,
        create="orderLinkId",
        names="orderLinkId",
        answer=Answer.NAMES,  # the matching engine says yes or no later
        lookup=Lookup.REALTIME_THEN_HISTORY,  # fetch_order would send orderId=None beside it
        lookup_by="orderLinkId",
        cancel=Cancel.TAKEN,
        cancel_by="orderLinkId",
        life=Life.RECV_WINDOW_HEADER,
        life_ms=_WINDOW,
        unique="all orders of the account",
        dead_man=DeadMan(
            Scope.NONE,
            "its DCP acts when a private stream that has subscribed to it breaks: the account manager must"
            " allow it, and ccxt can set its window but not subscribe",
        ),
        public_time="https://api.{domain}/v5/market/time",
        domain="bybit.com",
    ),
    VenueRule(
        id="okx",
        market=Market.SPOT,
        form=WireForm.HEX,  # clOrdId: up to 32 letters and digits
        max_length=32,
        create="clOrdId",
        names="clOrdId",
        answer=Answer.NAMES,
        lookup=Lookup.QUERY,
        lookup_by="clOrdId",
        cancel=Cancel.TAKEN,
        cancel_by="clOrdId",
        life=Life.EXPIRY_HEADER,  # expTime, which ccxt does not send by itself
        life_ms=_WINDOW,
        unique="open and recent orders of the account",
        dead_man=DeadMan(Scope.ACCOUNT, "the venue cancels one by one, over some seconds", (10, 120)),
        public_time="https://{domain}/api/v5/public/time",
        domain="www.okx.com",
        passphrase=True,
    ),
    VenueRule(
        id="coinbase",
        market=Market.SPOT,
        form=WireForm.TEXT,
        max_length=36,  # longer ones are in use (ccxt's own have 41); ours never are
        create="client_order_id",  # the unified clientOrderId is dropped and a random id sent
        names="client_order_id",
        answer=Answer.NAMES,
        lookup=Lookup.LIST_AND_FILTER,
        lookup_by="client_order_id",
        cancel=Cancel.TAKEN_BY_VENUE_ID,
        cancel_by=None,
        # No request can be given a life. Its signature is a token that ccxt makes valid for 120 s, so an
        # order whose answer was lost is known to be absent only after two minutes.
        life=Life.SIGNATURE,
        life_ms=(_COINBASE_SIGNATURE_MS, _COINBASE_SIGNATURE_MS),
        unique="all orders of the account; a second request gets the first one's order as its answer",
        dead_man=DeadMan(Scope.NONE, "the API has no timer"),
        public_time="https://api.{domain}/v2/time",
        domain="coinbase.com",
        streams=frozenset({"watchOrders"}),  # quotes come by watchTicker, fills by query
    ),
)

RULES: dict[str, VenueRule] = {row.id: row for row in _ROWS}


def rule_of(venue: str) -> VenueRule:
    """A venue's row.

    Raises:
        ValueError: it has none; the message says why that matters and what there is.
    """
    rule = RULES.get(venue)
    if rule is None:
        raise ValueError(
            f"venue.id: {venue!r} is not covered: how it takes client order ids and what its answers prove "
            f"is not known; covered: {', '.join(sorted(RULES))}"
        )
    return rule


def ids_fit(venue: str, host: str, epoch: int, last_sequence: int) -> str | None:
    """Whether all ids up to `last_sequence` can be sent to a venue.

    Returns:
        What is wrong, in one line that begins with the settings' key; None when they fit.
    """
    rule = rule_of(venue)
    try:
        wire = to_wire(client_id(host, epoch, last_sequence), rule.form)
    except ValueError as error:
        return f"host: {error}; shorten the name or lower the epoch"
    if len(wire) > rule.max_length:
        return f"host: {wire!r} has {len(wire)} characters, {venue} takes {rule.max_length}; shorten the name"
    return None
