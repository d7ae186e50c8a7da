"""Compares journal and venue, and explains every difference or says that it cannot."""

from trader.reconcile.accept import AcceptanceError, Proposal
from trader.reconcile.explain import Difference
from trader.reconcile.open_orders import Policy
from trader.reconcile.reconciler import Reconciler, Report

__all__ = ["AcceptanceError", "Difference", "Policy", "Proposal", "Reconciler", "Report"]
