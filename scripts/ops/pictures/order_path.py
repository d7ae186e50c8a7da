"""The dashboard of an order's way: decision, journal, venue, answer."""

from ops.pictures import queries as q
from ops.pictures.spec import GREEN, ORANGE, RED, Board, Picture, Query, Row, bound, limits
from ops.slo.model import Model

LATENCY = "trader_order_latency_seconds"


def board(model: Model) -> Board:
    """From the strategy's decision to the fill."""
    about = "From the strategy's decision to the venue's answer and the fill, and what stands in its way."
    rows = (_objectives(model), _orders(model), _latency(model), _venue(), _feed(model))
    return Board("order_path", "Order path", about, rows)


def _objectives(model: Model) -> Row:
    """One panel an objective: are we sure that it is missed, and from when on a person is called."""
    pictures = []
    for one in model.objectives:
        page = min(row.factor for row in one.policy.conditions if row.severity == "page") * one.budget
        ticket = min(row.factor for row in one.policy.conditions if row.severity == "ticket") * one.budget
        pictures.append(
            Picture(
                "lines",
                f"Bad share: {one.title}",
                f"{one.description} Lower end of what the hours prove, and where tickets and pages begin.",
                tuple(
                    Query(
                        f'slo:bad_ratio:wilson{window}{{slo="{one.slug}", {q.CHOSEN}}}',
                        f"{{{{host}}}} {window}",
                    )
                    for window in ("1h", "6h")
                ),
                "percentunit",
                6,
                8,
                ((None, GREEN), (ticket, ORANGE), (page, RED)),
                alerts=(f"{one.name}Symptom", f"{one.name}BurnPage", f"{one.name}BurnTicket"),
            )
        )
    return Row("Objectives", tuple(pictures))


def _orders(model: Model) -> Row:
    return Row(
        "Orders",
        (
            Picture(
                "lines",
                "New orders by outcome",
                "What the venue's answer proved; unknown had to be resolved by a query.",
                (Query(q.rate("trader_orders_total", "outcome"), "{{outcome}}"),),
                "ops",
                8,
                8,
                stacked=True,
            ),
            Picture(
                "lines",
                "Signals and orders",
                "What the strategy wanted and the risk engine let through, and what got an answer.",
                (
                    Query(q.rate("trader_signals_total"), "{{host}} signals"),
                    Query(q.rate("trader_orders_total"), "{{host}} orders"),
                ),
                "ops",
                8,
                8,
                alerts=("SignalsWithoutOrders",),
            ),
            Picture(
                "lines",
                "Failures in a row",
                "New orders in a row that the venue did not acknowledge.",
                (Query(f"max by (host) (trader_consecutive_order_failures{{{q.CHOSEN}}})", "{{host}}"),),
                "short",
                8,
                8,
                limits(model, "OrderFailuresInARow"),
                alerts=("OrderFailuresInARow",),
            ),
            Picture(
                "lines",
                "Refused by the risk engine",
                "New orders that never left the host, by check.",
                (Query(f"topk(6, {q.rate('trader_risk_rejections_total', 'code')})", "{{code}}"),),
                "ops",
                8,
                8,
            ),
            Picture(
                "lines",
                "Orders without a proven outcome",
                "Age of the oldest one.",
                (Query(q.UNKNOWN_AGE, "{{host}}"),),
                "s",
                8,
                8,
                limits(model, "UnknownOrder"),
                alerts=("UnknownOrder",),
            ),
            Picture(
                "lines",
                "Slippage",
                "Worst fill of the last five minutes against the quote at the decision, in basis points.",
                (Query(q.SLIPPAGE, "{{host}}"),),
                "none",
                8,
                8,
                limits(model, "SlippageHigh"),
                alerts=("SlippageHigh",),
            ),
            Picture(
                "lines",
                "Cancels",
                "Requests by answer; unresolved had to be queried.",
                (Query(q.rate("trader_cancels_total", "outcome"), "{{outcome}}"),),
                "ops",
                8,
                8,
                stacked=True,
            ),
            Picture(
                "lines",
                "Open orders",
                "Orders of ours that work at the venue, as far as we know.",
                (Query(f"max by (host) (trader_open_orders{{{q.CHOSEN}}})", "{{host}}"),),
                "short",
                8,
                8,
            ),
            Picture(
                "lines",
                "Fills",
                "Booked, each trade once.",
                (Query(q.rate("trader_fills_total"), "{{host}}"),),
                "ops",
                8,
                8,
            ),
        ),
    )


def _latency(model: Model) -> Row:
    slow, slowest = bound(model, "order-latency-p95"), bound(model, "order-latency-p99")
    return Row(
        "Latency",
        (
            Picture(
                "lines",
                "Order latency",
                f"Of all chosen hosts. Objectives: P95 below {slow:g} s, P99 below {slowest:g} s.",
                tuple(
                    Query(
                        f"histogram_quantile({share:g}, {q.rate(f'{LATENCY}_bucket', 'le')})",
                        f"P{share * 100:g}",
                    )
                    for share in (0.5, 0.95, 0.99)
                ),
                "s",
                8,
                8,
                ((None, GREEN), (slow, ORANGE), (slowest, RED)),
                alerts=("OrderLatencyP95Symptom", "OrderLatencyP99Symptom"),
            ),
            Picture(
                "lines",
                "Journal commit P99",
                "Each order waits for one: an fsync is part of the order's latency.",
                (Query(q.quantile(0.99, "trader_journal_commit_seconds"), "{{host}}"),),
                "s",
                8,
                8,
                alerts=("JournalFailed",),
            ),
            Picture(
                "lines",
                "Event loop",
                "By how much the loop was late at its last beat.",
                (Query(f"max by (host) (trader_loop_lag_seconds{{{q.CHOSEN}}})", "{{host}}"),),
                "s",
                8,
                8,
            ),
        ),
    )


def _venue() -> Row:
    used = f"{q.gauge('trader_budget_used_weight')} / ({q.gauge('trader_budget_weight_limit')} > 0)"
    breakers = f"max by (endpoint) (trader_breaker_state{{{q.CHOSEN}}})"
    return Row(
        "The venue's doors",
        (
            Picture(
                "lines",
                "Request weight used",
                "Share of what the venue gives in one window.",
                (Query(used, "{{host}}"),),
                "percentunit",
                8,
                8,
                share=True,
            ),
            Picture(
                "lines",
                "Requests that wait",
                "For their turn in the rate budget; kills go first.",
                (Query(f"sum by (priority) (trader_budget_waiting{{{q.CHOSEN}}})", "{{priority}}"),),
                "short",
                8,
                8,
                stacked=True,
            ),
            Picture(
                "states",
                "Circuit breakers",
                "The worst of the chosen hosts, by endpoint.",
                (Query(breakers, "{{endpoint}}"),),
                "none",
                8,
                8,
                texts={"0": ("closed", GREEN), "1": ("half-open", ORANGE), "2": ("open", RED)},
            ),
            Picture(
                "states",
                "Order entry",
                "WebSocket is the fast way, REST the one that is always there.",
                (Query(f"min by (host) (trader_order_entry_ready{{{q.CHOSEN}}})", "{{host}}"),),
                "none",
                8,
                8,
                texts={"0": ("REST", ORANGE), "1": ("WebSocket", GREEN)},
            ),
            Picture(
                "lines",
                "Blocked by the venue",
                "For how long it wants no requests (429 or 418).",
                (Query(f"max by (host) (trader_venue_blocked_seconds{{{q.CHOSEN}}})", "{{host}}"),),
                "s",
                8,
                8,
            ),
            Picture(
                "lines",
                "Errors",
                "By where they arose.",
                (Query(f"topk(6, {q.rate('trader_errors_total', 'class')})", "{{class}}"),),
                "ops",
                8,
                8,
            ),
        ),
    )


def _feed(model: Model) -> Row:
    return Row(
        "Market data",
        (
            Picture(
                "lines",
                "Feed stale",
                "Share of seconds in which the venue's quotes were too old to trade on.",
                (Query(q.ratio('feed="stale"', "trader_feed_seconds_total"), "{{host}}"),),
                "percentunit",
                8,
                8,
                alerts=("FeedAvailabilitySymptom",),
            ),
            Picture(
                "lines",
                "Age of the streams",
                "Since a stream last brought data; orders and fills are silent when we are.",
                (
                    Query(
                        f"max by (host, stream) (trader_stream_age_seconds{{{q.CHOSEN}}})",
                        "{{host}} {{stream}}",
                    ),
                ),
                "s",
                8,
                8,
            ),
            Picture(
                "lines",
                "Reconnects",
                "Streams opened again in five minutes.",
                (
                    Query(
                        f"sum by (host) (increase(trader_ws_reconnects_total{{{q.CHOSEN}}}[5m]))", "{{host}}"
                    ),
                ),
                "short",
                8,
                8,
                limits(model, "ReconnectStorm"),
                alerts=("ReconnectStorm",),
            ),
        ),
    )
