"""The console pages, served by a real Prometheus and read in a real browser.

Pictures of them go to var/pictures.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ops import paths
from ops.slo.model import Model
from tests import browser
from tests.page import Page
from tests.pictures_fleet import ROLE, RUNBOOKS, Running, console_task, consoles, get, prometheus
from tests.pictures_series import TRADERS
from tests.pictures_states import well

pytestmark = pytest.mark.rules

PICTURES = paths.VAR / "pictures"
ALL = (
    "index.html",
    "host.html?host=trader-01",
    "host.html?host=trader-04",
    "host.html?host=vault-01",
    "host.html",
)


def read(running: Running, page: str, profile: Path) -> str:
    """The text of a page as the browser shows it, without its style."""
    document = browser.dump(f"{running.url}/consoles/{page}", profile)
    markup = re.sub(r"<style>.*?</style>|<!DOCTYPE.*?>", "", document, flags=re.DOTALL | re.IGNORECASE)
    return " ".join(Page(markup).text.split())


def row(running: Running, host: str, profile: Path) -> str:
    """The text of a host's row in the table of trading hosts."""
    text = read(running, "index.html", profile).partition("Trading hosts")[2].partition("Objectives")[0]
    return text.partition(f"{host} ")[2].partition("trader-")[0]


@pytest.mark.parametrize("page", ALL)
def test_every_page_is_served_in_both_fleets(well_fleet: Running, ill_fleet: Running, page: str) -> None:
    for running in (well_fleet, ill_fleet):
        status, text = get(f"{running.url}/consoles/{page}")
        assert status == 200, text
        # Nothing is loaded from elsewhere, and nothing is left to fill in.
        assert not re.search(r"<script|src=|@import|url\(", text)
        assert not re.search(r"\[\[|\]\]|\{\{|<no value>|NaN|%!", text)


def test_the_fleet_in_which_nothing_is_wrong(well_fleet: Running, profile: Path) -> None:
    text = read(well_fleet, "index.html", profile)
    assert "Nothing fires." in text
    assert "Hosts that trade 4 of 4" in text
    assert "Old data" not in text
    assert "opacity" not in get(f"{well_fleet.url}/consoles/index.html")[1]
    assert "No data" not in text
    assert "heartbeat" not in text
    for host in TRADERS:
        line = row(well_fleet, host, profile) if host == TRADERS[0] else text.partition("Trading hosts")[2]
        assert host in text
        assert "active armed none 5% 0.00" in line
    assert "1.4.0 a1b2c3d4e5f6" in text
    assert "no data" not in text
    assert "P95 below 100 ms 100% 0%" in text


def test_the_fleet_in_which_much_is_wrong(ill_fleet: Running, profile: Path) -> None:
    text = read(ill_fleet, "index.html", profile)
    assert re.search(r"\d+ pages fire: somebody is called", text)
    assert "Hosts that trade 2 of 4" in text
    assert "Without an answer 1" in text
    assert "Kill switches tripped 1" in text
    assert "Releases 2 differ" in text
    alerts = text.partition("Alerts that fire")[2].partition("Trading hosts")[0]
    assert "page KillSwitchTripped trader-02 risk" in alerts
    assert "page HostMissing trader-04" in alerts
    assert "ticket ReleaseSkew fleet rollout" in alerts
    assert alerts.rindex(" page ") < alerts.index(" ticket ")
    assert "vault-01 seen 1 ticket 10% low" in text
    tripped, losing, gone = (row(ill_fleet, host, profile) for host in TRADERS[1:])
    assert "halted TRIPPED" in tripped
    assert "250.50 not explained" in tripped
    assert "62% over 50 %" in losing
    assert "ms over the objective" in losing
    assert "1.5.0" in losing
    assert re.search(r"no answer for 1[0-9]m .* what it told last is 1[0-9]m", gone)
    # What it said last is told, and told as old; what only a running service knows is not made up.
    assert "armed last known" in gone
    assert "5% last known" in gone
    assert gone.count("no data") == 4
    assert "too long" in gone


def test_the_page_of_a_host(well_fleet: Running, ill_fleet: Running, profile: Path) -> None:
    text = read(well_fleet, "host.html?host=trader-01", profile)
    for part in (
        "State active",
        "Kill switch armed",
        "Machine seen",
        "Release 1.4.0",
        "Started 1d 0h ago",
        "Acknowledged in an hour 1",
    ):
        assert part in text, part
    assert "Loss of the day 5%" in text
    assert "highest 5.0 % now 5.0 %" in text
    assert "Disk left at / 50%" in text
    assert "Certificate venue ends in" in text
    assert "/run" not in text
    text = read(ill_fleet, "host.html?host=trader-04", profile)
    assert "State no answer" in text
    assert "Machine not seen" in text
    assert "Processors at work no data" in text
    text = read(well_fleet, "host.html?host=vault-01", profile)
    assert "Disk left at / 50%" in text
    assert "Kill switch" not in text


def test_alerts_link_to_their_runbooks(ill_fleet: Running) -> None:
    _, text = get(f"{ill_fleet.url}/consoles/index.html")
    assert f'href="{RUNBOOKS}/KillSwitchTripped.md"' in text


def test_a_host_that_nobody_knows(well_fleet: Running) -> None:
    status, text = get(f"{well_fleet.url}/consoles/host.html?host=%3Cb%3E%22%7D%20or%20up%3C%2Fb%3E")
    assert status == 200
    assert "The inventory has no host &lt;b&gt;&#34;} or up&lt;/b&gt;" in text
    assert 'href="host.html?host=trader-01"' in text


def test_rules_that_do_not_run(model: Model, tmp_path: Path) -> None:
    with prometheus(well(), model, tmp_path, rules=False) as running:
        _, text = get(f"{running.url}/consoles/index.html")
        assert "No data: the rules have not run for five minutes." in text
        assert "The heartbeat of the alerts is missing" in text
        assert "Nothing fires." not in text


def test_rules_that_ran_some_minutes_ago(model: Model, tmp_path: Path) -> None:
    fleet = well()
    fleet.recorded |= {f'expected_target{{job="trader",host="{host}"}}': 1 for host in TRADERS}
    fleet.recorded_until = 180
    with prometheus(fleet, model, tmp_path, rules=False) as running:
        _, text = get(f"{running.url}/consoles/index.html")
        assert re.search(r"Old data: the rules last ran [34]m \d+s ago", text)
        assert "opacity" in text
        assert "Nothing fires." not in text


def test_pictures(well_fleet: Running, ill_fleet: Running, profile: Path) -> None:
    """Light and dark, on a desk and on a phone: for a person to look at."""
    views = (
        ("desk", 1280, 1500, browser.LIGHT),
        ("desk-dark", 1280, 1500, browser.DARK),
        ("phone", 400, 3400, browser.LIGHT),
    )
    for running, name in ((well_fleet, "well"), (ill_fleet, "ill")):
        for page in ("index.html", "host.html?host=trader-02"):
            for view, width, height, scheme in views:
                target = PICTURES / f"{name}-{page.partition('.')[0]}-{view}.png"
                browser.screenshot(f"{running.url}/consoles/{page}", profile, target, width, height, scheme)
                assert target.stat().st_size > 20_000, target
    light, dark = (PICTURES / f"well-index-{view}.png" for view in ("desk", "desk-dark"))
    assert light.read_bytes() != dark.read_bytes()


def test_the_role_writes_the_same_pages(model: Model, tmp_path: Path) -> None:
    """Ansible itself fills in the templates: delimiters, thresholds from slo.yml."""
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for folder in (mine, theirs / "consoles", theirs / "console_libraries"):
        folder.mkdir(parents=True)
    consoles(mine, model)
    task = console_task()
    task["ansible.builtin.template"]["src"] = f"{ROLE}/templates/consoles/{{{{ item.src }}}}"
    task["ansible.builtin.template"]["dest"] = f"{theirs}/{{{{ item.dest }}}}"
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(ROLE / "vars" / "main.yml")],
        "tasks": [task],
    }
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump([play]))
    given = {
        "role_path": str(ROLE),
        "prometheus_runbook_base_url": RUNBOOKS,
        "ansible_python_interpreter": sys.executable,
    }
    ansible = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [ansible, "-i", "localhost,", "-c", "local", "-e", json.dumps(given), playbook],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_HOME": str(tmp_path / "home")},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for item in task["loop"]:
        assert (theirs / item["dest"]).read_text().strip() == (mine / item["dest"]).read_text().strip(), item[
            "dest"
        ]
