"""Whether this host may trade, asked before it does. Changes nothing, and may run beside the service."""

from trader.preflight.bounds import PreflightSettings
from trader.preflight.checks import Check, Finding, Verdict, run_checks
from trader.preflight.plan import Subject, plan

__all__ = ["Check", "Finding", "PreflightSettings", "Subject", "Verdict", "plan", "run_checks"]
