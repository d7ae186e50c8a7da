"""Tells the plan's webhooks what a person wants to know of a rollout: its start, a hold, a way back, its end.

A hook that does not answer never stops a rollout; it is noted in the journal.
"""

import http.client
import json
import urllib.error
import urllib.request
from typing import Literal

from ops.canary.record import Record

Moment = Literal["started", "held", "turning_back", "finished"]
_TIMEOUT_SECONDS = 3.0


def send(record: Record, moment: Moment, text: str) -> None:
    """Send one JSON object to each hook: rollout, inventory, release, moment, text.

    Args:
        record: the rollout.
        moment: what happened.
        text: one sentence about it.
    """
    plan = record.plan
    body = {
        "rollout": record.rollout,
        "inventory": plan.inventory,
        "release": plan.release,
        "moment": moment,
        "text": text,
    }
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for index, url in enumerate(plan.webhooks):
        request = urllib.request.Request(  # noqa: S310 - the schema takes http and https only
            url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with opener.open(request, timeout=_TIMEOUT_SECONDS):
                pass
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            # The address may hold a secret: it is named by its place in the plan.
            record.append("not_notified", hook=index, moment=moment, error=type(error).__name__)
