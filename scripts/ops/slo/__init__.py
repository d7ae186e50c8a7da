"""Objectives and alerts: from monitoring/slo.yml to rules, their tests, dashboards and runbooks, and what
drifted from it."""
