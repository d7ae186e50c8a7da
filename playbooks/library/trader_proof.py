#!/usr/bin/python3
"""Ansible module: what really runs on a host, read from the process, from its files and from its own answer.

The release of the process is the folder that it was started in (/proc/<pid>/cwd), its bytes are hashed
against the artifact's MANIFEST, and its own report must say the same. Changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: trader_proof
short_description: Prove which release a running service is
options:
  unit: {type: str, required: true, description: "systemd unit."}
  url: {type: str, required: true, description: "Where it answers /healthz and /readyz."}
  wait_seconds: {type: float, default: 0, description: "How long to wait until it is ready."}
"""


class ProofError(Exception):
    """The message is one line and says what does not fit."""


def properties(unit: str, *names: str) -> dict[str, str]:
    """Properties of a unit, as systemd prints them."""
    shown = subprocess.run(
        ["systemctl", "show", unit, *(f"--property={name}" for name in names)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)


def altered(release: Path) -> list[str]:
    """Files of a release that are not what its MANIFEST says, missing ones included."""
    wrong = []
    for line in (release / "MANIFEST").read_text().splitlines():
        expected, name = line.split("  ", 1)
        try:
            actual = hashlib.sha256((release / name).read_bytes()).hexdigest()
        except OSError:
            actual = "missing"
        if actual != expected:
            wrong.append(name)
    return wrong


def report(url: str) -> tuple[int, dict[str, Any]]:
    """Status code and JSON body of an answer; an error status is an answer too."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - the role's own http address
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")
    except (OSError, ValueError) as error:
        raise ProofError(f"{url}: {error}") from None


def wait_until_ready(unit: str, url: str, seconds: float) -> None:
    """Wait until the service has reconciled and trades, in small steps: trading pauses meanwhile.

    :raises ProofError: it is not ready in time, with the service's own reasons, or it died meanwhile.
    """
    deadline = time.monotonic() + seconds
    look_again = time.monotonic() + 1  # at systemd: seldom, since its answer costs as much as a start does
    while True:
        try:
            status, body = report(f"{url}/readyz")
            reason = "; ".join(body.get("reasons", {}).values()) or f"/readyz answers {status}"
        except ProofError as error:
            status, reason = 0, str(error)
            if time.monotonic() > look_again:
                look_again += 1
                shown = properties(unit, "ActiveState", "NRestarts")
                if shown["ActiveState"] == "failed" or shown["NRestarts"] != "0":
                    raise ProofError(f"{unit} dies at its start; see journalctl -u {unit}") from None
        if status == 200:
            return
        if time.monotonic() > deadline:
            raise ProofError(f"{unit} is not ready after {seconds:.0f} s: {reason}")
        time.sleep(0.05)


def prove(unit: str, url: str) -> dict[str, Any]:
    """Collect the proof.

    :raises ProofError: the unit does not run, its release is not whole, or it does not answer.
    """
    shown = properties(unit, "MainPID", "ActiveState", "NRestarts", "ActiveExitTimestampMonotonic")
    pid = int(shown["MainPID"])
    if shown["ActiveState"] != "active" or pid == 0:
        raise ProofError(f"{unit} is {shown['ActiveState']}, not active")
    release = Path(f"/proc/{pid}/cwd").resolve()
    try:
        revision = json.loads((release / "REVISION").read_text())
    except OSError as error:
        raise ProofError(f"process {pid} of {unit} does not run from a release: {error}") from None
    wrong = altered(release)
    if wrong:
        raise ProofError(
            f"{release}: {len(wrong)} files are not those of the artifact, the first is {wrong[0]}"
        )
    _, health = report(f"{url}/healthz")
    ready, _ = report(f"{url}/readyz")
    # Both clocks of this host: when the old process was told to stop, and when the new one began to trade.
    offset_ns = time.time_ns() - time.monotonic_ns()
    stopped_ns = int(shown["ActiveExitTimestampMonotonic"]) * 1000 + offset_ns
    trading_ns = int(health.get("trading_since_ns") or 0)
    pause = (
        (trading_ns - stopped_ns) / 1e9
        if trading_ns and shown["ActiveExitTimestampMonotonic"] != "0"
        else None
    )
    active = json.loads((Path("/opt") / unit / "current" / "REVISION").read_text())
    return {
        "release": active["id"],
        "sha256": active["sha256"],
        "pid": pid,
        "pid_release": revision["id"],
        "pid_sha256": revision["sha256"],
        "reported_release": health.get("release"),
        "reported_sha256": health.get("sha256"),
        "ready": ready == 200,
        "restarts": int(shown["NRestarts"]),
        "trading_since_ns": trading_ns,
        "pause_seconds": None if pause is None else round(pause, 3),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "url": {"type": "str", "required": True},
            "wait_seconds": {"type": "float", "default": 0},
        },
        supports_check_mode=True,
    )
    try:
        wait_until_ready(module.params["unit"], module.params["url"], module.params["wait_seconds"])
        module.exit_json(changed=False, proof=prove(module.params["unit"], module.params["url"]))
    except ProofError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
