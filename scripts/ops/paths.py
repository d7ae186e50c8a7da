"""Where things are in a checkout. Generated output goes under VAR only, which git ignores."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VAR = ROOT / "var"
RELEASES = VAR / "releases"
ROLLOUTS = VAR / "rollouts"
EVIDENCE = VAR / "evidence"
