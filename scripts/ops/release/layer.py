"""The dependency layer: what app/requirements.lock names, installed, stripped, compiled and compressed once.

It is kept under var/cache by a key over everything that its bytes depend on. A build in progress is in a
folder of its own and takes its name in one rename, so that neither a second build nor a kill can leave
half a layer behind.
"""

import hashlib
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ops.errors import OperatorError
from ops.release import pack
from ops.release.exclusive import exclusive

# The hosts' interpreter: Debian's, on the control node as well. Bytecode of another minor version is not
# read by it.
HOST_PYTHON = Path("/usr/bin/python3")
# Raise it when this module makes other bytes from the same lock file.
_FORMAT = 1
_BYTECODE = Path(__file__).with_name("bytecode.py")
# Left out: pip's own records (they hold paths and order of installation), launchers with the builder's
# path in their first line, what only compilers and type checkers read, and test suites.
_LEFT_OUT_METADATA = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
_LEFT_OUT_SUFFIXES = (".pyi", ".pyx", ".pxd", ".pxi", ".c", ".h", ".pyc")
_LEFT_OUT_FOLDERS = ("test", "tests", "__pycache__")


@dataclass(frozen=True)
class Layer:
    """A finished layer. `sums` is the sha256 of each file by path; `bytes_unpacked` its size on a host."""

    archive: Path
    sums: dict[str, str]
    bytes_unpacked: int
    toolchain: dict[str, str]
    cached: bool


def dependency_layer(lock: Path, cache: Path, say: Callable[[str], None]) -> Layer:
    """Return the layer for a lock file, from the cache when its bytes are whole.

    Args:
        lock: requirements with a hash for every file.
        cache: folder for layers, made when missing.
        say: receives one line for each slow step.
    Raises:
        OperatorError: the lock file is missing, a package cannot be had, or the interpreter is not the
            hosts'.
    """
    if not lock.is_file():
        raise OperatorError(
            f"{lock} is missing; the dependencies of a release are the packages that it locks"
        )
    toolchain = _toolchain()
    inputs = json.dumps([_FORMAT, pack.sha256_of(lock), toolchain], sort_keys=True)
    key = hashlib.sha256(inputs.encode()).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / key
    with exclusive(cache / f"{key}.lock"):
        layer = _read(folder, toolchain)
        if layer is not None:
            return layer
        shutil.rmtree(folder, ignore_errors=True)
        for leftover in cache.glob(f"{key}.building-*"):  # of a killed build: we hold the lock
            shutil.rmtree(leftover, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=f"{key}.building-", dir=cache) as temporary:
            _build(lock, Path(temporary), say)
            (Path(temporary) / "layer").rename(folder)
        layer = _read(folder, toolchain, cached=False)
    if layer is None:
        raise OperatorError(f"{folder} cannot be read back after it was written; is the disk full?")
    return layer


def compile_tree(tree: Path) -> None:
    """Compile every .py file of `tree` with the hosts' interpreter, always to the same bytes.

    Raises:
        OperatorError: a file is not Python; the message names file and line.
    """
    clean = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [HOST_PYTHON, "-S", "-B", _BYTECODE, tree],
        env=clean,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise OperatorError(f"does not compile: {_last_line(done.stderr)}")


def _build(lock: Path, folder: Path, say: Callable[[str], None]) -> None:
    tree = folder / "tree"
    say(f"dependency layer: installing the packages of {lock.name}")
    _install(lock, tree)
    _strip(tree)
    say("dependency layer: compiling")
    compile_tree(tree)
    say("dependency layer: packing")
    members = pack.members_of(tree, "lib")
    layer = folder / "layer"
    layer.mkdir()
    sums = pack.write_layer(members, layer / "layer.tar.zst", last=False)
    unpacked = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())
    index = {"sha256": pack.sha256_of(layer / "layer.tar.zst"), "bytes_unpacked": unpacked, "sums": sums}
    (layer / "index.json").write_text(json.dumps(index))


def _install(lock: Path, tree: Path) -> None:
    # pip's own settings (index, certificate, wheel folder) apply as the machine has them.
    command: list[str | Path] = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--target", tree, "--no-compile", "--no-deps"]
    command += ["--require-hashes", "--only-binary", ":all:", "--requirement", lock]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        reason = errors[0].removeprefix("ERROR: ") if errors else _last_line(done.stderr)
        raise OperatorError(f"{lock.name}: pip cannot install it: {reason}")


def _strip(tree: Path) -> None:
    shutil.rmtree(tree / "bin", ignore_errors=True)
    for path in sorted(tree.rglob("*"), reverse=True):
        if path.is_dir():
            if path.name in _LEFT_OUT_FOLDERS:
                shutil.rmtree(path)
        elif path.suffix in _LEFT_OUT_SUFFIXES or (
            path.parent.name.endswith(".dist-info") and path.name in _LEFT_OUT_METADATA
        ):
            path.unlink()


def _read(folder: Path, toolchain: dict[str, str], *, cached: bool = True) -> Layer | None:
    archive = folder / "layer.tar.zst"
    try:
        index = json.loads((folder / "index.json").read_text())
        if pack.sha256_of(archive) != index["sha256"]:
            return None
        return Layer(archive, index["sums"], index["bytes_unpacked"], toolchain, cached)
    except (OSError, ValueError, KeyError):
        return None


def _toolchain() -> dict[str, str]:
    """Everything besides the lock file that the bytes depend on."""
    try:
        python = _output([str(HOST_PYTHON), "-c", "import platform; print(platform.python_version())"])
        zstd = _output(["zstd", "--version"]).split(",")[0].split()[-1]
    except FileNotFoundError as error:
        raise OperatorError(f"the program {error.filename} is missing; run ./scripts/setup") from None
    ours = platform.python_version()
    if python.split(".")[:2] != ours.split(".")[:2]:
        raise OperatorError(
            f"{HOST_PYTHON} is Python {python} but .venv runs {ours}; remove .venv and run ./scripts/setup"
        )
    return {
        "python": python,
        "zstd": zstd,
        "machine": platform.machine(),
        "libc": "-".join(platform.libc_ver()),
    }


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]
