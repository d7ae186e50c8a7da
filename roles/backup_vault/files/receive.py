#!/usr/bin/python3
"""Takes the journal of one host, record by record, on stdin; sshd starts it for that host's key.

    receive.py FOLDER EPOCH

First it says what it has (`have SEQUENCE HASH`, or `have 0 -`). Each record comes as a line of JSON with
seq, at_ns, kind, body and hash, the SHA-256 over the hash before it, `seq|at_ns|kind|` and the body; it is
checked, appended, brought to the disk by fdatasync, and only then acknowledged (`ack SEQUENCE`). What does
not continue the chain is refused, and the connection ends: a copy holds one journal, whole, and nothing in
it is ever changed.

FOLDER/<epoch>.jsonl is the copy of one epoch, from the journal's first record on. A host of an older epoch
than the newest one here has been restored elsewhere: it is refused.
"""

import fcntl
import hashlib
import json
import os
import re
import sys
from pathlib import Path

CHUNK = 1 << 20
LONGEST_LINE = 1 << 20
TAIL = 2 * LONGEST_LINE
NAME = re.compile(r"(\d{6})\.jsonl")
Tail = tuple[int, str, int]  # sequence, hash (hex), size of the file


class RefusedError(Exception):
    """The host's fault, or that of its journal; one line."""


def link(previous: str, record: dict[str, object]) -> str:
    """The hash that a record must have after `previous`, as the trading service computes it."""
    head = f"{record['seq']}|{record['at_ns']}|{record['kind']}|".encode()
    return hashlib.sha256(bytes.fromhex(previous) + head + str(record["body"]).encode()).hexdigest()


def epochs(folder: Path) -> list[int]:
    """Of which epochs there is a copy."""
    return sorted(int(match[1]) for path in folder.iterdir() if (match := NAME.fullmatch(path.name)))


def open_copy(folder: Path, epoch: int) -> int:
    """The file's descriptor.

    Raises:
        RefusedError: there is a newer epoch.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    newest = max(epochs(folder), default=0)
    if epoch < newest:
        raise RefusedError(f"epoch {epoch} has ended: this account was restored as epoch {newest}")
    descriptor = os.open(
        folder / f"{epoch:06d}.jsonl", os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
    )
    parent = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(parent)
    os.close(parent)
    return descriptor


def read_tail(descriptor: int) -> Tail:
    """The last whole record. Half a line at the end was never acknowledged: the power went; it is cut off."""
    size = os.fstat(descriptor).st_size
    text = os.pread(descriptor, TAIL, max(0, size - TAIL))
    whole = text.rfind(b"\n") + 1
    if whole < len(text):
        size -= len(text) - whole
        os.ftruncate(descriptor, size)
        os.fdatasync(descriptor)
    if size == 0:
        return 0, "00" * 32, 0
    last = json.loads(text[:whole].splitlines()[-1])
    return int(last["seq"]), str(last["hash"]), size


def checked(text: bytes, sequence: int, digest: str) -> tuple[int, str]:
    """The sequence and hash of a record that continues the chain.

    Raises:
        RefusedError: it does not.
    """
    try:
        record = json.loads(text)
        given = (int(record["seq"]), str(record["hash"]))
        expected = (sequence + 1, link(digest, record))
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError(
            f"after record {sequence} came what is no record ({type(error).__name__})"
        ) from error
    if given != expected:
        raise RefusedError(f"record {given[0]} does not continue record {sequence}")
    return given


def append(descriptor: int, tail: Tail, text: bytes) -> Tail:
    """Check whole lines, write them, and bring them to the disk.

    Raises:
        RefusedError: they do not continue the chain, or somebody else writes this copy; nothing was written.
    """
    sequence, digest, size = tail
    for line in text.splitlines():
        sequence, digest = checked(line, sequence, digest)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        if os.fstat(descriptor).st_size != size:
            raise RefusedError("another connection has written this copy; only the newest goes on")
        written = 0
        while written < len(text):
            written += os.write(descriptor, text[written:])
        os.fdatasync(descriptor)
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    return sequence, digest, size + len(text)


def receive(descriptor: int) -> None:
    """Until stdin ends.

    Raises:
        RefusedError: as of `append`, or a line without an end.
    """
    tail = read_tail(descriptor)
    say(f"have {tail[0]} {tail[1] if tail[0] else '-'}")
    rest = b""
    while chunk := os.read(0, CHUNK):
        rest += chunk
        end = rest.rfind(b"\n") + 1
        if end:
            tail = append(descriptor, tail, rest[:end])
            rest = rest[end:]
            say(f"ack {tail[0]}")
        elif len(rest) > LONGEST_LINE:
            raise RefusedError(f"a line of more than {LONGEST_LINE} bytes")


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def main(words: list[str]) -> int:
    if len(words) != 2 or not words[1].isdecimal():
        print("usage: receive.py FOLDER EPOCH", file=sys.stderr)
        return 2
    try:
        receive(open_copy(Path(words[0]), int(words[1])))
    except RefusedError as error:
        say(f"refuse {error}")
        return 1
    except BrokenPipeError:
        return 1
    except OSError as error:
        say(f"refuse {words[0]}: {error.strerror}; check the vault's disk")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
