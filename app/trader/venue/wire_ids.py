"""How our client order ids look on the wire.

Everywhere in the service and the journal an id is `<host>-<epoch>-<sequence>`. Some venues cannot carry that
(OKX takes letters and digits only; Kraken takes 18 characters of free text, or 32 hex digits). For them it
is 32 hex digits of fixed width: 16 that stand for the host, 4 for the epoch, 12 for the sequence. The
host's name cannot be read back from those, so an order of another host is known to be foreign, and not
whose it is.
"""

import hashlib
import re
from enum import StrEnum

from trader.model.identifiers import ClientId, parse_client_id

HOST_DIGITS, EPOCH_DIGITS, SEQUENCE_DIGITS = 16, 4, 12
LAST_EPOCH = 16**EPOCH_DIGITS - 1
LAST_SEQUENCE = 16**SEQUENCE_DIGITS - 1
_HEX = re.compile(r"[0-9a-f]{32}")
# Kraken documents the same id with and without dashes, and does not say in which form it gives it back.
_DASHED = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class WireForm(StrEnum):
    TEXT = "text"  # our own form: letters, digits, "-" and "_"
    HEX = "hex"  # 32 hex digits


def to_wire(client_id: str, form: WireForm) -> str:
    """The id as the venue gets it.

    Raises:
        ValueError: the form has no room for it: a number is too large, or it is no id of ours.
    """
    if form is WireForm.TEXT:
        return client_id
    parts = parse_client_id(client_id)
    if parts is None:
        raise ValueError(f"{client_id!r} is not a client order id of ours")
    if parts.epoch > LAST_EPOCH or parts.sequence > LAST_SEQUENCE:
        raise ValueError(
            f"{client_id!r} does not fit into 32 hex digits: the last epoch is {LAST_EPOCH}, "
            f"the last sequence {LAST_SEQUENCE}"
        )
    return f"{_digest(parts.host)}{parts.epoch:0{EPOCH_DIGITS}x}{parts.sequence:0{SEQUENCE_DIGITS}x}"


def from_wire(text: str | None, form: WireForm, host: str) -> str | None:
    """Our id, from what the venue says; None for whatever is not an order of this host."""
    if form is WireForm.TEXT:
        parts = parse_client_id(text)
        # Only the spelling that we send is ours: "a-01-1" would be another name for "a-1-1".
        return text if parts is not None and parts.host == host and str(parts) == text else None
    digits = (text or "").lower()
    if _DASHED.fullmatch(digits):
        digits = digits.replace("-", "")
    if not _HEX.fullmatch(digits) or not digits.startswith(_digest(host)):
        return None
    epoch, sequence = digits[HOST_DIGITS:-SEQUENCE_DIGITS], digits[-SEQUENCE_DIGITS:]
    return str(ClientId(host, int(epoch, 16), int(sequence, 16)))


def same_on_wire(text: str | None, wire_id: str, form: WireForm) -> bool:
    """Whether the venue's text is the id that was sent as `wire_id`."""
    spelled = (text or "").lower().replace("-", "") if form is WireForm.HEX else text
    return spelled == wire_id


def name_from_wire(text: str | None, form: WireForm, host: str, venue_order_id: str) -> str:
    """What to call an order that the venue shows: our id, or a text that cannot be taken for one of ours."""
    own = from_wire(text, form, host)
    if own is not None:
        return own
    parts = parse_client_id(text)
    if text and (parts is None or parts.host != host):
        return text
    return f"({text or 'unnamed'}/{venue_order_id})"


def _digest(host: str) -> str:
    return hashlib.sha256(host.encode()).hexdigest()[:HOST_DIGITS]
