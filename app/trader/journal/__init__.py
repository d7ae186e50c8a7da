"""The durable record of intents and events on a host: append-only, hash-chained, with group commit."""

from trader.journal.journal import FUNDING, FUNDING_OVERLAP_MS, Journal, Snapshot
from trader.journal.records import Record
from trader.journal.storage import JournalError

__all__ = ["FUNDING", "FUNDING_OVERLAP_MS", "Journal", "JournalError", "Record", "Snapshot"]
