"""`trader preflight`: may this host trade?"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trader.commands.output import AS_JSON, CONFIG, print_json, print_rows

if TYPE_CHECKING:
    from trader.preflight import Finding, Subject
    from trader.service.settings import Settings


@click.command()
@CONFIG
@AS_JSON
def preflight(config: Path, as_json: bool) -> None:
    """Check whether this host may trade; changes nothing, and may run beside the service.

    Exit code 1: a check failed. Each line says what to do about it.

    \b
    Example:
      trader preflight --config /etc/trader/trader.yml
    """
    import uvloop

    from trader.preflight import Verdict

    findings = uvloop.run(_findings(config))
    if as_json:
        names = ("check", "result", "detail", "next_step")
        print_json(
            [dict(zip(names, (name, f.verdict, f.detail, f.next_step), strict=True)) for name, f in findings]
        )
    else:
        rows = [(name, f.verdict, f.detail, f.next_step) for name, f in findings]
        print_rows(("check", "result", "detail", "next step"), rows)
    if any(finding.verdict is Verdict.FAIL for _, finding in findings):
        sys.exit(1)


async def _findings(config: Path) -> "list[tuple[str, Finding]]":
    from trader.commands.venue_access import quiet_gateway
    from trader.preflight import Finding, Verdict, plan, run_checks
    from trader.service.settings import SettingsError, check_files, load_current

    try:
        settings = load_current(config)
        check_files(settings)
    except SettingsError as error:
        return [
            ("settings", Finding(Verdict.FAIL, str(error), "correct the settings, then run preflight again"))
        ]
    read = Finding(Verdict.OK, f"{config}: {settings.host} at {settings.venue.id}")
    venue = quiet_gateway(settings)
    try:
        return [("settings", read), *await run_checks(plan(_subject(settings), venue))]
    finally:
        await venue.close()


def _subject(settings: "Settings") -> "Subject":
    from trader.kill_switch.latch import FILE_NAME
    from trader.preflight import Subject
    from trader.service.credentials import load_credentials
    from trader.service.settings import LAST_SEQUENCE

    return Subject(
        venue_id=settings.venue.id,
        host=settings.host,
        account=settings.account,
        epoch=settings.epoch,
        symbols=list(settings.symbols),
        journal=settings.journal.path,
        latch=settings.journal.path.with_name(FILE_NAME),
        longest_sequence=LAST_SEQUENCE,
        clock_limit_ms=settings.clock.limit_ms,
        checked_by=settings.venue.withdrawal_checked_by or None,
        owner=os.geteuid() or None,  # root looks at the service user's folder, not at its own
        load_credentials=load_credentials,
        timer_refresh_seconds=settings.dead_man.refresh_seconds,
        watched_by=tuple(settings.dead_man.watched_by),
        bounds=settings.preflight,
    )
