"""The conversation with the receiver, line by line.

The receiver begins with `have SEQUENCE HASH`, what it holds of this journal, or `refuse TEXT`. Then each
record goes there as one line of JSON, and `ack SEQUENCE` comes back when it and all before it are on the
vault's disk.
"""

from dataclasses import dataclass

NONE = "-"  # in place of a hash: it holds nothing yet


class ShippingError(Exception):
    """The vault cannot be used, in one line."""


@dataclass(frozen=True, slots=True)
class Have:
    """What the vault holds: up to which record, and that one's hash."""

    sequence: int
    digest: bytes | None


def read_greeting(text: bytes) -> Have:
    """What the receiver says first.

    Raises:
        ShippingError: it refuses, or speaks another language.
    """
    words = text.decode(errors="replace").split()
    if words[:1] == ["refuse"]:
        raise ShippingError(f"the vault refuses: {' '.join(words[1:])}")
    if len(words) == 3 and words[0] == "have" and words[1].isdecimal():
        try:
            return Have(int(words[1]), None if words[2] == NONE else bytes.fromhex(words[2]))
        except ValueError:
            pass
    raise ShippingError(f"the vault said {text[:80]!r} instead of what it has")


def read_acknowledgement(text: bytes) -> int:
    """The sequence of an `ack`.

    Raises:
        ShippingError: it is something else.
    """
    words = text.decode(errors="replace").split()
    if len(words) == 2 and words[0] == "ack" and words[1].isdecimal():
        return int(words[1])
    if words[:1] == ["refuse"]:
        raise ShippingError(f"the vault refuses: {' '.join(words[1:])}")
    raise ShippingError(f"the vault said {text[:80]!r} instead of an acknowledgement")
