#!/usr/bin/env python3
"""Starts a canary and ends its controller, with everything that it started, when a line of its output comes.

    kill_controller.py "text to wait for" SECONDS AFTER WORDS...

Only the session that was started here is ended: by SIGKILL, as if the machine had lost its power. Prints what
came; exit status 0 when it was killed at the line, AFTER seconds behind it, 1 when the line never came within
SECONDS.
"""

import os
import signal
import subprocess
import sys
import threading
import time


def main() -> int:
    text, seconds, after, words = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        overdue = threading.Timer(seconds, os.killpg, (process.pid, signal.SIGKILL))
        overdue.start()
        found = False
        for line in process.stdout:
            print(line, end="", flush=True)
            if not found and text in line:
                found = True
                time.sleep(after)  # in the middle of what the line announces
                os.killpg(process.pid, signal.SIGKILL)
        overdue.cancel()
    return 0 if found else 1


if __name__ == "__main__":
    raise SystemExit(main())
