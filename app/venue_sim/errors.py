"""The venue's refusals: code, message and HTTP status, as its public documentation lists them.

Source: https://github.com/binance/binance-spot-api-docs (errors.md, filters.md). Clients classify by these,
so a code or a text that differs here would hide a fault in the client under test.
"""

from __future__ import annotations


class VenueError(Exception):
    """A request refused by the venue.

    Args:
        code: the venue's negative error code, e.g. -1013.
        message: the venue's text for it.
        http_status: status of the REST answer, and of the WebSocket API's `status` field.
        retry_after_seconds: sent as `Retry-After` when not None.
    """

    def __init__(
        self, code: int, message: str, http_status: int = 400, retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.http_status = http_status
        self.retry_after_seconds = retry_after_seconds


def too_much_weight(limit: int, retry_after_seconds: int) -> VenueError:
    """-1003: the minute's request weight is used up."""
    return VenueError(
        -1003,
        f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API.",
        429,
        retry_after_seconds,
    )


def too_many_orders(limit: int, interval: str) -> VenueError:
    """-1015: the account's order count of an interval (e.g. "10 SECOND") is used up."""
    return VenueError(-1015, f"Too many new orders; current limit is {limit} orders per {interval}.", 429)


def outside_recv_window() -> VenueError:
    """-1021: the request is older than its receive window."""
    return VenueError(-1021, "Timestamp for this request is outside of the recvWindow.")


def ahead_of_server() -> VenueError:
    """-1021: the request's clock is more than a second ahead of the venue's."""
    return VenueError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")


def bad_signature() -> VenueError:
    """-1022: the HMAC does not match the bytes received."""
    return VenueError(-1022, "Signature for this request is not valid.")


def illegal_characters(name: str, legal: str) -> VenueError:
    """-1100: a value outside the parameter's legal range (a regular expression)."""
    return VenueError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def too_many_parameters(expected: int, received: int) -> VenueError:
    """-1101: parameters sent to an endpoint that takes fewer."""
    return VenueError(-1101, f"Too many parameters; expected '{expected}' and received '{received}'.")


def duplicate_values() -> VenueError:
    """-1101: one parameter sent twice."""
    return VenueError(-1101, "Duplicate values for a parameter detected.")


def mandatory(name: str) -> VenueError:
    """-1102: a mandatory parameter is missing or malformed."""
    return VenueError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def one_of_mandatory(first: str, second: str) -> VenueError:
    """-1102: neither of two parameters was sent."""
    return VenueError(-1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!")


def unread_parameters(read: int, sent: int) -> VenueError:
    """-1104: an unknown parameter was sent to a signed endpoint."""
    return VenueError(
        -1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'."
    )


def empty(name: str) -> VenueError:
    """-1105: a parameter was sent without a value."""
    return VenueError(-1105, f"Parameter '{name}' was empty.")


def not_required(name: str) -> VenueError:
    """-1106: a parameter that this order type does not take."""
    return VenueError(-1106, f"Parameter '{name}' sent when not required.")


def too_much_precision(name: str) -> VenueError:
    """-1111: more decimals than the asset has."""
    return VenueError(-1111, f"Parameter '{name}' has too much precision.")


def filter_failure(name: str) -> VenueError:
    """-1013: an order outside one of the symbol's filters."""
    return VenueError(-1013, f"Filter failure: {name}")


def rejected(message: str) -> VenueError:
    """-2010: refused by the matching engine."""
    return VenueError(-2010, message)


INSUFFICIENT_BALANCE = "Account has insufficient balance for requested action."
DUPLICATE_ORDER = "Duplicate order sent."
WOULD_MATCH = "Order would immediately match and take."


def unknown_order() -> VenueError:
    """-2011: nothing to cancel."""
    return VenueError(-2011, "Unknown order sent.")


def no_such_order() -> VenueError:
    """-2013: the queried order does not exist."""
    return VenueError(-2013, "Order does not exist.")


def bad_key_format() -> VenueError:
    """-2014: no API key, or not one in form."""
    return VenueError(-2014, "API-key format invalid.", 401)


def rejected_key() -> VenueError:
    """-2015: a key that the venue does not know, or that is disabled."""
    return VenueError(-2015, "Invalid API-key, IP, or permissions for action.", 401)


def bad_symbol() -> VenueError:
    """-1121: no such symbol."""
    return VenueError(-1121, "Invalid symbol.")


TEXTS = {
    -1000: "An unknown error occurred while processing the request.",
    -1001: "Internal error; unable to process your request. Please try again.",
    -1003: "Too many requests queued.",
    -1006: "An unexpected response was received from the message bus. Execution status unknown.",
    -1007: "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    -1008: "Server is currently overloaded with other requests. Please try again in a few minutes.",
    -1015: "Too many new orders.",
    -1021: "Timestamp for this request is outside of the recvWindow.",
    -1104: "Not all sent parameters were read.",
    -2010: INSUFFICIENT_BALANCE,
    -2011: "Unknown order sent.",
    -2013: "Order does not exist.",
    -2015: "Invalid API-key, IP, or permissions for action.",
    -4116: "ClientOrderId is duplicated.",
}
"""The usual text of a code, for those who name only the code."""
