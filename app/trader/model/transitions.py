"""The life of an order: ten states and one explicit, monotone table.

What the table does not name does not happen. A late message (an acknowledgement after the stream has
closed the order) leaves the state alone, so nothing that is closed can come alive again; the only way on
from a final state is the venue correcting CANCELED or EXPIRED to FILLED, when the cancel lost its race.
"""

from enum import StrEnum
from typing import Final


class OrderState(StrEnum):
    PENDING = "pending"  # intent is (being made) durable, not a byte has left
    SENT = "sent"  # on the wire, no answer yet
    UNKNOWN = "unknown"  # the answer was lost: frozen until the venue proves what happened
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    CANCEL_PENDING = "cancel_pending"  # a cancel is a request: only the venue makes it final
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"  # refused, or proven absent
    EXPIRED = "expired"


FINAL: Final = frozenset({OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED, OrderState.EXPIRED})
WORKING: Final = frozenset({OrderState.OPEN, OrderState.PARTIALLY_FILLED, OrderState.CANCEL_PENDING})
IN_FLIGHT: Final = frozenset({OrderState.PENDING, OrderState.SENT, OrderState.UNKNOWN})


class Signal(StrEnum):
    """What can be learnt about an order."""

    SENT = "sent"
    LOST = "lost"  # no trustworthy answer
    OPENED = "opened"
    PARTLY_FILLED = "partly_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REFUSED = "refused"  # the venue said no, or it provably never got the request
    ABSENT = "absent"  # not found, after the receive window of the request had passed
    CANCEL_SENT = "cancel_sent"
    CANCEL_REFUSED = "cancel_refused"  # a query after the cancel shows the order still working


class Verdict(StrEnum):
    MOVED = "moved"
    UNCHANGED = "unchanged"  # nothing new, or a late message
    CONTRADICTION = "contradiction"  # the venue has an order that we hold for rejected: a person must look


_VENUE_SAYS: Final = {
    Signal.OPENED: OrderState.OPEN,
    Signal.PARTLY_FILLED: OrderState.PARTIALLY_FILLED,
    Signal.FILLED: OrderState.FILLED,
    Signal.CANCELED: OrderState.CANCELED,
    Signal.EXPIRED: OrderState.EXPIRED,
}
_CLOSED_BY_VENUE: Final = {
    Signal.FILLED: OrderState.FILLED,
    Signal.CANCELED: OrderState.CANCELED,
    Signal.EXPIRED: OrderState.EXPIRED,
}

TRANSITIONS: Final[dict[OrderState, dict[Signal, OrderState]]] = {
    OrderState.PENDING: {
        Signal.SENT: OrderState.SENT,
        Signal.LOST: OrderState.UNKNOWN,  # found in the journal after a crash: it may have left
        Signal.REFUSED: OrderState.REJECTED,  # trading halted before a byte left
    },
    OrderState.SENT: {
        **_VENUE_SAYS,
        Signal.REFUSED: OrderState.REJECTED,
        Signal.LOST: OrderState.UNKNOWN,
    },
    OrderState.UNKNOWN: {
        **_VENUE_SAYS,
        Signal.REFUSED: OrderState.REJECTED,
        Signal.ABSENT: OrderState.REJECTED,
    },
    OrderState.OPEN: {
        **_CLOSED_BY_VENUE,
        Signal.PARTLY_FILLED: OrderState.PARTIALLY_FILLED,
        Signal.CANCEL_SENT: OrderState.CANCEL_PENDING,
    },
    OrderState.PARTIALLY_FILLED: {
        **_CLOSED_BY_VENUE,
        Signal.CANCEL_SENT: OrderState.CANCEL_PENDING,
    },
    OrderState.CANCEL_PENDING: {
        **_CLOSED_BY_VENUE,
        Signal.CANCEL_REFUSED: OrderState.OPEN,
    },
    OrderState.FILLED: {},
    OrderState.CANCELED: {Signal.FILLED: OrderState.FILLED},
    OrderState.EXPIRED: {Signal.FILLED: OrderState.FILLED},
    OrderState.REJECTED: {},
}


def step(state: OrderState, signal: Signal) -> tuple[OrderState, Verdict]:
    """The state after a signal, and whether the signal was news, late, or cannot be."""
    target = TRANSITIONS[state].get(signal)
    if target is not None:
        return target, Verdict.MOVED
    if state is OrderState.REJECTED and signal in _VENUE_SAYS:
        return state, Verdict.CONTRADICTION
    return state, Verdict.UNCHANGED
