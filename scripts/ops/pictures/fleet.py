"""The dashboard of the whole fleet: who trades, what fires, what is left of the budgets."""

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
    target,
)
from ops.slo.model import Model

SILENT = 'expected_target{job="trader"} unless on (host) (up{job="trader"} == 1)'


def board(model: Model) -> Board:
    """The fleet at a glance."""
    about = "Every trading host of the inventory, also one that does not answer."
    return Board(
        "fleet", "Fleet", about, (_now(), _hosts(model), _objectives(), _money(model), _orders(model))
    )


def _count(
    title: str, about: str, expr: str, *alerts: str, steps: tuple[tuple[float | None, str], ...]
) -> Picture:
    return Picture("stat", title, about, (Query(expr, title),), width=4, height=4, steps=steps, alerts=alerts)


def _now() -> Row:
    active = "count(max by (host) (trader_trading_state) == 2) or vector(0)"
    tripped = 'count(max by (host) (trader_latch_tripped{job=~"trader|node"}) == 1) or vector(0)'
    heartbeat = 'count(ALERTS{alertname="Watchdog", alertstate="firing"}) or vector(0)'
    return Row(
        "Now",
        (
            _count(
                "Hosts that trade",
                "Hosts whose state is active.",
                active,
                "TraderHalted",
                steps=((None, RED), (1, GREEN)),
            ),
            _count(
                "Silent hosts",
                "Trading hosts of the inventory whose service does not answer.",
                f"count({SILENT}) or vector(0)",
                "TraderDown",
                "HostMissing",
                steps=NONE_IS_GOOD,
            ),
            _count(
                "Kill switches tripped",
                "Hosts whose latch is tripped, by the service or by the file that outlives it.",
                tripped,
                "KillSwitchTripped",
                steps=NONE_IS_GOOD,
            ),
            _count(
                "Pages that fire",
                "Alerts for which a person is called now.",
                q.firing("page"),
                steps=NONE_IS_GOOD,
            ),
            _count(
                "Tickets that fire",
                "Alerts for the next working day.",
                q.firing("ticket"),
                steps=((None, GREEN), (1, ORANGE)),
            ),
            _count(
                "Heartbeat of the alerts",
                "1 while the rules run; the dead man's receiver pages when it stops.",
                heartbeat,
                "Watchdog",
                steps=((None, RED), (1, GREEN)),
            ),
        ),
    )


def _hosts(model: Model) -> Row:
    fresh = "1 - " + q.ratio('feed="stale"', "trader_feed_seconds_total", window="5m")
    latency = "trader_order_latency_seconds"
    columns = (
        (q.ANSWERS, Column("Answers", texts={"0": ("NO ANSWER", RED), "1": ("yes", GREEN)})),
        (q.STATE, Column("State", texts=STATE)),
        (q.LATCH, Column("Kill switch", texts=LATCH)),
        (q.LOSS, Column("Loss of the day", "percentunit", 1, limits(model, "DailyLoss50", "DailyLoss80"))),
        (q.DRIFT, Column("Drift", "currencyUSD", 2, limits(model, "ReconciliationDrift"))),
        (
            q.quantile(0.95, latency, window="5m"),
            Column("P95", "s", 1, _over(bound(model, "order-latency-p95"))),
        ),
        (
            q.quantile(0.99, latency, window="5m"),
            Column("P99", "s", 1, _over(bound(model, "order-latency-p99"))),
        ),
        (
            fresh,
            Column(
                "Feed fresh", "percentunit", 2, ((None, ORANGE), (target(model, "feed-availability"), GREEN))
            ),
        ),
        (q.RECONCILED_AGO, Column("Reconciled ago", "s", 0, limits(model, "ReconciliationStale"))),
    )
    hosts = Picture(
        "table",
        "Hosts",
        "One row a host. Loss, drift and reconciliation outlive the service: its state file tells them.",
        (Query(q.RELEASE, ""), *(Query(expr, column.heading) for expr, column in columns)),
        width=24,
        height=10,
        columns=tuple(column for _, column in columns),
        join="host",
        keep={"release": "Release"},
    )
    alerts = Picture(
        "table",
        "Alerts that fire",
        "Without the heartbeat. The runbook of each is docs/runbooks/<alert>.md.",
        (Query(f"max by (severity, alertname, host, slo) ({q.ALERTS})", ""),),
        width=24,
        height=7,
        keep={"severity": "Severity", "alertname": "Alert", "host": "Host", "slo": "Objective"},
        columns=(Column("Severity", texts={"page": ("page", RED), "ticket": ("ticket", ORANGE)}),),
    )
    return Row("Hosts", (hosts, alerts))


def _over(limit: float) -> tuple[tuple[float | None, str], ...]:
    return ((None, GREEN), (limit, ORANGE))


def _objectives() -> Row:
    remaining = Picture(
        "bars",
        "Error budget left",
        "Of 30 days, all hosts together, weighted by events; below 0 it is overdrawn.",
        (Query("slo:error_budget:remaining", "{{slo}}"),),
        "percentunit",
        12,
        8,
        ((None, RED), (0, ORANGE), (0.25, GREEN)),
        share=True,
        decimals=1,
    )
    burn = Picture(
        "lines",
        "How fast the budgets burn",
        "Bad share of the last hour over what the objective allows; at 1 the budget just lasts.",
        (
            Query(
                "sum by (slo) (slo:bad:increase1h) / (sum by (slo) (slo:total:increase1h) > 0)"
                " / on (slo) (1 - slo:objective:ratio)",
                "{{slo}}",
            ),
        ),
        width=12,
        height=8,
        steps=((None, GREEN), (1, ORANGE)),
    )
    return Row("Objectives", (remaining, burn))


def _money(model: Model) -> Row:
    loss = Picture(
        "lines",
        "Loss of the day",
        "As a share of the limit at which trading ends; below 0 is a profit.",
        (Query(q.LOSS, "{{host}}"),),
        "percentunit",
        12,
        8,
        limits(model, "DailyLoss50", "DailyLoss80", "DailyLoss100"),
        alerts=("DailyLoss50", "DailyLoss80", "DailyLoss100", "DailyLossUnknown"),
    )
    drift = Picture(
        "lines",
        "Drift",
        "Value at the venue that our journal does not explain.",
        (Query(q.DRIFT, "{{host}}"),),
        "currencyUSD",
        12,
        8,
        limits(model, "ReconciliationDrift"),
        alerts=("ReconciliationDrift",),
    )
    return Row("Money", (loss, drift))


def _orders(model: Model) -> Row:
    latency = "trader_order_latency_seconds"
    p95 = Picture(
        "lines",
        "Order latency P95",
        "From the decision to the venue's acknowledgement.",
        (Query(q.quantile(0.95, latency), "{{host}}"),),
        "s",
        12,
        8,
        _over(bound(model, "order-latency-p95")),
        alerts=("OrderLatencyP95BurnPage",),
    )
    placed = Picture(
        "lines",
        "Orders",
        "New orders that got an answer, a second and host.",
        (Query(q.rate("trader_orders_total"), "{{host}}"),),
        "ops",
        12,
        8,
        PLAIN,
        alerts=("SignalsWithoutOrders",),
    )
    return Row("Orders", (p95, placed))
