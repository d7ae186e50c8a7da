"""The dashboard of the money: kill switch, loss, drift, and what is not proven."""

from ops.pictures import queries as q
from ops.pictures.spec import (
    GREEN,
    LATCH,
    ORANGE,
    PLAIN,
    RED,
    STATE,
    YES_IS_BAD,
    YES_IS_GOOD,
    Board,
    Picture,
    Query,
    Row,
    limits,
)
from ops.slo.model import Model


def board(model: Model) -> Board:
    """What may cost money, host by host."""
    about = (
        "What may cost money: the kill switch, the loss of the day, drift, and what nobody has proven yet."
    )
    rows = (_kill_switch(), _loss(model), _truth(model), _guards(model))
    return Board("risk", "Risk", about, rows)


def _kill_switch() -> Row:
    working = f"max by (host) (trader_kill_working{{{q.CHOSEN}}})"
    return Row(
        "Kill switch",
        (
            Picture(
                "states",
                "Kill switch",
                "Also while the service is dead: the latch's file tells it.",
                (Query(q.LATCH, "{{host}}"),),
                width=8,
                texts=LATCH,
                alerts=("KillSwitchTripped",),
            ),
            Picture(
                "states",
                "Trading state",
                "Reduce-only closes positions and opens none.",
                (Query(q.STATE, "{{host}}"),),
                width=8,
                texts=STATE,
                alerts=("TraderHalted",),
            ),
            Picture(
                "states",
                "Cancelling now",
                "From a trip until the venue has said twice that no order is open.",
                (Query(working, "{{host}}"),),
                width=8,
                texts=YES_IS_BAD,
                alerts=("KillSwitchUnfinished",),
            ),
            Picture(
                "bars",
                "Trips in a day",
                "By what tripped it.",
                (
                    Query(
                        f"sum by (trigger) (round(increase(trader_kills_total{{{q.CHOSEN}}}[1d])))",
                        "{{trigger}}",
                    ),
                ),
                "short",
                12,
                steps=((None, GREEN), (1, ORANGE)),
            ),
            Picture(
                "lines",
                "How long the last kill took",
                "From the trip to the second zero; 0 = none since the start.",
                (Query(f"max by (host) (trader_kill_seconds{{{q.CHOSEN}}})", "{{host}}"),),
                "s",
                12,
            ),
        ),
    )


def _loss(model: Model) -> Row:
    steps = limits(model, "DailyLoss50", "DailyLoss80", "DailyLoss100")
    return Row(
        "Profit and loss",
        (
            Picture(
                "lines",
                "Loss of the day",
                "As a share of the limit at which trading ends; below 0 is a profit.",
                (Query(q.LOSS, "{{host}}"),),
                "percentunit",
                12,
                steps=steps,
                alerts=("DailyLoss50", "DailyLoss80", "DailyLoss100", "DailyLossUnknown"),
            ),
            Picture(
                "lines",
                "Profit and loss of the day",
                "Of our own fills since midnight UTC, with fees.",
                (Query(f"max by (host) (trader_daily_pnl_usd{{{q.CHOSEN}}})", "{{host}}"),),
                "currencyUSD",
                8,
                alerts=("DailyLossUnknown",),
            ),
            Picture(
                "bars",
                "Limit of a day's loss",
                "risk.max_daily_loss_usd of each host.",
                (Query(f"max by (host) (trader_daily_loss_limit_usd{{{q.CHOSEN}}})", "{{host}}"),),
                "currencyUSD",
                4,
                steps=PLAIN,
            ),
        ),
    )


def _truth(model: Model) -> Row:
    differences = f"max by (host) (trader_reconcile_unexplained_differences{{{q.CHOSEN}}})"
    steps = limits(model, "ReconciliationStale")
    return Row(
        "Journal against venue",
        (
            Picture(
                "lines",
                "Drift",
                "Value at the venue that our journal does not explain.",
                (Query(q.DRIFT, "{{host}}"),),
                "currencyUSD",
                12,
                steps=limits(model, "ReconciliationDrift"),
                alerts=("ReconciliationDrift",),
            ),
            Picture(
                "lines",
                "Unexplained differences",
                "Between journal and venue at the last reconciliation.",
                (Query(differences, "{{host}}"),),
                "short",
                12,
                steps=((None, GREEN), (1, RED)),
                alerts=("ReconciliationDifference",),
            ),
            Picture(
                "lines",
                "Since the last agreement",
                "Time since journal and venue last agreed.",
                (Query(q.RECONCILED_AGO, "{{host}}"),),
                "s",
                8,
                steps=steps,
                alerts=("ReconciliationStale",),
            ),
            Picture(
                "lines",
                "Orders without a proven outcome",
                "Age of the oldest one.",
                (Query(q.UNKNOWN_AGE, "{{host}}"),),
                "s",
                8,
                steps=limits(model, "UnknownOrder"),
                alerts=("UnknownOrder",),
            ),
            Picture(
                "lines",
                "Reconciliation P95",
                "Time of one comparison.",
                (Query(q.quantile(0.95, "trader_reconcile_seconds"), "{{host}}"),),
                "s",
                8,
            ),
        ),
    )


def _guards(model: Model) -> Row:
    armed = f"min by (host) (trader_dead_man_armed{{{q.CHOSEN}}})"
    left = f"min by (host) (trader_dead_man_seconds_left{{{q.CHOSEN}}})"
    return Row(
        "Guards",
        (
            Picture(
                "states",
                "Venue's own timer",
                "It cancels our orders when we stop to renew it; no data = the venue has none.",
                (Query(armed, "{{host}}"),),
                width=8,
                texts=YES_IS_GOOD,
            ),
            Picture(
                "lines",
                "Venue's timer runs for",
                "At least so long; no data = the venue has none.",
                (Query(left, "{{host}}"),),
                "s",
            ),
            Picture(
                "lines",
                "Clock against the venue's",
                "A request that is signed with a wrong time is refused.",
                (Query(q.CLOCK, "{{host}}"),),
                "s",
                steps=limits(model, "ClockSkew"),
                alerts=("ClockSkew",),
            ),
            Picture(
                "states",
                "Peers",
                "What each host sees of the others, in their order; a lost one is cancelled for.",
                (Query('max by (host, peer) (trader_peer_state{host=~"$host"})', "{{host}} sees {{peer}}"),),
                width=24,
                texts={
                    "0": ("seen", GREEN),
                    "1": ("stopped", ORANGE),
                    "2": ("in doubt", ORANGE),
                    "3": ("LOST", RED),
                },
            ),
            Picture(
                "states",
                "Journal",
                "Trading is halted while it cannot be written.",
                (Query(f"max by (host) (trader_journal_failed{{{q.CHOSEN}}})", "{{host}}"),),
                width=12,
                texts={"0": ("written", GREEN), "1": ("FAILED", RED)},
                alerts=("JournalFailed",),
            ),
            Picture(
                "lines",
                "Slippage",
                "Worst fill of the last five minutes against the quote at the decision, in basis points.",
                (Query(q.SLIPPAGE, "{{host}}"),),
                "none",
                12,
                steps=limits(model, "SlippageHigh"),
                alerts=("SlippageHigh",),
            ),
        ),
    )
