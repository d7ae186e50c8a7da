"""Debian's Chromium, headless: what a person sees of a page."""

import os
import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

from ops import paths

DARK, LIGHT = "0", "1"


def chromium() -> str:
    """Path of the program; installed by apt the first time."""
    paths.VAR.mkdir(exist_ok=True)
    with FileLock(paths.VAR / ".chromium.lock"):
        if not shutil.which("chromium"):
            root = [] if os.geteuid() == 0 else ["sudo"]
            subprocess.run([*root, "apt-get", "update", "-q"], check=False, capture_output=True)
            command = [
                *root,
                "apt-get",
                "install",
                "-y",
                "-q",
                "--no-install-recommends",
                "chromium",
                "fonts-dejavu-core",
            ]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            assert done.returncode == 0, f"apt cannot install chromium: {done.stderr.strip()[-300:]}"
    found = shutil.which("chromium")
    assert found
    return found


def dump(url: str, profile: Path) -> str:
    """The page's document, as the browser has it after loading."""
    return _run(profile, "--dump-dom", url)


def screenshot(url: str, profile: Path, target: Path, width: int, height: int, scheme: str = LIGHT) -> None:
    """Write a picture of the page.

    Args:
        width, height: of the window in pixels; what is below its lower edge is not in the picture.
        scheme: what the reader prefers, DARK or LIGHT.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    options = (
        f"--screenshot={target}",
        f"--window-size={width},{height}",
        f"--blink-settings=preferredColorScheme={scheme}",
    )
    _run(profile, *options, "--hide-scrollbars", url)
    assert target.is_file(), f"no picture of {url}"


def _run(profile: Path, *arguments: str) -> str:
    command = [
        chromium(),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={profile}",
        "--timeout=20000",
        *arguments,
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
