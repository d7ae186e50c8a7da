"""From a working tree to one artifact."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from ops.errors import OperatorError
from ops.release import pack, store
from ops.release.layer import Layer, compile_tree, dependency_layer

# Isolated (-I: no user packages, no PYTHON* variables) and without writing bytecode (-B: a release never
# changes after it was verified). Debian's own packages leave the path as well: a dependency that the lock
# file forgot must fail everywhere, not only where Debian happens to lack it.
_LAUNCHER = """\
#!/usr/bin/python3 -IB
import hashlib
import os
import sys

release = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path[:] = [release + "/lib"] + [path for path in sys.path if not path.endswith("-packages")]

from {module} import {function}  # noqa: E402

sys.exit({function}())
"""


@dataclass(frozen=True)
class Project:
    """What app/pyproject.toml says of one package.

    Args:
        commands: name to `module:function`.
        entry_points: the same by group; what the package offers to be found by (importlib.metadata).
    """

    version: str
    commands: dict[str, str]
    entry_points: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Built:
    """A build's result. `layer_cached` is false when the dependency layer had to be made."""

    release: store.Release
    layer_cached: bool
    files: int


def build(
    root: Path, var: Path, app: str, patches: Sequence[Path], say: Callable[[str], None] = lambda line: None
) -> Built:
    """Make one artifact and keep it under `var`/releases.

    Args:
        root: a checkout; app/<app>, app/pyproject.toml and app/requirements.lock are read as they stand
            on disk.
        var: folder for the cache, the temporary files and the releases.
        app: package name below app/.
        patches: unified diffs with paths from the root (a/app/...), applied in order to a copy of app/.
        say: receives one line for each slow step.
    Raises:
        OperatorError: the package is incomplete or does not compile, a patch does not apply, a dependency
            is missing.
    """
    releases = var / "releases"
    releases.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(releases)
    with tempfile.TemporaryDirectory(prefix=f".building-{os.getpid()}-", dir=releases) as temporary:
        work = Path(temporary)
        copy = _copy(root, work / "source", app)
        _apply(copy, app, patches)
        project = read_project(copy / "app/pyproject.toml", app)
        layer = dependency_layer(copy / "app/requirements.lock", var / "cache/layers", say)
        prepared = work / "prepared"
        prepared.mkdir()
        return _assemble(copy, prepared, releases, app, project, layer, patches)


def read_project(path: Path, app: str) -> Project:
    """Read version, commands and entry points of a package.

    Raises:
        OperatorError: the file is missing or malformed, or names no command of the package.
    """
    try:
        project = tomllib.loads(path.read_text())["project"]
        version = str(project["version"])
        scripts = _of_package(app, project["scripts"])
        groups = project.get("entry-points", {})
        entry_points = {str(group): _of_package(app, points) for group, points in groups.items()}
    except (OSError, tomllib.TOMLDecodeError, KeyError, AttributeError) as error:
        raise OperatorError(
            f"app/pyproject.toml: [project] version, scripts and entry-points cannot be read: {error}"
        ) from None
    if not scripts:
        raise OperatorError(f"app/pyproject.toml: [project.scripts] names no command of the package {app}")
    return Project(version, scripts, {group: points for group, points in entry_points.items() if points})


def _of_package(app: str, targets: dict[str, str]) -> dict[str, str]:
    return {str(name): str(to) for name, to in targets.items() if str(to).split(".")[0] == app}


def _copy(root: Path, target: Path, app: str) -> Path:
    if not (root / "app" / app / "__init__.py").is_file():
        raise OperatorError(f"app/{app}/__init__.py is missing; there is nothing to build")
    skip = shutil.ignore_patterns("__pycache__", "tests", ".*", "*.pyc", "*.egg-info")
    shutil.copytree(root / "app", target / "app", ignore=skip, symlinks=True)
    return target


def _apply(copy: Path, app: str, patches: Sequence[Path]) -> None:
    for patch in patches:
        if not patch.is_file():
            raise OperatorError(f"patch {patch} does not exist")
        before = _state(copy, app)
        # Without the ceiling git finds the checkout around var/ and silently skips paths outside of the copy.
        environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(copy.parent.resolve()), "LC_ALL": "C"}
        command: list[str | Path] = ["git", "apply", "--whitespace=nowarn", patch.resolve()]
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[0].removeprefix("error: ")
            raise OperatorError(f"patch {patch.name} does not apply to the tree: {reason}")
        if _state(copy, app) == before:
            raise OperatorError(f"patch {patch.name} changes nothing in app/{app}")


def _state(copy: Path, app: str) -> dict[str, bytes]:
    files = [path for path in (copy / "app" / app).rglob("*") if path.is_file()]
    files += [copy / "app/pyproject.toml", copy / "app/requirements.lock"]
    return {str(path): path.read_bytes() for path in files if path.exists()}


def _assemble(
    copy: Path,
    prepared: Path,
    releases: Path,
    app: str,
    project: Project,
    layer: Layer,
    patches: Sequence[Path],
) -> Built:
    schema = _schema(copy / "app" / app)
    # Compiled under lib/ and nothing else, so that a traceback without its release still says lib/trader/...
    tree = copy / "lib"
    tree.mkdir()
    package = (copy / "app" / app).rename(tree / app)
    try:
        compile_tree(tree)
    except OperatorError as error:
        raise OperatorError(f"app: {error.message}") from None
    members = pack.members_of(package, f"lib/{app}")
    for name, target in project.commands.items():
        module, _, function = target.partition(":")
        text = _LAUNCHER.format(module=module, function=function)
        members.append(pack.Member(f"bin/{name}", text.encode(), executable=True))
    # Without it two versions of one tree would be the same bytes, which no hash on a host could tell apart.
    metadata = f"Metadata-Version: 2.1\nName: {app}\nVersion: {project.version}\n"
    info = f"lib/{app}-{project.version}.dist-info"
    members.append(pack.Member(f"{info}/METADATA", metadata.encode()))
    if project.entry_points:
        members.append(pack.Member(f"{info}/entry_points.txt", _entry_points_text(project).encode()))
    members.append(
        pack.Member("VERSION", f"{project.version}\n".encode())
    )  # another version is another release
    sums = dict(layer.sums)
    for member in members:
        if member.path in sums:
            raise OperatorError(f"app/{app} and a dependency both have the file {member.path}")
        sums[member.path] = hashlib.sha256(member.read()).hexdigest()
    members.append(pack.Member("MANIFEST", pack.manifest_text(sums)))
    top = prepared.parent / "top.tar.zst"
    pack.write_layer(members, top, last=True)
    artifact = prepared / store.ARTIFACT
    with artifact.open("wb") as out:
        for frame in (layer.archive, top):
            with frame.open("rb") as part:
                shutil.copyfileobj(part, out, 1 << 20)
        out.flush()
        os.fsync(out.fileno())
    sha256 = pack.sha256_of(artifact)
    manifest = {
        "app": app,
        "id": f"{app}-{project.version}-{sha256[:12]}",
        "sha256": sha256,
        "version": project.version,
        "bytes": artifact.stat().st_size,
        "bytes_unpacked": layer.bytes_unpacked + sum(len(member.read()) for member in members),
        "schema": schema,
        "patches": [patch.name for patch in patches],
        "toolchain": layer.toolchain,
    }
    release = store.publish(releases, prepared, manifest)
    if not patches:  # a patched tree is for a test, never what a new host starts with
        store.mark_latest(releases, release)
    return Built(release, layer.cached, len(sums) + 1)


def _schema(package: Path) -> str:
    """What the tree says that it does to the journal's schema; without a journal that is nothing."""
    path = package / "journal/schema.yml"
    if not path.exists():
        return "unchanged"
    try:
        change = yaml.safe_load(path.read_text())["change"]
    except (yaml.YAMLError, KeyError, TypeError):
        change = None
    if change not in store.SCHEMAS:
        raise OperatorError(
            f"app/{package.name}/journal/schema.yml: change must be one of {', '.join(store.SCHEMAS)}"
        )
    return str(change)


def _entry_points_text(project: Project) -> str:
    """The file of that name, as the packaging specification has it: one section per group."""
    lines = []
    for group, points in sorted(project.entry_points.items()):
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in sorted(points.items())), ""]
    return "\n".join(lines)


def _remove_leftovers(releases: Path) -> None:
    for folder in releases.glob(".building-*"):
        pid = folder.name.split("-")[1]
        if not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)
