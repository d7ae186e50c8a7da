import io
import json
import os
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.errors import OperatorError
from ops.release import store
from ops.release.build import build

pytest_plugins = ["tests.release_helpers"]
ROOT = Path(__file__).parents[2]
NewCheckout = Callable[[Path, str], Path]


def unpack(artifact: Path, target: Path) -> Path:
    target.mkdir()
    subprocess.run(["tar", "--zstd", "-xf", artifact, "-C", target], check=True)
    return target


def members(artifact: Path) -> list[tarfile.TarInfo]:
    plain = subprocess.run(["zstd", "-dc", artifact], capture_output=True, check=True).stdout
    return tarfile.open(fileobj=io.BytesIO(plain)).getmembers()


def write_patch(path: Path, old: str, new: str, file: str = "app/trader/cli.py") -> Path:
    """Write a one-line change, headed as git does it: such a patch makes git look where its checkout is."""
    header = f"diff --git a/{file} b/{file}\n--- a/{file}\n+++ b/{file}\n"
    path.write_text(f"{header}@@ -6,3 +6,3 @@\n def main() -> int:\n-{old}\n+{new}\n     return 0\n")
    return path


OLD = '    print(f"{tinydep.NAME} {tinydep.__cached__ is not None} {sys.flags.isolated} {sys.path[1:]}")'


def test_same_inputs_give_the_same_bytes_in_another_folder_at_another_time(
    tmp_path: Path, lock: str, new_checkout: NewCheckout
) -> None:
    built = []
    for folder in ("a", "a/much/longer/folder"):
        root = new_checkout(tmp_path / folder / "checkout", lock)
        for index, path in enumerate(sorted(root.rglob("*"))):
            os.utime(path, (1_000_000_000 + index, 1_000_000_000 + index * len(folder)))
            path.chmod(0o777 if len(folder) > 1 else 0o700)
        built.append(build(root, tmp_path / folder / "var", "trader", []))
    assert not any(one.layer_cached for one in built)
    assert built[0].release.artifact.read_bytes() == built[1].release.artifact.read_bytes()
    warm = build(tmp_path / "a/checkout", tmp_path / "a/var", "trader", [])
    assert warm.layer_cached
    assert warm.release.sha256 == built[0].release.sha256


def test_any_changed_input_gives_another_id(tmp_path: Path, checkout: Path) -> None:
    first = build(checkout, tmp_path / "var", "trader", []).release
    assert first.id == f"trader-1.2.3-{first.sha256[:12]}"
    (checkout / "app/trader/metrics.yml").write_text("name: down\n")
    assert build(checkout, tmp_path / "var", "trader", []).release.id != first.id
    assert build(checkout, tmp_path / "var", "venue_sim", []).release.id.startswith("venue_sim-1.2.3-")


def test_another_version_of_the_same_tree_is_another_artifact(tmp_path: Path, checkout: Path) -> None:
    first = build(checkout, tmp_path / "var", "trader", []).release
    project = checkout / "app/pyproject.toml"
    project.write_text(project.read_text().replace("1.2.3", "1.2.4"))
    second = build(checkout, tmp_path / "var", "trader", []).release
    assert second.version == "1.2.4"
    assert second.sha256 != first.sha256


def test_an_unpacked_release_runs_and_checks_against_its_manifest(tmp_path: Path, checkout: Path) -> None:
    release = build(checkout, tmp_path / "var", "trader", []).release
    folder = unpack(release.artifact, tmp_path / "release")
    assert sorted(path.name for path in (folder / "bin").iterdir()) == ["trader"]
    (tmp_path / "current").symlink_to(folder)
    environment = {"PYTHONPATH": str(checkout / "app"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [tmp_path / "current/bin/trader"], capture_output=True, text=True, check=True, env=environment
    )
    # its dependency from its own bytecode, isolated, and none of Debian's packages in reach
    assert done.stdout.startswith("tiny True 1 ['/usr/lib/python3")
    assert "packages" not in done.stdout
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "MANIFEST"], cwd=folder, check=True)
    listed = {line.split("  ", 1)[1] for line in (folder / "MANIFEST").read_text().splitlines()}
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert listed == present - {"MANIFEST"}
    assert (folder / "MANIFEST").read_text().splitlines() == sorted(
        (folder / "MANIFEST").read_text().splitlines(), key=lambda line: line.split("  ", 1)[1]
    )


def test_only_what_the_service_needs_is_inside(tmp_path: Path, checkout: Path) -> None:
    release = build(checkout, tmp_path / "var", "trader", []).release
    names = {member.name for member in members(release.artifact)}
    assert {"bin", "lib", "lib/trader", "lib/trader/metrics.yml", "lib/tinydep/data.json"} <= names
    assert "lib/tinydep-1.0.dist-info/METADATA" in names
    unwanted = ("tests", ".editor.swp", "RECORD", "INSTALLER", "REQUESTED", "tinydep-tool", "__init__.pyi")
    assert not {name for name in names if name.rpartition("/")[2] in unwanted}
    sources = {name for name in names if name.endswith(".py")}
    compiled = {name for name in names if name.endswith(".cpython-311.pyc")}
    assert len(compiled) == len(sources) == 3


def test_modes_owners_and_times_are_fixed_and_no_build_path_is_inside(tmp_path: Path, checkout: Path) -> None:
    release = build(checkout, tmp_path / "var", "trader", []).release
    for member in members(release.artifact):
        assert (member.uid, member.gid, member.mtime) == (0, 0, 315532800), member.name
        executable = member.isdir() or member.name == "bin/trader"
        assert member.mode == (0o755 if executable else 0o644), member.name
    plain = subprocess.run(["zstd", "-dc", release.artifact], capture_output=True, check=True).stdout
    assert str(tmp_path).encode() not in plain


def test_a_patch_changes_the_release_and_not_the_tree(tmp_path: Path, checkout: Path) -> None:
    good = build(checkout, tmp_path / "var", "trader", []).release
    patch = write_patch(tmp_path / "slow.patch", OLD, '    print("slow")')
    bad = build(checkout, tmp_path / "var", "trader", [patch]).release
    assert bad.sha256 != good.sha256
    assert bad.manifest["patches"] == ["slow.patch"]
    assert "slow" in (unpack(bad.artifact, tmp_path / "bad") / "lib/trader/cli.py").read_text()
    assert "slow" not in (checkout / "app/trader/cli.py").read_text()
    assert build(checkout, tmp_path / "var", "trader", []).release.sha256 == good.sha256


def test_a_patch_applies_inside_a_checkout_that_holds_var(tmp_path: Path, checkout: Path) -> None:
    # git finds the repository around var/ and skips, with exit code 0, what it thinks lies outside of it
    subprocess.run(["git", "init", "-q", checkout], check=True)
    patch = write_patch(tmp_path / "slow.patch", OLD, '    print("slow")')
    bad = build(checkout, checkout / "var", "trader", [patch]).release
    assert "slow" in (unpack(bad.artifact, tmp_path / "bad") / "lib/trader/cli.py").read_text()


@pytest.mark.parametrize(
    ("old", "file", "message"),
    [
        ("    print('no such line')", "app/trader/cli.py", "slow.patch does not apply to the tree"),
        (OLD, "app/nowhere/cli.py", "slow.patch does not apply to the tree"),
        (OLD, "app/venue_sim/cli.py", "slow.patch changes nothing in app/trader"),
    ],
)
def test_a_useless_patch_is_one_line(
    tmp_path: Path, checkout: Path, old: str, file: str, message: str
) -> None:
    patch = write_patch(tmp_path / "slow.patch", old, "    print()", file)
    with pytest.raises(OperatorError, match=message) as caught:
        build(checkout, tmp_path / "var", "trader", [patch])
    assert "\n" not in caught.value.message
    assert not list((tmp_path / "var/releases").glob("*"))


def test_code_that_does_not_compile_is_named(tmp_path: Path, checkout: Path) -> None:
    patch = write_patch(tmp_path / "broken.patch", OLD, "    print(")
    with pytest.raises(OperatorError, match=r"trader/cli\.py:7: '\(' was never closed"):
        build(checkout, tmp_path / "var", "trader", [patch])


def test_a_dependency_with_another_hash_is_refused(tmp_path: Path, checkout: Path) -> None:
    (checkout / "app/requirements.lock").write_text(f"tinydep==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(
        OperatorError, match=r"requirements\.lock: pip cannot install it: THESE PACKAGES DO NOT"
    ):
        build(checkout, tmp_path / "var", "trader", [])


def test_the_latest_is_what_was_built_last_from_the_plain_tree(tmp_path: Path, checkout: Path) -> None:
    good = build(checkout, tmp_path / "var", "trader", []).release
    other = build(checkout, tmp_path / "var", "venue_sim", []).release
    build(checkout, tmp_path / "var", "trader", [write_patch(tmp_path / "bad.patch", OLD, "    print()")])
    assert (tmp_path / "var/releases/latest-trader").read_text() == f"{good.id}\n"
    assert (tmp_path / "var/releases/latest-venue_sim").read_text() == f"{other.id}\n"


def test_a_missing_package_or_command_is_named(tmp_path: Path, checkout: Path) -> None:
    shutil.rmtree(checkout / "app/venue_sim")
    with pytest.raises(OperatorError, match=r"app/venue_sim/__init__\.py is missing"):
        build(checkout, tmp_path / "var", "venue_sim", [])
    (checkout / "app/pyproject.toml").write_text("[project]\nversion = '1'\nscripts = {x = 'other:main'}\n")
    with pytest.raises(OperatorError, match="names no command of the package trader"):
        build(checkout, tmp_path / "var", "trader", [])


def test_a_link_in_the_tree_is_refused(tmp_path: Path, checkout: Path) -> None:
    (checkout / "app/trader/host.yml").symlink_to("/etc/hostname")
    with pytest.raises(OperatorError, match=r"host\.yml is not a plain file"):
        build(checkout, tmp_path / "var", "trader", [])


@pytest.mark.parametrize("damage", ["flip", "truncate", "index"])
def test_a_damaged_layer_in_the_cache_is_made_anew(tmp_path: Path, checkout: Path, damage: str) -> None:
    good = build(checkout, tmp_path / "var", "trader", []).release
    (layer,) = (tmp_path / "var/cache/layers").glob("*/layer.tar.zst")
    data = bytearray(layer.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "index":
        layer.with_name("index.json").unlink()
    else:
        layer.write_bytes(data if damage == "flip" else data[:100])
    again = build(checkout, tmp_path / "var", "trader", [])
    assert not again.layer_cached
    assert again.release.sha256 == good.sha256


def test_what_a_killed_build_left_is_removed(tmp_path: Path, checkout: Path) -> None:
    build(checkout, tmp_path / "var", "trader", [])
    dead = subprocess.Popen(["true"])
    dead.wait()
    (layer,) = (tmp_path / "var/cache/layers").glob("*/layer.tar.zst")
    half_release = tmp_path / f"var/releases/.building-{dead.pid}-x"
    half_layer = layer.parent.with_name(layer.parent.name + ".building-x")
    half_release.mkdir()
    half_layer.mkdir()
    layer.unlink()
    build(checkout, tmp_path / "var", "trader", [])
    assert not half_release.exists()
    assert not half_layer.exists()


def test_concurrent_builds_agree(tmp_path: Path, checkout: Path) -> None:
    found: list[str] = []

    def run() -> None:
        found.append(build(checkout, tmp_path / "var", "trader", []).release.sha256)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    (release,) = store.all_of(tmp_path / "var/releases")
    assert store.load_verified(tmp_path / "var/releases", release.id).sha256 == found[0]


def test_the_real_lock_file_is_reproducible_and_complete(tmp_path: Path, new_checkout: NewCheckout) -> None:
    """Two cold builds in two folders; then Debian's own interpreter runs what they hold."""
    lock = (ROOT / "app/requirements.lock").read_text()
    program = (
        "import apsw, ccxt.pro, pydantic, uvloop\n\ndef main() -> int:\n    print(ccxt.pro.__cached__)\n"
    )
    releases = []
    for folder in ("a", "a/longer/folder"):
        root = new_checkout(tmp_path / folder / "checkout", lock)
        (root / "app/trader/cli.py").write_text(program)
        releases.append(build(root, tmp_path / folder / "var", "trader", []).release)
    assert releases[0].artifact.read_bytes() == releases[1].artifact.read_bytes()
    folder_ = unpack(releases[0].artifact, tmp_path / "release")
    done = subprocess.run([folder_ / "bin/trader"], capture_output=True, text=True, check=True, env={})
    assert done.stdout.strip() == str(folder_ / "lib/ccxt/pro/__pycache__/__init__.cpython-311.pyc")
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "MANIFEST"], cwd=folder_, check=True)


def test_manifest_json_carries_what_the_roles_read(tmp_path: Path, checkout: Path) -> None:
    release = build(checkout, tmp_path / "var", "trader", []).release
    manifest = json.loads((release.folder / "manifest.json").read_text())
    assert manifest["bytes"] == release.artifact.stat().st_size
    assert (manifest["app"], manifest["version"], manifest["schema"]) == ("trader", "1.2.3", "unchanged")
    unpacked = unpack(release.artifact, tmp_path / "release")
    on_disk = sum(path.stat().st_size for path in unpacked.rglob("*") if path.is_file())
    assert manifest["bytes_unpacked"] == on_disk


@pytest.mark.parametrize(
    "patch", sorted((ROOT / "app" / "tests" / "releases").glob("*.patch")), ids=lambda path: path.name
)
def test_the_releases_of_rehearsals_fit_the_tree(patch: Path) -> None:
    """Else a rollout that is rehearsed with one ends before it has begun."""
    done = subprocess.run(
        ["git", "apply", "--check", str(patch)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
