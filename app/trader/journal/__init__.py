"""The durable record of intents and events on a host: append-only, hash-chained, with group commit."""

from trader.journal.journal import Journal, Snapshot
from trader.journal.records import Record
from trader.journal.storage import JournalError

__all__ = ["Journal", "JournalError", "Record", "Snapshot"]
