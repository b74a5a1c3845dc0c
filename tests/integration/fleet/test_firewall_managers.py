# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Managers of rules on real hosts: what was done behind their back is found, and the remedy, pasted, mends it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fleet.handle import Fleet

HOSTS = {"ufw1": ["admin", "ufw"], "fwd1": ["admin", "firewalld"], "nft1": ["admin"]}
PREPARED = {
    "ufw1": "ufw --force enable && ufw allow 22/tcp && ufw deny 9 && ufw allow 9/tcp",
    "fwd1": "firewall-cmd --permanent --add-port=8000/tcp && firewall-cmd --reload",
    "nft1": (
        "printf 'flush ruleset\\ntable inet filter {\\n chain input {\\n type filter hook input priority 0\\n"
        " policy drop\\n ct state {established, related} accept\\n iif lo accept\\n"
        " tcp dport {ssh, 80} accept\\n }\\n}\\n' > /etc/nftables.conf && systemctl enable --now nftables"
    ),
}
DRIFT, BOOT = "firewall.view_drift", "firewall.boot"


class Deed(NamedTuple):
    """What somebody does on a host; and each finding of it: check, subject, status, a word of its message."""

    command: str
    found: list[tuple[str, str, str, str]]


# Several deeds for each host in each round, because one look at all hosts costs as much as a look at one.
ROUNDS: list[dict[str, Deed]] = [
    {
        "ufw1": Deed(
            "iptables -I INPUT -p tcp --dport 5432 -j ACCEPT; systemctl disable ufw",
            [(DRIFT, "ufw", "warning", "before ufw's chains"), (BOOT, "ufw", "warning", "ufw.service is not enabled")],
        ),
        "fwd1": Deed(
            "firewall-cmd --add-port=9999/tcp; systemctl disable firewalld",
            [
                (DRIFT, "firewalld", "warning", "9999/tcp runs and is not permanent"),
                (BOOT, "firewalld", "warning", "gone at the next boot"),
            ],
        ),
        "nft1": Deed(
            "nft add rule inet filter input tcp dport 9 accept; systemctl disable nftables",
            [
                (DRIFT, "nftables.service", "warning", "tcp dport 9 accept"),
                (BOOT, "inet filter (nft)", "warning", "gone at the next boot"),
            ],
        ),
    },
    {
        "ufw1": Deed(
            "iptables -P INPUT ACCEPT; iptables -D ufw-user-input -p tcp --dport 9 -j DROP; "
            "iptables -A ufw-user-input -p tcp --dport 9 -j DROP",
            [
                (DRIFT, "ufw", "warning", "the policy of ip INPUT is ACCEPT"),
                (DRIFT, "ufw", "warning", "the order of ip filter ufw-user-input is another"),
            ],
        ),
        "fwd1": Deed(
            "firewall-cmd --zone=trusted --change-interface=eth0; "
            "firewall-cmd --direct --add-rule ipv4 filter INPUT 0 -p tcp --dport 7 -j ACCEPT",
            [
                (DRIFT, "firewalld", "warning", "trusted: interfaces eth0 runs and is not permanent"),
                (DRIFT, "firewalld", "warning", "direct rule ipv4 filter INPUT 0 -p tcp --dport 7"),
            ],
        ),
        "nft1": Deed(
            "nft chain inet filter input '{ policy accept; }'; nft add table inet own; nft add chain inet own c "
            "'{ type filter hook input priority 9; }'; nft add rule inet own c tcp dport 9 drop",
            [
                (DRIFT, "nftables.service", "warning", "policy accept"),
                (BOOT, "inet own (nft)", "warning", "nftables.conf lacks it"),
            ],
        ),
    },
    {
        "ufw1": Deed(
            "iptables -P INPUT ACCEPT; iptables -F INPUT", [(DRIFT, "ufw", "critical", "does not lead to ufw's chains")]
        ),
        "fwd1": Deed(
            "systemctl stop firewalld", [(DRIFT, "firewalld", "critical", "the kernel does not hold its rules")]
        ),
        "nft1": Deed(
            "nft flush ruleset", [(DRIFT, "nftables.service", "critical", "the kernel does not hold its rules")]
        ),
    },
]

Findings = dict[str, list[dict[str, Any]]]


class Lab:
    """Three hosts, each with a manager that is in force."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet, self.folder = fleet, folder

    def look(self) -> Findings:
        """Return by host what is found."""
        words = ["all", "-m", "cryptobot.maintenance.firewall_audit", "--tree", str(self.folder)]
        done = self.fleet.ansible("ansible", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return {host: json.loads((self.folder / host).read_text("utf-8"))["findings"] for host in HOSTS}

    def do(self, commands: dict[str, str]) -> None:
        for host, command in commands.items():
            self.fleet.run(host, "sh", "-c", command)


@pytest.fixture(scope="module")
def lab(fleet: Callable[..., Fleet], tmp_path_factory: pytest.TempPathFactory) -> Lab:
    made = Lab(fleet(list(HOSTS), layers=HOSTS), tmp_path_factory.mktemp("answers"))
    made.do(PREPARED)
    return made


def of_managers(found: Findings) -> list[tuple[str, str, str]]:
    """Return what is not as it should be, of the two rules about managers."""
    return [
        (host, one["status"], one["message"])
        for host, findings in found.items()
        for one in findings
        if one["check"] in (DRIFT, BOOT) and one["status"] != "ok"
    ]


def test_what_was_just_set_up_is_in_force_and_loaded_at_the_next_boot(lab: Lab) -> None:
    assert of_managers(lab.look()) == []


@pytest.mark.parametrize("deeds", ROUNDS, ids=[deeds["ufw1"].command for deeds in ROUNDS])
def test_a_deed_behind_a_managers_back_is_found_and_its_remedy_mends_it(lab: Lab, deeds: dict[str, Deed]) -> None:
    lab.do({host: deed.command for host, deed in deeds.items()})
    found = lab.look()
    remedies: dict[str, list[str]] = {host: [] for host in deeds}
    for host, deed in deeds.items():
        for check, subject, status, word in deed.found:
            (finding,) = [one for one in found[host] if (one["check"], one["subject"]) == (check, subject)]
            assert (finding["status"], word in finding["message"]) == (status, True), finding
            remedies[host].append(finding["remedy"].rpartition(": ")[2])
    lab.do({host: "; ".join(dict.fromkeys(commands)) for host, commands in remedies.items()})
    assert of_managers(lab.look()) == [], remedies
