"""The command ./scripts/release."""

import json
from pathlib import Path

import click

from ops import paths
from ops.errors import OperatorError
from ops.release import store
from ops.release.build import build as build_release


@click.group()
def cli() -> None:
    """Build and check release artifacts (var/releases)."""


@cli.command()
@click.option(
    "--app",
    type=click.Choice(["trader", "venue_sim"]),
    default="trader",
    show_default=True,
    help="Package below app/.",
)
@click.option(
    "--patch",
    "patches",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Unified diff with paths from the root, applied to a copy of the tree. May be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as one JSON object.")
def build(app: str, patches: tuple[Path, ...], as_json: bool) -> None:
    """Make one artifact and print its id and, as the last word of the last line, its sha256.

    What goes in: the files of app/<package> as they stand on disk (committed or not; without tests,
    hidden files and __pycache__), and the packages of app/requirements.lock, each checked against its
    hash. The same inputs give the same sha256 in any folder and at any time on the same Debian release.
    The packages are kept under var/cache, so that only the first build is slow. A build without a patch
    becomes var/releases/latest-<app>, which a host that has no release yet is given.
    """
    built = build_release(paths.ROOT, paths.VAR, app, patches, lambda line: click.echo(line, err=True))
    release = built.release
    if as_json:
        click.echo(json.dumps(release.manifest))
        return
    size, unpacked = release.bytes / 1e6, release.manifest["bytes_unpacked"] / 1e6
    layer = "from the cache" if built.layer_cached else "made anew"
    click.echo(f"{built.files} files, {size:.1f} MB, {unpacked:.0f} MB unpacked; dependency layer {layer}")
    click.echo(f"release {release.id} sha256 {release.sha256}")


@cli.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the manifests as a JSON list.")
def list_releases(as_json: bool) -> None:
    """Show the releases that are here, the last built first."""
    found = store.all_of(paths.RELEASES)
    if as_json:
        click.echo(json.dumps([release.manifest for release in found]))
        return
    if not found:
        click.echo("no releases yet; ./scripts/release build makes one")
    for release in found:
        patches = ", ".join(release.manifest.get("patches", []))
        click.echo(f"{release.id}  {release.bytes / 1e6:.1f} MB" + (f"  with {patches}" if patches else ""))


@cli.command()
@click.argument("release_id", metavar="ID")
def verify(release_id: str) -> None:
    """Hash a release again and compare it with its manifest."""
    release = store.load_verified(paths.RELEASES, release_id)
    click.echo(f"{release.id} is whole, sha256 {release.sha256}")


@cli.command()
@click.argument("release_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as one JSON object.")
def show(release_id: str, as_json: bool) -> None:
    """Show a release's manifest."""
    release = store.load(paths.RELEASES, release_id)
    if as_json:
        click.echo(json.dumps(release.manifest))
        return
    for key, value in release.manifest.items():
        click.echo(f"{key}: {value if isinstance(value, str | int) else json.dumps(value)}")


def main() -> None:
    """Entry point; a full disk or a forbidden folder is the operator's to mend, so it is one line as well."""
    try:
        cli(prog_name="release")
    except OSError as error:
        OperatorError(f"{error.filename or 'release'}: {error.strerror or error}").show()
        raise SystemExit(OperatorError.exit_code) from None
