#!/usr/bin/python3
"""Ansible module: how far this host's clock is from the venue's, with the doubt of the measurement.

What happened on a host and what happened at the venue can be compared no better than the two clocks agree.
Changes nothing.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: venue_clock
short_description: Measure the difference between a host's clock and the venue's
options:
  url: {type: str, required: true, description: "The venue's time, such as https://api.venue.lab:8443/api/v3/time."}
  authority: {type: path, description: "PEM file of the authority that signed the venue's certificate."}
  times: {type: int, default: 5, description: "How often it is asked; the quickest answer counts."}
"""


def difference(asked_ns: int, answered_ns: int, venue_ms: int) -> float:
    """The largest difference that one answer allows, in seconds.

    The venue cuts its time to whole milliseconds and gave it at some moment between question and answer.
    """
    earliest = (venue_ms * 10**6 - answered_ns) / 1e9
    latest = ((venue_ms + 1) * 10**6 - asked_ns) / 1e9
    return max(abs(earliest), abs(latest))


def measure(url: str, authority: str | None, times: int) -> float:
    """Ask over one connection, so that its making is not measured."""
    parts = urlsplit(url)
    trust = ssl.create_default_context(cafile=authority)
    connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=10, context=trust)
    connection.connect()
    found = []
    for _ in range(times):
        asked_ns = time.time_ns()
        connection.request("GET", parts.path)
        venue_ms = json.loads(connection.getresponse().read())["serverTime"]
        found.append(difference(asked_ns, time.time_ns(), int(venue_ms)))
    connection.close()
    return min(found)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "authority": {"type": "path"},
            "times": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        seconds = measure(given["url"], given["authority"], given["times"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        module.fail_json(msg=f"{given['url']}: the venue's clock cannot be read: {error}")
    module.exit_json(changed=False, difference_seconds=round(seconds, 6))


if __name__ == "__main__":
    main()
