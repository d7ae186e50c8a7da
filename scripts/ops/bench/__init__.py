"""Measurements with bounds: ./scripts/bench NAME."""
