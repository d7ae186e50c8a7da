"""Wiring and life cycle: start halted, reconcile, trade, drain, stop."""
