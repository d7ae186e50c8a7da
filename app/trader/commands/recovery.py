"""`trader journal backup`, `check-backup`, `restore`: copies of a journal, and a journal from copies."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from trader.commands.output import AS_JSON, FILE, UserError, print_fields, print_json, utc

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=FILE)
@click.option(
    "--to", "folder", type=FOLDER, required=True, help="Folder of the copy; made if it is not there."
)
@AS_JSON
def backup(file: Path, folder: Path, as_json: bool) -> None:
    """Copy FILE as it is at this moment, and prove the copy; the service goes on writing.

    Leaves journal.sqlite and manifest.json. An earlier copy in the folder stays until this one is whole.

    \b
    Example:
      trader journal backup /var/lib/trader/journal.sqlite --to /var/cache/trader/backup
    """
    from trader.journal import JournalError
    from trader.journal.backup import make

    try:
        made = make(file, folder)
    except JournalError as error:
        raise UserError(str(error)) from error
    if as_json:
        print_json(asdict(made))
    else:
        print_fields(
            [
                ("events", made.events),
                ("last", utc(made.last_ns)),
                ("bytes", made.size),
                ("seconds", made.seconds),
            ]
        )


@click.command("check-backup")
@click.argument("folder", type=FOLDER)
@click.option("--host", help="Whose it must be.")
@AS_JSON
def check_backup(folder: Path, host: str | None, as_json: bool) -> None:
    """Prove that FOLDER holds a whole journal: sha256, every page, every link of the chain.

    \b
    Example:
      trader journal check-backup /var/cache/trader/backup --host trader-01
    """
    from trader.journal import JournalError
    from trader.journal.backup import check

    try:
        found = check(folder, host)
    except JournalError as error:
        raise UserError(str(error)) from error
    if as_json:
        print_json(asdict(found))
    else:
        print_fields(
            [
                ("host", found.host),
                ("events", found.events),
                ("last", utc(found.last_ns)),
                ("head", found.head),
            ]
        )


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--backup", "snapshot", type=FOLDER, help="Folder of a backup; without it, the shipped records alone."
)
@click.option(
    "--records", type=FILE, help="The vault's copy of what was shipped; without it, the backup alone."
)
@click.option("--host", required=True, help="Whose journal it is.")
@click.option("--account", required=True, help="Its account.")
@click.option(
    "--epoch", type=click.IntRange(1), required=True, help="The new epoch, above every earlier one."
)
@click.option("--at", help="Leave out what came later: 2026-01-31T08:00 (UTC).")
@click.option("--by", required=True, help="Your name; it is kept in the journal.")
@click.option("--reason", required=True, help="Why.")
@AS_JSON
def restore(
    file: Path,
    snapshot: Path | None,
    records: Path | None,
    host: str,
    account: str,
    epoch: int,
    at: str | None,
    by: str,
    reason: str,
    as_json: bool,
) -> None:
    """Make the journal FILE anew from copies.

    It is built beside FILE and proven before anything is changed; what was there is moved aside, with its
    WAL. The kill switch is down in it, whatever the copies say. Nothing is sent to the venue: the service
    compares with it at its start, halted. playbooks/restore.yml does this and everything around it.

    \b
    Example:
      trader journal restore /var/lib/trader/journal.sqlite --backup backup --records 000001.jsonl \\
        --host trader-01 --account trader-01 --epoch 2 --by ann --reason "its disk is gone"
    """
    from trader.journal import JournalError
    from trader.journal import restore as restoring

    wish = restoring.Wish(host, account, epoch, by, reason, None if at is None else _moment_ns(at))
    try:
        done = restoring.restore(file, snapshot, records, wish)
    except JournalError as error:
        raise UserError(str(error)) from error
    if as_json:
        print_json(asdict(done))
        return
    print_fields(
        [
            ("from the backup", done.snapshot_events),
            ("replayed", done.replayed),
            ("last record", utc(done.last_ns)),
            ("left out", done.left_out),
            ("epoch", done.epoch),
            ("old files", done.aside),
        ]
    )


@click.command()
@click.argument("file", type=FILE)
@AS_JSON
def lost(file: Path, as_json: bool) -> None:
    """Say what the last restore of FILE did not bring back, by what the venue told since.

    \b
    Example:
      trader journal lost /var/lib/trader/journal.sqlite
    """
    from trader.journal import JournalError
    from trader.journal.lost import lost as count

    try:
        found = count(file)
    except JournalError as error:
        raise UserError(str(error)) from error
    if as_json:
        print_json(asdict(found))
    else:
        print_fields(
            [
                ("epoch", found.epoch or "never restored"),
                ("orders", found.orders),
                ("milliseconds", found.milliseconds),
                (
                    "traded",
                    ", ".join(f"{amount} {asset}" for asset, amount in found.amounts.items()) or "nothing",
                ),
            ]
        )


def _moment_ns(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UserError(f"--at: {text!r} is no time such as 2026-01-31T08:00") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000_000)
