"""The venue, through ccxt: requests, streams, and what an answer proves."""
