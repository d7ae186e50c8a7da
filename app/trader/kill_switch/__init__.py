"""The kill switch. Here: the latch, its persisted and one-way state."""

from trader.kill_switch.files import LatchError
from trader.kill_switch.latch import Latch, LatchState, LatchStatus, ProvenFlat

__all__ = ["Latch", "LatchError", "LatchState", "LatchStatus", "ProvenFlat"]
