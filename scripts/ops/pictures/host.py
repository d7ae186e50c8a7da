"""The dashboard of one host: the service and the machine below it."""

from ops.pictures import queries as q
from ops.pictures.spec import (
    GREEN,
    LATCH,
    NONE_IS_GOOD,
    ORANGE,
    PLAIN,
    RED,
    STATE,
    Board,
    Column,
    Picture,
    Query,
    Row,
    bound,
    limits,
)
from ops.slo.model import Model

LATENCY = "trader_order_latency_seconds"
DISK = 'fstype!~"tmpfs|ramfs"'


def board(model: Model) -> Board:
    """One host, from its state down to its disk."""
    about = "One host: its state, its orders, its streams, and the machine below."
    return Board(
        "host",
        "Host",
        about,
        (_now(model), _orders(model), _streams(model), _machine(model), _ages(model)),
        one_host=True,
    )


def _now(model: Model) -> Row:
    firing = 'count(ALERTS{alertstate="firing", host=~"$host"}) or vector(0)'
    return Row(
        "Now",
        (
            Picture(
                "stat",
                "Answers",
                "Whether the trading service answers.",
                (Query(q.ANSWERS, "{{host}}"),),
                "none",
                4,
                4,
                texts={"0": ("NO ANSWER", RED), "1": ("yes", GREEN)},
                alerts=("TraderDown", "HostMissing"),
            ),
            Picture(
                "stat",
                "State",
                "Halted, reduce-only or active.",
                (Query(q.STATE, "{{host}}"),),
                "none",
                4,
                4,
                texts=STATE,
                alerts=("TraderHalted",),
            ),
            Picture(
                "stat",
                "Kill switch",
                "Also while the service is dead.",
                (Query(q.LATCH, "{{host}}"),),
                "none",
                4,
                4,
                texts=LATCH,
                alerts=("KillSwitchTripped",),
            ),
            Picture(
                "stat",
                "Release",
                "What runs.",
                (Query(q.RELEASE, "{{release}}"),),
                "none",
                4,
                4,
                named=True,
            ),
            Picture(
                "stat",
                "Alerts that fire",
                "On this host.",
                (Query(firing, "alerts"),),
                "short",
                4,
                4,
                NONE_IS_GOOD,
            ),
            Picture(
                "stat",
                "Loss of the day",
                "As a share of its limit.",
                (Query(q.LOSS, "{{host}}"),),
                "percentunit",
                4,
                4,
                limits(model, "DailyLoss50", "DailyLoss80"),
                alerts=("DailyLoss50", "DailyLoss80"),
                decimals=1,
            ),
            Picture(
                "table",
                "Alerts",
                "Those that fire on this host.",
                (
                    Query(
                        f'max by (severity, alertname, slo) (ALERTS{{alertstate="firing", {q.CHOSEN}}})', ""
                    ),
                ),
                width=12,
                height=7,
                keep={"severity": "Severity", "alertname": "Alert", "slo": "Objective"},
                columns=(Column("Severity", texts={"page": ("page", RED), "ticket": ("ticket", ORANGE)}),),
            ),
            Picture(
                "states",
                "State over time",
                "Gaps are times without an answer.",
                (Query(q.STATE, "state"),),
                "none",
                12,
                7,
                texts=STATE,
            ),
        ),
    )


def _orders(model: Model) -> Row:
    slow, slowest = bound(model, "order-latency-p95"), bound(model, "order-latency-p99")
    return Row(
        "Orders",
        (
            Picture(
                "lines",
                "Order latency",
                "From the decision to the venue's acknowledgement.",
                tuple(Query(q.quantile(share, LATENCY), f"P{share * 100:g}") for share in (0.5, 0.95, 0.99)),
                "s",
                8,
                8,
                ((None, GREEN), (slow, ORANGE), (slowest, RED)),
                alerts=("OrderLatencyP95Symptom", "OrderLatencyP99Symptom"),
            ),
            Picture(
                "lines",
                "New orders by outcome",
                "What the venue's answer proved.",
                (Query(q.rate("trader_orders_total", "outcome"), "{{outcome}}"),),
                "ops",
                8,
                8,
                stacked=True,
            ),
            Picture(
                "lines",
                "Drift",
                "Value at the venue that our journal does not explain.",
                (Query(q.DRIFT, "{{host}}"),),
                "currencyUSD",
                8,
                8,
                limits(model, "ReconciliationDrift"),
                alerts=("ReconciliationDrift",),
            ),
            Picture(
                "lines",
                "Open and unproven orders",
                "That work at the venue, and whose outcome is not known yet.",
                (
                    Query(f"max by (host) (trader_open_orders{{{q.CHOSEN}}})", "open"),
                    Query(f"max by (host) (trader_unknown_orders{{{q.CHOSEN}}})", "unproven"),
                ),
                "short",
                8,
                8,
                alerts=("UnknownOrder",),
            ),
            Picture(
                "lines",
                "Since the last order",
                "Since the venue last acknowledged a new order.",
                (
                    Query(
                        f"time() - max by (host) (trader_last_order_timestamp_seconds{{{q.CHOSEN}}} > 0)",
                        "{{host}}",
                    ),
                ),
                "s",
                8,
                8,
            ),
            Picture(
                "lines",
                "Journal commits",
                "P50 and P99 of one commit, fsync included.",
                tuple(
                    Query(q.quantile(share, "trader_journal_commit_seconds"), f"P{share * 100:g}")
                    for share in (0.5, 0.99)
                ),
                "s",
                8,
                8,
                alerts=("JournalFailed",),
            ),
        ),
    )


def _streams(model: Model) -> Row:
    reconnects = (
        Query(f"sum by (stream) (increase(trader_ws_reconnects_total{{{q.CHOSEN}}}[5m]))", "{{stream}}"),
        Query(f"sum(increase(trader_order_entry_reconnects_total{{{q.CHOSEN}}}[5m]))", "order entry"),
    )
    return Row(
        "Streams and clock",
        (
            Picture(
                "lines",
                "Age of the streams",
                "Since each last brought data.",
                (Query(f"max by (stream) (trader_stream_age_seconds{{{q.CHOSEN}}})", "{{stream}}"),),
                "s",
                8,
                8,
            ),
            Picture(
                "lines",
                "Reconnects",
                "In five minutes, by stream.",
                reconnects,
                "short",
                8,
                8,
                limits(model, "ReconnectStorm"),
                alerts=("ReconnectStorm",),
            ),
            Picture(
                "lines",
                "Clock against the venue's",
                "And how uncertain that is.",
                (
                    Query(q.CLOCK, "difference"),
                    Query(f"max by (host) (trader_clock_uncertainty_seconds{{{q.CHOSEN}}})", "uncertainty"),
                ),
                "s",
                8,
                8,
                limits(model, "ClockSkew"),
                alerts=("ClockSkew",),
            ),
        ),
    )


def _machine(model: Model) -> Row:
    chosen = f'job="node", {q.CHOSEN}'
    busy = f'1 - avg by (host) (rate(node_cpu_seconds_total{{mode="idle", {chosen}}}[{q.WINDOW}]))'
    available, whole = (f"node_memory_Mem{part}_bytes{{{chosen}}}" for part in ("Available", "Total"))
    memory = f"1 - max by (host) ({available} / {whole})"
    free, size = (f"node_filesystem_{part}_bytes{{{DISK}, {chosen}}}" for part in ("avail", "size"))
    disk = f"min by (mountpoint) ({free} / ({size} > 0))"
    io = f"sum by (device) (rate(node_disk_io_time_seconds_total{{{chosen}}}[{q.WINDOW}]))"
    network = tuple(
        Query(
            f'sum by (host) (rate(node_network_{way}_bytes_total{{device!="lo", {chosen}}}[{q.WINDOW}]))',
            name,
        )
        for way, name in (("receive", "in"), ("transmit", "out"))
    )
    return Row(
        "Machine",
        (
            Picture(
                "lines",
                "Processors",
                "Share of the time in which they work.",
                (Query(busy, "{{host}}"),),
                "percentunit",
                8,
                8,
                share=True,
            ),
            Picture(
                "lines",
                "Memory",
                "Share that is not available.",
                (Query(memory, "{{host}}"),),
                "percentunit",
                8,
                8,
                share=True,
            ),
            Picture(
                "lines",
                "Disk left",
                "Share of each file system.",
                (Query(disk, "{{mountpoint}}"),),
                "percentunit",
                8,
                8,
                limits(model, "DiskFull", "DiskLow", below=True),
                share=True,
                alerts=("DiskFull", "DiskLow"),
            ),
            Picture(
                "lines",
                "Disk at work",
                "Share of the time in which a device has requests.",
                (Query(io, "{{device}}"),),
                "percentunit",
                8,
                8,
            ),
            Picture("lines", "Network", "Without loopback.", network, "Bps", 8, 8),
            Picture(
                "lines",
                "Load",
                "Processes that run or wait, one minute.",
                (Query(f"max by (host) (node_load1{{{chosen}}})", "{{host}}"),),
                "short",
                8,
                8,
            ),
        ),
    )


def _ages(model: Model) -> Row:
    certificate = (
        f"min by (certificate) (breakwater_certificate_not_after_timestamp_seconds{{{q.CHOSEN}}}) - time()"
    )
    credential = (
        f"time() - max by (credential) (breakwater_credential_changed_timestamp_seconds{{{q.CHOSEN}}})"
    )
    units = f'max by (name) (node_systemd_unit_state{{state="failed", {q.CHOSEN}}})'
    told = f"time() - max by (host) (trader_state_written_timestamp_seconds{{{q.CHOSEN}}})"
    return Row(
        "Ages and units",
        (
            Picture(
                "bars",
                "Certificates end in",
                "By certificate.",
                (Query(certificate, "{{certificate}}"),),
                "s",
                6,
                6,
                limits(model, "CertificateExpiring", below=True),
                alerts=("CertificateExpiring",),
            ),
            Picture(
                "bars",
                "Age of credentials",
                "Since each was last changed.",
                (Query(credential, "{{credential}}"),),
                "s",
                6,
                6,
                limits(model, "CredentialOld"),
                alerts=("CredentialOld",),
            ),
            Picture(
                "bars",
                "Failed units",
                "By systemd.",
                (Query(units, "{{name}}"),),
                "short",
                6,
                6,
                NONE_IS_GOOD,
            ),
            Picture(
                "stat",
                "State file written",
                "What tells of the money when the service is dead; every ten seconds.",
                (Query(told, "ago"),),
                "s",
                6,
                6,
                PLAIN,
                alerts=("TextfileBroken",),
                decimals=0,
            ),
        ),
    )
