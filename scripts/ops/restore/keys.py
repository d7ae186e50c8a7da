"""Does the venue take a key? Asked from the control node, with `trader check-key` of this checkout."""

import subprocess
from dataclasses import dataclass
from typing import Any

from ops.errors import OperatorError
from ops.kill.kit import load
from ops.kill.venue import prepared

CREDENTIAL = "asked"
_REFUSED, _MISTAKE = 1, 2
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Said:
    """What the venue said; `refused` is None when nothing is proven."""

    refused: bool | None
    text: str


def check(fleet: str, host: str, key: dict[str, Any]) -> Said:
    """One signed call.

    Args:
        key: api_key, api_secret and, at some venues, passphrase.

    Raises:
        OperatorError: it could not be asked at all.
    """
    target = load(fleet, (host,)).targets[0]
    with prepared(target, {CREDENTIAL: key}) as (start, folder, environment):
        words = [*start, "check-key", "--config", str(folder / "trader.yml"), "--credential", CREDENTIAL]
        try:
            done = subprocess.run(
                words, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return Said(None, f"no answer within {PATIENCE_SECONDS} s")
    text = (done.stdout.strip() or done.stderr.strip() or "no output").splitlines()[-1]
    if done.returncode == _MISTAKE:
        raise OperatorError(f"{host}: {text}")
    proven = {0: False, _REFUSED: True}
    return Said(proven.get(done.returncode), text)
