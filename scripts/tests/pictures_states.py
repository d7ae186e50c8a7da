"""Two fleets: one in which nothing is wrong, and one in which much is."""

from tests.pictures_series import Fleet, healthy, latency, release


def well() -> Fleet:
    """Nothing is wrong."""
    fleet = healthy()
    fleet.recorded = {
        f'host:daily_loss:share{{host="{host}"}}': 0.05 for job, host in fleet.series if job == "trader"
    }
    return fleet


def ill() -> Fleet:
    """Much is wrong.

    trader-02 is tripped and has drifted, trader-03 is slow, loses and runs another release, trader-04 is
    gone, and the disk of vault-01 fills.
    """
    fleet = well()
    fleet.change(
        "trader",
        "trader-02",
        trader_trading_state=0,
        trader_latch_tripped=1,
        trader_reconcile_drift_usd=250.5,
    )
    fleet.change("node", "trader-02", trader_latch_tripped=1, trader_state_drift_usd=250.5)
    fleet.change("trader", "trader-03", trader_daily_pnl_usd=-124)
    fleet.change("node", "trader-03", trader_state_daily_loss_share=0.62)
    slow = fleet.series["trader", "trader-03"]
    slow |= latency(0.5, 0.2)
    slow[release("1.5.0", "0f1e2d3c4b5a6978")] = slow.pop(release("1.4.0", "a1b2c3d4e5f60718"))
    fleet.recorded['host:daily_loss:share{host="trader-03"}'] = 0.62
    fleet.silent = frozenset({("trader", "trader-04"), ("node", "trader-04")})
    fleet.change("node", "vault-01", node_filesystem_avail_bytes=10)
    return fleet
