"""Checks of this machine: the database library, the clock, the disk, the journal, the latch."""

import ctypes
import os
import stat
import time
from collections.abc import Sequence
from pathlib import Path

import apsw

from trader.journal import audit, reader
from trader.journal.storage import MINIMUM_SQLITE
from trader.kill_switch import latch
from trader.preflight.checks import Finding, fail, ok, warn

CHAIN_EVENTS = 200_000  # the last so many; a longer chain is for `trader journal verify`
MB = 1_000_000
_STA_UNSYNC = 0x40
_TIMEX_INTS = 64  # larger than struct timex on any machine


def sqlite_library() -> Finding:
    """The library in the process, not the command line tool beside it."""
    found = apsw.sqlite_lib_version()
    if tuple(int(part) for part in found.split(".")) < MINIMUM_SQLITE:
        wanted = ".".join(map(str, MINIMUM_SQLITE))
        return fail(f"{found} can corrupt a WAL", f"install a release with SQLite {wanted} or newer")
    return ok(found)


def kernel_clock() -> Finding:
    """What the kernel was told by whoever keeps the clock (timesyncd, chrony, ntpd): adjtimex(2), reading."""
    library = ctypes.CDLL(None, use_errno=True)
    buffer = (ctypes.c_int * _TIMEX_INTS)()  # modes = 0: nothing is set
    if library.adjtimex(ctypes.byref(buffer)) == -1:
        return warn(f"unknown: {os.strerror(ctypes.get_errno())}", "look yourself: timedatectl")
    return judge_clock(_timex_status(buffer))


def _timex_status(buffer: "ctypes.Array[ctypes.c_int]") -> int:
    """`status` comes after modes and four longs (offset, freq, maxerror, esterror)."""
    longs = ctypes.sizeof(ctypes.c_long)
    return ctypes.c_int.from_buffer(buffer, longs + 4 * longs).value


def judge_clock(status: int) -> Finding:
    """By the kernel's status word."""
    if status & _STA_UNSYNC:
        return warn("the kernel's clock is not synchronised", "start systemd-timesyncd or chrony")
    return ok("synchronised")


def state_folder(folder: Path, owner: int | None) -> Finding:
    """Only the service may look into its state.

    Args:
        owner: user id that should own it; None = whoever does, but not root.
    """
    known = folder.stat()
    mode = stat.S_IMODE(known.st_mode)
    if mode & 0o077:
        return fail(f"{folder} has mode {mode:04o}", f"chmod 0700 {folder}")
    if known.st_uid == 0 if owner is None else known.st_uid != owner:
        return fail(f"{folder} belongs to user {known.st_uid}", f"chown {folder} to the service's user")
    return ok(f"{folder} {mode:04o}, user {known.st_uid}")


def disk(journal: Path, min_free_mb: int, min_days: float, now_ns: int) -> Finding:
    """Room now, and for how long at the rate of the last week."""
    known = os.statvfs(journal.parent)
    free = known.f_bavail * known.f_frsize
    text = f"{free // MB} MB free"
    if free < min_free_mb * MB:
        return fail(f"{text}, {min_free_mb} MB are wanted", f"free space on the disk of {journal.parent}")
    if not journal.exists():
        return ok(text)
    with reader.reading(journal) as connection:
        head = reader.head(connection, journal.stat().st_size, now_ns)
    per_day = head.events_per_day * head.bytes_per_event
    if per_day <= 0:
        return ok(text)
    days = free / per_day
    text = f"{text}, {days:,.0f} days at {per_day / MB:,.1f} MB a day"
    if days < min_days:
        return fail(f"{text}; {min_days:g} days are wanted", f"free space on the disk of {journal.parent}")
    return ok(text)


def journal_chain(journal: Path) -> Finding:
    """The links of the newest events."""
    if not journal.exists():
        return ok("no journal yet")
    found = audit.verify_chain(journal, CHAIN_EVENTS)
    if found.broken is not None:
        return fail(found.broken, "restore the journal from a backup")
    return ok(f"the last {found.events} events hold")


def journal_owner(journal: Path, host: str, account: str) -> Finding:
    """A journal of another host or account must not be written to."""
    if not journal.exists():
        return ok("no journal yet")
    with reader.reading(journal) as connection:
        head = reader.head(connection, journal.stat().st_size, time.time_ns())
    for key, there, here in (("host", head.host, host), ("account", head.account, account)):
        if there not in (None, here):
            return fail(f"it belongs to {key} {there!r}, the settings say {here!r}", "correct one of them")
    return ok(f"{host}, account {account}")


def journal_epoch(journal: Path, epoch: int) -> Finding:
    """An epoch never goes back: ids would be given again."""
    if not journal.exists():
        return ok(f"{epoch}, no journal yet")
    with reader.reading(journal) as connection:
        head = reader.head(connection, journal.stat().st_size, time.time_ns())
    if head.epoch is not None and epoch < head.epoch:
        return fail(
            f"the settings say {epoch}, the journal is of {head.epoch}", "raise epoch in the settings"
        )
    return ok(str(epoch))


def latch_state(path: Path, journal: Path) -> Finding:
    """TRIPPED is a no, with who and why; a missing latch is one only where there was trade."""
    if not path.exists() and not _has_traded(journal):
        return ok("no latch yet, this host has not traded")
    status = latch.read(path)
    if status.tripped:
        return fail(
            f"tripped by {status.by} ({status.trigger}): {status.reason}", "trader rearm, once it is safe"
        )
    return ok(f"armed by {status.by}: {status.reason}")


def _has_traded(journal: Path) -> bool:
    if not journal.exists():
        return False
    with reader.reading(journal) as connection:
        return bool(reader.rows(connection, reader.VIEWS["orders"], None, None, 1))


def limits(problems: Sequence[str]) -> Finding:
    """By the risk engine's own word."""
    if problems:
        return fail("; ".join(problems), "correct the limits in the settings")
    return ok("sane")
