#!/usr/bin/python3
"""Writes when certificates end and when credentials were changed, for node_exporter's textfile folder.

    ages.py OUT.prom --certificates GLOB... --credentials GLOB...

A file that cannot be read has the time 0: that is told as ended, or as never changed.
"""

import argparse
import re
import subprocess
import time
from datetime import datetime
from pathlib import Path

BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def not_after(path):
    """When the first certificate of a file ends (unix seconds); 0 when that is not known."""
    try:
        return min(ends(block) for block in BLOCK.findall(path.read_text()))
    except (OSError, ValueError, subprocess.CalledProcessError):
        return 0


def ends(block):
    words = ["openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601"]
    said = subprocess.run(words, input=block, capture_output=True, text=True, check=True).stdout
    return int(datetime.fromisoformat(said.strip().removeprefix("notAfter=")).timestamp())


def changed(path):
    """When a file was written last (unix seconds); 0 when that is not known."""
    try:
        return int(path.stat().st_mtime)
    except OSError:
        return 0


def series(name, label, about, files, value):
    lines = [f"# HELP {name} {about}", f"# TYPE {name} gauge"]
    return [*lines, *(f'{name}{{{label}="{path.stem}"}} {value(path)}' for path in files)]


def found(patterns):
    return sorted({path for pattern in patterns for path in Path("/").glob(pattern.lstrip("/"))})


def main():
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("out", type=Path)
    parser.add_argument("--certificates", nargs="*", default=[])
    parser.add_argument("--credentials", nargs="*", default=[])
    given = parser.parse_args()
    lines = [
        *series("breakwater_certificate_not_after_timestamp_seconds", "certificate", "When it ends (UTC).",
                found(given.certificates), not_after),
        *series("breakwater_credential_changed_timestamp_seconds", "credential", "When it was changed (UTC).",
                found(given.credentials), changed),
        "# HELP breakwater_ages_written_timestamp_seconds When this file was written (UTC).",
        "# TYPE breakwater_ages_written_timestamp_seconds gauge",
        f"breakwater_ages_written_timestamp_seconds {int(time.time())}",
    ]  # fmt: skip
    fresh = given.out.with_suffix(".new")
    fresh.write_text("\n".join(lines) + "\n")
    fresh.chmod(0o644)
    fresh.replace(given.out)


if __name__ == "__main__":
    main()
