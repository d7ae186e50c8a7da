"""An exchange in a process: speaks Binance spot REST and WebSocket, keeps a record, breaks on demand."""

__version__ = "0.1.0"
