"""The escrow: can the keys of a host that is gone be read, with the key that is kept off line?"""

import json
import subprocess
from pathlib import Path
from typing import Any

from ops.evidence.catalogue import catalogue
from ops.times import utc_text

NAME = "restore.escrow"


def opened(escrow: bytes, expected: dict[str, Any], identity: Path) -> str:
    """What is wrong with it; "" = it opens and holds the expected keys. No key is ever in the text.

    Args:
        escrow: the encrypted file.
        expected: API keys by name.
        identity: file of the private key (age).
    """
    words = ["age", "--decrypt", "--identity", str(identity)]
    done = subprocess.run(words, input=escrow, capture_output=True, check=False)
    if done.returncode != 0:
        return f"it cannot be opened: {done.stderr.decode(errors='replace').strip().splitlines()[0]}"
    try:
        held: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return "it opens, and holds no keys"
    wrong = sorted(name for name, key in expected.items() if held.get(name) != key)
    return f"it holds another key than the one in force: {', '.join(wrong)}" if wrong else ""


def escrow_draft(inventory: str, host: str, began: str, problem: str, now: float) -> dict[str, Any]:
    """The record for ops.evidence."""
    figures = catalogue().entry(NAME).figures
    measured = [figure.measured(float(not problem)) for figure in figures.values()]
    return {
        "name": NAME,
        "started_at": began,
        "ended_at": utc_text(now),
        "inventory": inventory,
        "hosts": [host],
        "release": {"id": "-", "sha256": "0" * 64},
        "steps": [
            {
                "name": "open",
                "started_at": began,
                "ended_at": utc_text(now),
                "result": "fail" if problem else "pass",
            }
        ],
        "values": measured,
        "verdict": "fail" if problem else "pass",
        "reasons": [problem] if problem else [],
    }
