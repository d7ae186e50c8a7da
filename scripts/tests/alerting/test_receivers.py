"""What a person gets, and by which way: webhook, PagerDuty's shape and e-mail, from a real Alertmanager."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.alerting.conftest import Alertmanager, Catcher, free_port, until
from tests.alerting.test_inhibition import labels

pytestmark = pytest.mark.rules

SECRETS = {
    "page_token": "page-token-4711",
    "ticket_token": "ticket-token-4712",
    "page_routing_key": "routing-key-4713",
    "smtp_password": "smtp-password-4714",
    "deadman_token": "deadman-token-4715",
}


@pytest.fixture(autouse=True)
def secrets(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name, secret in SECRETS.items():
        (folder / name).write_text(secret)


class Mailbox:
    """An SMTP server on loopback that demands a login."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.port = free_port()
        self.controller = Controller(
            self, hostname="127.0.0.1", port=self.port, authenticator=self.login, auth_required=True,
            auth_require_tls=False, auth_exclude_mechanism=["LOGIN"],
        )  # fmt: skip

    def login(
        self, _server: object, _session: object, _envelope: object, _how: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=True)

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        self.mails.append(message_from_bytes(envelope.content))
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    box.controller.start()
    yield box
    box.controller.stop()


def hosts(message: dict[str, Any]) -> list[str]:
    return sorted(alert["labels"].get("host", "") for alert in message["body"]["alerts"])


# A login without TLS is on purpose: this is loopback.
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_every_way_carries_the_page_and_its_own_secret(
    start: Callable[..., Alertmanager], catcher: Catcher, mailbox: Mailbox
) -> None:
    server = start(
        alertmanager_page={
            "webhook": {"url": f"{catcher.url}/page", "token": "x"},
            "pagerduty": {"url": f"{catcher.url}/pd", "routing_key": "x"},
            "email": {"to": "oncall@example.org"},
        },
        alertmanager_ticket={"webhook": {"url": f"{catcher.url}/ticket", "token": "x"}},
        alertmanager_ticket_wait="1s",
        alertmanager_deadman_url=f"{catcher.url}/heartbeat",
        alertmanager_smtp={
            "smarthost": f"127.0.0.1:{mailbox.port}", "from": "breakwater@example.org",
            "username": "breakwater", "password": "x", "require_tls": False,
        },
    )  # fmt: skip
    server.fire(
        labels("KillSwitchTripped", host="trader-01"), labels("DiskLow", host="trader-02"), labels("Watchdog")
    )
    page = until(lambda: catcher.at("/page"), "the page")[0]
    assert page["auth"] == f"Bearer {SECRETS['page_token']}"
    assert page["body"]["status"] == "firing"
    assert page["body"]["alerts"][0]["labels"]["alertname"] == "KillSwitchTripped"
    incident = until(lambda: catcher.at("/pd"), "the incident")[0]["body"]
    assert incident["routing_key"] == SECRETS["page_routing_key"]
    assert incident["event_action"] == "trigger"
    assert incident["payload"]["severity"] == "critical"
    mail = until(lambda: mailbox.mails, "the mail")[0]
    assert "KillSwitchTripped" in mail["Subject"]
    assert mailbox.logins == [(b"breakwater", SECRETS["smtp_password"].encode())]
    ticket = until(lambda: catcher.at("/ticket"), "the ticket")[0]
    assert ticket["auth"] == f"Bearer {SECRETS['ticket_token']}"
    assert hosts(ticket) == ["trader-02"]
    heartbeat = until(lambda: catcher.at("/heartbeat"), "the heartbeat")[0]
    assert heartbeat["auth"] == f"Bearer {SECRETS['deadman_token']}"
    # Nothing went to anybody else.
    assert {message["path"] for message in catcher.messages} == {"/page", "/pd", "/ticket", "/heartbeat"}


def test_money_goes_host_by_host_and_the_rest_together(
    start: Callable[..., Alertmanager], catcher: Catcher
) -> None:
    server = start(alertmanager_page={"webhook": {"url": f"{catcher.url}/page"}})
    both = ("trader-01", "trader-02")
    server.fire(*(labels(name, host=host) for name in ("KillSwitchTripped", "TraderDown") for host in both))
    until(lambda: len(catcher.messages) == 3, "three pages")
    assert sorted(map(hosts, catcher.messages)) == [["trader-01"], ["trader-01", "trader-02"], ["trader-02"]]


def test_nothing_tells_that_it_is_over(start: Callable[..., Alertmanager], catcher: Catcher) -> None:
    server = start(alertmanager_page={"webhook": {"url": f"{catcher.url}/page"}})
    first, second = (labels("KillSwitchTripped", host=host) for host in ("trader-01", "trader-02"))
    server.fire(first)
    until(lambda: catcher.messages, "the page")
    server.fire(first, over=True)
    until(lambda: not server.states(), "it is over")
    # A later page shows that Alertmanager still sends.
    server.fire(second)
    until(lambda: len(catcher.messages) == 2, "the second page")
    assert [message["body"]["status"] for message in catcher.messages] == ["firing", "firing"]


def test_the_heartbeat_goes_on(start: Callable[..., Alertmanager], catcher: Catcher) -> None:
    server = start(
        alertmanager_page={"webhook": {"url": f"{catcher.url}/page"}},
        alertmanager_deadman_url=f"{catcher.url}/heartbeat",
        alertmanager_heartbeat_seconds=1,
    )
    began = time.monotonic()
    server.fire(labels("Watchdog"))
    until(lambda: len(catcher.at("/heartbeat")) >= 4, "four heartbeats")
    assert time.monotonic() - began < 12, "a heartbeat each second or two"
    assert catcher.at("/page") == []
