"""The dashboard of releases: what runs where, whether the new one is worse, and what a way back rests on."""

from ops.pictures import queries as q
from ops.pictures.spec import (
    GREEN,
    ORANGE,
    RED,
    STATE,
    YES_IS_GOOD,
    Board,
    Column,
    Picture,
    Query,
    Row,
    bound,
    limits,
)
from ops.slo.model import Model

# Counters carry no release, so that a rollout does not reset them; the host tells which one it runs.
BY_RELEASE = "* on (host) group_left (release) max by (host, release) (trader_build_info)"


def board(model: Model) -> Board:
    """Releases side by side."""
    about = (
        "What runs where, the releases side by side, and what a way back rests on."
        " Rollouts themselves: ./scripts/canary."
    )
    return Board(
        "rollout", "Rollout", about, (_releases(), _compare(model), _restarts(model), _recovery(model))
    )


def _releases() -> Row:
    return Row(
        "Releases",
        (
            Picture(
                "stat",
                "Different releases",
                "By content: a ticket when they stay different for an hour.",
                (Query("count(count by (sha256) (trader_build_info))", "releases"),),
                "short",
                6,
                8,
                ((None, GREEN), (2, ORANGE)),
                alerts=("ReleaseSkew",),
            ),
            Picture(
                "lines",
                "Hosts on each release",
                "How far a rollout has come.",
                (Query("count by (release) (max by (host, release) (trader_build_info))", "{{release}}"),),
                "short",
                10,
                8,
                stacked=True,
            ),
            Picture(
                "table",
                "Release of each host",
                "With the version that it was built as.",
                (Query(f"max by (host, release, version) (trader_build_info{{{q.CHOSEN}}})", ""),),
                width=8,
                height=8,
                keep={"host": "Host", "release": "Release", "version": "Version"},
                columns=(Column("Host"),),
            ),
        ),
    )


def _compare(model: Model) -> Row:
    latency = "sum by (host, le) (rate(trader_order_latency_seconds_bucket[5m]))"
    bad, total = (
        f"sum by (release) (sum by (host) (rate(trader_orders_total{only}[5m])) {BY_RELEASE})"
        for only in ('{outcome!="acknowledged"}', "")
    )
    reconnects = f"sum by (release) (sum by (host) (increase(trader_ws_reconnects_total[10m])) {BY_RELEASE})"
    return Row(
        "The releases side by side",
        (
            Picture(
                "lines",
                "Order latency P95 by release",
                "From the decision to the venue's acknowledgement.",
                (
                    Query(
                        f"histogram_quantile(0.95, sum by (release, le) ({latency} {BY_RELEASE}))",
                        "{{release}}",
                    ),
                ),
                "s",
                8,
                8,
                ((None, GREEN), (bound(model, "order-latency-p95"), ORANGE)),
            ),
            Picture(
                "lines",
                "Order errors by release",
                "Share of new orders that were rejected or had no proven outcome at once.",
                (Query(f"{bad} / ({total} > 0)", "{{release}}"),),
                "percentunit",
                8,
                8,
            ),
            Picture(
                "lines",
                "Reconnects by release",
                "Streams opened again in ten minutes.",
                (Query(reconnects, "{{release}}"),),
                "short",
                8,
                8,
            ),
        ),
    )


def _restarts(model: Model) -> Row:
    started = f"max by (host) (trader_process_start_timestamp_seconds{{{q.CHOSEN}}})"
    return Row(
        "Restarts",
        (
            Picture(
                "states",
                "Trading state",
                "A host of a rollout is halted, drained, and active again.",
                (Query(q.STATE, "{{host}}"),),
                width=8,
                height=8,
                texts=STATE,
                alerts=("TraderHalted", "TraderDown"),
            ),
            Picture(
                "lines",
                "Starts in ten minutes",
                "More than a rollout's own are a crash loop.",
                (
                    Query(
                        f"max by (host) (changes(trader_process_start_timestamp_seconds{{{q.CHOSEN}}}[10m]))",
                        "{{host}}",
                    ),
                ),
                "short",
                8,
                8,
                limits(model, "CrashLoop"),
                alerts=("CrashLoop",),
            ),
            Picture(
                "bars",
                "Runs since",
                "Time since the service started.",
                (Query(f"time() - {started}", "{{host}}"),),
                "s",
                8,
                8,
            ),
        ),
    )


def _recovery(model: Model) -> Row:
    drill = "time() - max by (drill) (breakwater_drill_last_success_timestamp_seconds)"
    overdue = (
        "clamp_min(time() - max by (drill) (breakwater_drill_last_success_timestamp_seconds)"
        " - on (drill) max by (drill) (expected_drill_max_age_seconds), 0)"
    )
    chain = "min by (fleet) (breakwater_evidence_chain_ok)"
    return Row(
        "What a way back rests on",
        (
            Picture(
                "table",
                "Drills",
                "Since each last passed, and for how long it is overdue.",
                (Query(drill, "Passed ago"), Query(overdue, "Overdue")),
                width=8,
                height=8,
                join="drill",
                alerts=("DrillOverdue",),
                columns=(
                    Column("Passed ago", "s", 0),
                    Column("Overdue", "s", 0, ((None, GREEN), (1, ORANGE))),
                ),
            ),
            Picture(
                "bars",
                "Age of the last backup",
                "By host.",
                (
                    Query(
                        "time() - " + q.gauge("breakwater_backup_last_success_timestamp_seconds"),
                        "{{host}}",
                    ),
                ),
                "s",
                6,
                8,
                limits(model, "BackupOld"),
                alerts=("BackupOld",),
            ),
            Picture(
                "bars",
                "Age of the last restore test",
                "A backup that was never restored is a hope.",
                (
                    Query(
                        "time() - " + q.gauge("breakwater_restore_test_last_success_timestamp_seconds"),
                        "{{host}}",
                    ),
                ),
                "s",
                6,
                8,
                limits(model, "RestoreTestOld"),
                alerts=("RestoreTestOld",),
            ),
            Picture(
                "stat",
                "Chain of evidence",
                "Whether any record was changed or is missing.",
                (Query(chain, "{{fleet}}"),),
                "none",
                4,
                8,
                texts={"0": ("BROKEN", RED), "1": ("whole", GREEN)},
                alerts=("EvidenceChainBroken",),
            ),
            Picture(
                "states",
                "Copies hold",
                "The vault's checks of each host's backups, the worst of them.",
                (Query(q.gauge("breakwater_backup_check_success", how="min"), "{{host}}"),),
                width=8,
                texts=YES_IS_GOOD,
                alerts=("BackupCheckFailed",),
            ),
            Picture(
                "states",
                "The last day agrees with the venue",
                "As the report of the last UTC day has it.",
                (Query(q.gauge("breakwater_eod_reconciled"), "{{host}}"),),
                width=8,
                texts=YES_IS_GOOD,
                alerts=("DayNotReconciled", "DayNotClosed"),
            ),
            Picture(
                "lines",
                "Records that the vault lacks",
                "Durable on the host and not yet on the vault's disk; how old the oldest is.",
                (Query(q.gauge("trader_shipping_lag_seconds"), "{{host}}"),),
                "s",
                8,
                alerts=("ShippingBehind",),
            ),
        ),
    )
