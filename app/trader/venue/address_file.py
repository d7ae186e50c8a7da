"""The file that keeps the last good addresses of names over a restart.

One JSON object: {"version": 1, "names": {"<host>": {"<family>": ["<address>", ...]}}}. It says where orders
are sent first, so it is read only if nobody but its owner can have written it; whatever is wrong with it, it
counts as empty.
"""

import ipaddress
import os
import socket
from pathlib import Path
from typing import Any

import orjson

NAME = "venue_addresses.json"
VERSION = 1
LARGEST_BYTES = 1_000_000

Names = dict[tuple[str, int], tuple[str, ...]]
"""Addresses by name and by the family that was asked for (`socket.AF_UNSPEC`: any)."""


class AddressFileError(Exception):
    """The file cannot be used, in one line with its name."""


def read(path: Path) -> Names:
    """What the file holds; nothing if it is not there.

    Raises:
        AddressFileError: not readable, not ours alone, or not in this form.
    """
    try:
        content = orjson.loads(_bytes(path))
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']!r}")
        return {
            (str(host), int(family)): _addresses(addresses)
            for host, families in content["names"].items()
            for family, addresses in families.items()
        }
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise AddressFileError(f"{path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise AddressFileError(f"{path}: not addresses: {error}") from error


def _bytes(path: Path) -> bytes:
    # Neither through a link nor from a pipe, for which an open would wait.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise AddressFileError(f"{path}: not a file that this user alone can write")
        return os.read(descriptor, LARGEST_BYTES)
    finally:
        os.close(descriptor)


def write(path: Path, names: Names) -> None:
    """Replace the file.

    Raises:
        AddressFileError: it cannot be written; the one before is untouched.
    """
    content: dict[str, Any] = {}
    for (host, family), addresses in names.items():
        content.setdefault(host, {})[str(family)] = addresses
    beside = path.with_name(path.name + ".new")
    try:
        beside.unlink(missing_ok=True)
        # No fsync: what a power cut leaves half written is an empty cache, and this runs beside orders.
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(orjson.dumps({"version": VERSION, "names": content}))
        beside.replace(path)
    except OSError as error:
        raise AddressFileError(f"{path}: {error.strerror}") from error


def family_of(address: str) -> socket.AddressFamily:
    """AF_INET or AF_INET6.

    Raises:
        ValueError: not an address.
    """
    return socket.AF_INET if ipaddress.ip_address(address).version == 4 else socket.AF_INET6


def _addresses(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("a name without addresses")
    for address in value:
        if not isinstance(address, str):
            raise TypeError(f"{address!r} is not an address")
        family_of(address)
    return tuple(value)
