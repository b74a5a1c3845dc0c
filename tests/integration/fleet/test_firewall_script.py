# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the application's own firewall script leaves on ufw, firewalld and iptables: each fault is found by its id.

Each verdict equals real connects by both families, from another host and from the host itself; also after a reboot.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fleet.handle import Fleet

from integration.site.report import Report, newest

from .firewall.listeners import SERVED
from .site_under_test import WEEKLY

HERE = Path(__file__).resolve().parent / "firewall"
HOSTS = {"ufw1": "ufw", "fwd1": "firewalld", "ipt1": "iptables"}
LAYERS = {"ufw1": ["admin", "ufw"], "fwd1": ["admin", "firewalld"], "ipt1": ["admin"]}
NEIGHBOURS = {"ufw1": "fwd1", "fwd1": "ipt1", "ipt1": "ufw1"}  # who knocks at whom
INVENTORY = ["-i", str(HERE / "hosts.yml")]
LOOPBACK = {4: "127.0.0.1", 6: "::1"}

Row = dict[str, Any]


class Moment(NamedTuple):
    """What was reported at one moment, and for each row of the exposures of each host whether a word came back."""

    report: Report
    answered: dict[str, list[tuple[Row, bool]]]


class Lab:
    """Three hosts with what the script left on them."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet, self.folder = fleet, folder
        self.addresses = {host: self._addresses(host) for host in HOSTS}

    def _addresses(self, host: str) -> dict[int, str]:
        shown = json.loads(self.fleet.run(host, "ip", "-j", "address", "show", "dev", "eth0"))
        found = {"inet": 4, "inet6": 6}
        return {found[one["family"]]: one["local"] for one in shown[0]["addr_info"] if one["scope"] == "global"}

    def look(self) -> Moment:
        """Run the weekly firewall procedure as a user does, over ssh; then knock at each socket that it speaks of."""
        words = [*INVENTORY, "--tags", "W2.3"]
        done = self.fleet.playbook(WEEKLY, *words, environment={"CRYPTOBOT_TEST_REPORTS": str(self.folder)})
        assert done.returncode in (0, 2), done.stdout + done.stderr
        report = Report(newest(self.folder))
        return Moment(report, {host: self._knock(host, rows) for host, rows in self._exposures().items()})

    def _exposures(self) -> dict[str, list[Row]]:
        answers = self.folder / "answers"
        words = ["cryptobot", *INVENTORY, "-m", "cryptobot.maintenance.firewall_audit", "--tree", str(answers)]
        done = self.fleet.ansible("ansible", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return {host: json.loads((answers / host).read_text("utf-8"))["exposures"] for host in HOSTS}

    def _knock(self, host: str, rows: list[Row]) -> list[tuple[Row, bool]]:
        """Given the rows of a host, knock from its neighbour at what is for all, and from itself at loopback."""
        found = []
        for source, knocker in (("any", NEIGHBOURS[host]), ("loopback", host)):
            asked = [row for row in rows if row["source"] == source]
            addresses = self.addresses[host] if source == "any" else LOOPBACK
            targets = [(*target(row["socket"]), addresses[row["family"]]) for row in asked]
            said = self.fleet.run(knocker, "python3", "/opt/firewall/listeners.py", "knock", json.dumps(targets))
            found += list(zip(asked, json.loads(said)))
        return found


def target(socket: str) -> tuple[str, int]:
    """Given a listener as the report names it, return its protocol and port."""
    return socket.split(maxsplit=1)[0], int(socket.rpartition(":")[2])


def prepare(lab: Fleet, host: str) -> None:
    lab.push(host, HERE, "/opt/firewall")
    lab.run(host, "systemctl", "enable", "--now", "/opt/firewall/listeners.service")
    lab.run(host, "sh", "/opt/firewall/setup_firewall.sh", HOSTS[host])


@pytest.fixture(scope="module")
def lab(fleet: Callable[..., Fleet], tmp_path_factory: pytest.TempPathFactory) -> Lab:
    hosts = fleet(list(HOSTS), layers=LAYERS, groups={"cryptobot": list(HOSTS)})
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda host: prepare(hosts, host), HOSTS))
    return Lab(hosts, tmp_path_factory.mktemp("reports"))


@pytest.fixture(scope="module")
def running(lab: Lab) -> Moment:
    return lab.look()


@pytest.fixture(scope="module")
def rebooted(lab: Lab, running: Moment) -> Moment:
    done = lab.fleet.ansible("ansible", "cryptobot", "-m", "ansible.builtin.reboot", "-a", "post_reboot_delay=0")
    assert done.returncode == 0, done.stdout + done.stderr
    for host in HOSTS:
        assert lab.fleet.run(host, "systemctl", "is-system-running", "--wait") == "running\n"
    return lab.look()


FLAWS = [
    ("ufw1", "firewall.shadowed_rule", "ufw-user-input rule 10", "warning"),  # the allow behind its deny
    ("ufw1", "firewall.shadowed_rule", "ufw-user-input rule 11", "warning"),
    *(
        (host, "firewall.latent_opening", f"tcp/{port}", "warning")
        for host in HOSTS
        for port in (8010, 8020, 8030, 3000)
    ),
    ("ufw1", "firewall.expected_closed", "tcp/8000-8004", "critical"),  # 8002 to 8004 were never opened
    ("ufw1", "firewall.view_drift", "ufw", "ok"),
    ("ufw1", "firewall.boot", "next boot", "ok"),
    ("fwd1", "firewall.family_difference", "8000", "warning"),
    ("fwd1", "firewall.expected_closed", "tcp/8000-8004", "critical"),
    ("fwd1", "firewall.view_drift", "firewalld", "ok"),
    ("fwd1", "firewall.boot", "next boot", "ok"),
    ("ipt1", "firewall.inactive", "IPv6", "critical"),
    ("ipt1", "firewall.any_source_internal", "[::]:6379", "critical"),
    ("ipt1", "firewall.family_difference", "tcp/6379", "warning"),
    ("ipt1", "firewall.expected_closed", "tcp/8000-8004", "critical"),
    ("ipt1", "firewall.boot", "ip filter (iptables-nft)", "warning"),
]
GONE = [
    ("ipt1", "firewall.inactive", "IPv4", "critical"),  # as firewall.boot had said
    ("ipt1", "firewall.any_source_internal", "0.0.0.0:5432", "critical"),
    ("ipt1", "firewall.boot", "next boot", "skipped"),
]


@pytest.mark.parametrize(("host", "check", "subject", "status"), FLAWS)
def test_each_fault_of_the_script_is_found_by_its_id(
    running: Moment, host: str, check: str, subject: str, status: str
) -> None:
    assert status in running.report.statuses(host, check, subject), running.report.of(host, check)


@pytest.mark.parametrize(("host", "check", "subject", "status"), [flaw for flaw in FLAWS if flaw[0] != "ipt1"] + GONE)
def test_after_a_reboot_what_was_stored_is_found_again_and_the_rest_is_gone(
    rebooted: Moment, host: str, check: str, subject: str, status: str
) -> None:
    assert status in rebooted.report.statuses(host, check, subject), rebooted.report.of(host, check)


@pytest.mark.parametrize("host", HOSTS)
def test_each_verdict_equals_a_connect_from_a_neighbour_and_from_the_host_itself(running: Moment, host: str) -> None:
    assert wrong(running.answered[host]) == []


@pytest.mark.parametrize("host", HOSTS)
def test_each_verdict_equals_a_connect_after_a_reboot(rebooted: Moment, host: str) -> None:
    assert wrong(rebooted.answered[host]) == []


def wrong(answered: list[tuple[Row, bool]]) -> list[tuple[Row, bool]]:
    """Return the rows whose verdict the kernel contradicts, or that are not known; each socket is among them."""
    assert {target(row["socket"]) for row, _answer in answered} >= {(proto, port) for proto, _address, port in SERVED}
    return [(row, answer) for row, answer in answered if row["verdict"] != ("open" if answer else "filtered")]
