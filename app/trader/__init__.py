"""The trading service: one account, one host, one process.

Lower floors never import higher ones: cli > service > strategy > orders, reconcile > journal, venue,
telemetry > model.
"""

__version__ = "0.1.0"
