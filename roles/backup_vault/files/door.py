#!/usr/bin/python3
"""What the key of one host may do here; sshd starts it for that key, whatever the host asks for.

    door.py HOST

`copy EPOCH` ships journal records (receive.py). `rclone ...` speaks to the host's own repository, to which
it can add and in which it can delete nothing. `take` reads what a restore has put ready for the host.
Everything else is refused.
"""

import os
import shutil
import sys
from pathlib import Path

HOME = Path("/var/lib/backups")
PROGRAMS = Path("/usr/local/lib/breakwater")


def main(words: list[str]) -> int:
    if len(words) != 1 or "/" in words[0] or words[0].startswith("."):
        print("usage: door.py HOST", file=sys.stderr)
        return 2
    host, asked = words[0], os.environ.get("SSH_ORIGINAL_COMMAND", "").split()
    os.umask(0o077)
    match asked:
        case ["copy", epoch] if epoch.isdecimal() and len(epoch) <= 6:
            receiver = str(PROGRAMS / "receive.py")
            os.execv("/usr/bin/python3", ["python3", "-IB", receiver, str(HOME / "journals" / host), epoch])  # noqa: S606
        case ["rclone", *_]:
            repository = HOME / "repositories" / host
            options = ["--stdio", "--append-only", "--config", os.devnull]
            os.execvp("rclone", ["rclone", "serve", "restic", *options, str(repository)])  # noqa: S606
        case ["take"]:
            try:
                with (HOME / "handover" / f"{host}.tar").open("rb") as file:
                    shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
            except FileNotFoundError:
                print(f"nothing is ready for {host}: playbooks/restore.yml puts it there", file=sys.stderr)
                return 1
            return 0
    print(f"{host}: {' '.join(asked[:2]) or 'a shell'!r} is not for this key", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
