"""Client order ids: `<host>-<epoch>-<sequence>`, unique for ever, at most 36 characters."""

import re
from dataclasses import dataclass

MAX_LENGTH = 36
HOST_PATTERN = r"[A-Za-z0-9_][A-Za-z0-9_-]*"
_CLIENT_ID = re.compile(rf"(?P<host>{HOST_PATTERN})-(?P<epoch>[0-9]+)-(?P<sequence>[0-9]+)")


@dataclass(frozen=True, slots=True)
class ClientId:
    """One order's name.

    Args:
        host: the inventory name of the host that trades.
        epoch: raised at every restore or hand-over, so that a restored journal cannot repeat an id.
        sequence: counts orders; reserved in the journal before use.
    """

    host: str
    epoch: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.host}-{self.epoch}-{self.sequence}"


def client_id(host: str, epoch: int, sequence: int) -> str:
    """The id as it goes to the venue.

    Raises:
        ValueError: the text would exceed the 36 characters that Binance accepts.
    """
    text = str(ClientId(host, epoch, sequence))
    if len(text) > MAX_LENGTH:
        raise ValueError(f"client order id {text!r} has {len(text)} characters, the venue takes {MAX_LENGTH}")
    return text


def parse_client_id(text: str | None) -> ClientId | None:
    """The parts of an id of our shape; None for anything else, for example an order placed by hand."""
    match = _CLIENT_ID.fullmatch(text or "")
    if match is None:
        return None
    return ClientId(match["host"], int(match["epoch"]), int(match["sequence"]))
