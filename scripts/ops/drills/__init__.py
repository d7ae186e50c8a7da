"""Judges of drills: what the venue's own record says, never what our log says."""
