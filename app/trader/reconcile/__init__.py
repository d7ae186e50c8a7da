"""Compares journal and venue, and explains every difference or says that it cannot."""

from trader.reconcile.explain import Difference
from trader.reconcile.reconciler import Policy, Reconciler, Report

__all__ = ["Difference", "Policy", "Reconciler", "Report"]
