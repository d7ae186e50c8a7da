"""Records as lines of text: how they are shipped to the vault and kept there."""

import orjson

from trader.journal.storage import JournalError, Row


def line(row: Row) -> bytes:
    """One record. Readable without any program of ours: the body is the JSON text that was hashed."""
    sequence, at_ns, kind, body, digest = row
    fields = {"seq": sequence, "at_ns": at_ns, "kind": kind, "body": body.decode(), "hash": digest.hex()}
    return orjson.dumps(fields) + b"\n"


def read_line(text: bytes) -> Row:
    """The record of a line.

    Raises:
        JournalError: it is no such line.
    """
    try:
        fields = orjson.loads(text)
        return (
            int(fields["seq"]),
            int(fields["at_ns"]),
            str(fields["kind"]),
            str(fields["body"]).encode(),
            bytes.fromhex(fields["hash"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise JournalError(f"{text[:60]!r} is no record") from error
