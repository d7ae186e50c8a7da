"""Who runs a command."""

import getpass
import os
import socket


def current_user() -> str:
    """The person, also behind sudo."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


def author() -> str:
    """The person and the machine: user@host."""
    return f"{current_user()}@{socket.gethostname()}"
