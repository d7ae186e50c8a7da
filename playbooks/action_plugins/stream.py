"""Ansible action: run a program on the control node and show its output while it works.

`ansible.builtin.command` shows nothing until the program ends; a rollout takes minutes, and the person who
watches it decides by what they see. Options: argv (words; run from the project's folder), expect ("success",
the default: another exit status than 0 fails the task; "any": rc is there for a later task to judge).
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

ROOT = Path(__file__).resolve().parents[2]


class ActionModule(ActionBase):
    """The action `stream`."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the program.

        :returns: rc, stdout_lines (both streams as they came), msg (the last line) and failed.
        """
        result: dict[str, Any] = super().run(tmp, task_vars)
        argv = [str(word) for word in self._task.args["argv"]]
        display = Display()
        # Tasks run in a child of ansible-playbook; a lock belongs to the run, not to the task that took it.
        environment = os.environ | {"PYTHONUNBUFFERED": "1", "BREAKWATER_CONTROLLER_PID": str(os.getppid())}
        lines = []
        with subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", cwd=ROOT, env=environment,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                display.display(f"    {lines[-1]}")
        words = [line for line in lines if line.strip()] or [
            f"{argv[0]} ended with status {process.returncode}"
        ]
        result |= {"rc": process.returncode, "changed": True, "msg": words[-1]}
        result["failed"] = process.returncode != 0 and self._task.args.get("expect", "success") == "success"
        if not result["failed"]:  # what failed was shown already; its message repeats the last line only
            result["stdout_lines"] = lines
        return result
