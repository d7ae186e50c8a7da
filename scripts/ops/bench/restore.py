"""What copies cost, and how long a host that is destroyed under load is away, in each mode of shipping.

A round: the host trades; its power is cut and its disk deleted; a blank machine takes its place; the playbook
restores it; the venue's record says which orders it had, the restored journal which of them it knows.
"""

import json
import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ops import paths
from ops.bench.figures import Figure
from ops.bench.program import measure
from ops.drills.admin import Admin
from ops.errors import OperatorError
from ops.files import read_json
from ops.fleet import Fleet, build
from ops.restore.finish import values
from ops.restore.run import RESTORES, Restore
from ops.run import run

LAB, HOST = "benchdr", "trader-01"
FOLDER = paths.VAR / "bench" / "restore"
MODES = ("bounded", "strict", "off")
MAX_RECORDS = 200
RTO_SECONDS = 60.0
LOAD_SECONDS = 8.0
READY_SECONDS = 90.0
GROW = """
import os, sys
sys.path.insert(0, "/opt/trader/current/lib")
from pathlib import Path
from trader.journal import Journal, records, storage
path = Path("/var/lib/trader/journal.sqlite")
opened = Journal.open(path, "trader-01", "trader-01", int(sys.argv[1]), "bench")
connection, count = opened._connection, int(sys.argv[2]) * 1048576 // 1150
for first in range(0, count, 5000):
    notes = [records.note("x" * 900, number=n) for n in range(first, min(first + 5000, count))]
    with storage.transaction(connection):
        rows = storage.append(connection, notes, *storage.tail(connection))
        storage.fold(connection, notes, rows[-1][0])
connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
connection.close(True)
"""


def restore(rounds: int, megabytes: int) -> Sequence[Figure]:
    """Measure copies on this machine, then rounds on a lab of its own.

    Args:
        rounds: of each mode.
        megabytes: size of the host's journal.

    Raises:
        OperatorError: a step failed.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    figures = [Figure("load average of the machine before", os.getloadavg()[0], "")]
    figures += copies(measure("copies", FOLDER, f"--disk={FOLDER}"))
    fleet = Fleet(LAB, FOLDER, say=click.echo)
    build(app="venue_sim")
    build()
    for mode in MODES:
        figures += _mode(fleet, mode, rounds, megabytes)
    return figures


def copies(found: Mapping[str, Any]) -> Iterator[Figure]:
    """Of the program benchmarks.copies."""
    busy, large, day = found["writer"], found["large"], found["day"]
    yield Figure("commits at 100/s, p99 alone", busy["alone_p99"] * 1e3, "ms")
    yield Figure("commits at 100/s, p99 beside backups", busy["beside_p99"] * 1e3, "ms")
    yield Figure("  with backups / alone", busy["beside_p99"] / busy["alone_p99"], "ratio", at_most=2)
    yield Figure("  whole backups meanwhile, 100 MB", busy["backups"], "")
    yield Figure("large journal", large["bytes"] / 1e9, "GB")
    yield Figure("  backup, proven", large["backup_seconds"], "s")
    yield Figure("  backup, memory", large["backup_mb"], "MB")
    yield Figure("  restore, proven", large["restore_seconds"], "s")
    yield Figure("  restore, memory", large["restore_mb"], "MB")
    yield Figure("  restore from the records alone", large["records_alone_seconds"], "s")
    yield Figure(f"report of a day of {day['fills']:,} fills", day["seconds"], "s", at_most=5)


def _mode(fleet: Fleet, mode: str, rounds: int, megabytes: int) -> Iterator[Figure]:
    settings = {"trader_shipping_mode": mode, "trader_shipping_max_records": MAX_RECORDS}
    settings["trader_strategy_parameters"] = {"requote_interval_ms": 100, "order_size": "0.001"}
    fleet.lab("absent")
    lost: list[int] = []
    done: list[Mapping[str, float | None]] = []
    try:
        fleet.lab("present", 1)
        fleet.playbook(f"site, {mode}", "playbooks/site.yml", f"-e {json.dumps(settings)}")
        admin = Admin(_admin_url(fleet))
        if megabytes:
            _grow(fleet, megabytes)
        for number in range(rounds):
            found = _round(fleet, f"{mode} {number + 1}", settings)
            done.append(found)
            lost.append(_lost(fleet, admin))
            fleet.playbook("rearm", "playbooks/rearm.yml", *_REARM)
    finally:
        fleet.lab("absent")
    bound = {"strict": 0, "bounded": MAX_RECORDS}.get(mode)
    yield Figure(f"{mode}: rounds of a {megabytes} MB journal", len(done), "")
    yield Figure("  orders at the venue that no copy had, most", max(lost), "orders", at_most=bound)
    yield Figure(
        "  differences with the venue, most", max(one["differences"] or 0 for one in done), "", at_most=0
    )
    full = [one["rto_full_seconds"] or float("inf") for one in done]
    yield Figure("  whole restore, median", statistics.median(full), "s")
    yield Figure("  whole restore, slowest", max(full), "s", at_most=RTO_SECONDS)
    critical = [one["rto_critical_seconds"] or float("inf") for one in done]
    yield Figure("  without provisioning, slowest", max(critical), "s")


_REARM = ("-e target=trader-01", "-e by=bench", "-e reason=measured", "-e confirm=rearm")


def _round(fleet: Fleet, name: str, settings: Mapping[str, Any]) -> Mapping[str, float | None]:
    _trades(fleet)
    time.sleep(LOAD_SECONDS)
    destroyed = json.dumps({"lab_state": "destroyed", "lab_destroyed": [HOST], "lab_trader_count": 1})
    fleet.playbook(f"{name}: destroyed", "playbooks/lab.yml", f"-e {destroyed}")
    fleet.lab("present", 1)
    wish = {
        "restore_from": HOST,
        "confirm": HOST,
        "by": "bench",
        "reason": "destroyed",
        "restore_settings": settings,
    }
    fleet.playbook(f"{name}: restore", "playbooks/restore.yml", f"-e {json.dumps(wish)}")
    newest = max((RESTORES / f"lab-{LAB}").glob("*/plan.json"), key=lambda path: path.stat().st_mtime)
    return values(Restore(newest.parent))


def _lost(fleet: Fleet, admin: Admin) -> int:
    """Orders that the venue took and the copies did not have; those rebuilt from the venue count as lost."""
    entries, _ = admin.record(HOST)
    there = {entry["client_order_id"] for entry in entries if entry["kind"] == "order"}
    events = json.loads(_on_host(fleet, f"trader journal show {_JOURNAL} --events --limit 10000000 --json"))
    known = set()
    for event in events:
        if event["kind"] == "intent" and not (body := json.loads(event["body"])).get("adopted"):
            known.add(body["client_id"])
    return len({name for name in there if name.startswith(f"{HOST}-")} - known)


_JOURNAL = "/var/lib/trader/journal.sqlite"


def _on_host(fleet: Fleet, command: str) -> str:
    words = ["ansible", HOST, "--module-name=shell", f"--args={command}"]
    done = run(words, environment={"BREAKWATER_LAB": fleet.name, "ANSIBLE_NOCOLOR": "1"})
    return "\n".join(done.lines[1:])


def _trades(fleet: Fleet) -> None:
    until = time.monotonic() + READY_SECONDS
    while True:
        text = _on_host(fleet, "trader status --config /etc/trader/trader.yml --json || true")
        if '"state": "active"' in text or '"state":"active"' in text:
            return
        if time.monotonic() > until:
            raise OperatorError(f"{HOST} does not trade after {READY_SECONDS:.0f} s: {text[-300:]}")
        time.sleep(1)


def _grow(fleet: Fleet, megabytes: int) -> None:
    """As a journal is after weeks; the vault gets all of it before the host trades again."""
    script = FOLDER / "grow.py"
    script.write_text(GROW)
    words = ["ansible", HOST, "--module-name=copy", f"--args=src={Path(script)} dest=/root/grow.py"]
    run(words, environment={"BREAKWATER_LAB": fleet.name})
    grow = f"systemctl stop trader && python3 /root/grow.py 1 {megabytes} && chown -R trader: /var/lib/trader"
    _on_host(fleet, f"{grow} && systemctl start trader")
    _trades(fleet)
    _on_host(fleet, "systemctl start trader-backup")


def _admin_url(fleet: Fleet) -> str:
    lab = read_json(paths.VAR / "lab" / fleet.name / "lab.json") or {"hosts": []}
    address = next(host["address"] for host in lab["hosts"] if host["name"] == "venue-01")
    return f"http://{address}:8480"
