# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Side effects on a real network namespace: each is found by its id, and is gone when it is undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .lab import Lab

RULES = """
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        iif "lo" accept
        ct state established,related accept
        meta l4proto ipv6-icmp accept
        tcp dport 22 accept
        tcp dport 23 drop
    }
}
"""
POLICY = [
    {"port": 22, "from": ["any"], "service": "sshd"},
    {"port": 8000, "from": ["loopback"], "service": "auth"},
    {"port": 9100, "from": ["10.0.0.0/8"], "service": "exporter", "required": False},
]
PORTS = [("tcp", 22), ("tcp", 8000)]


def statuses(lab: Lab, check: str, **options: Any) -> dict[str, str]:
    found = lab.audit(**{"policy": POLICY, "own_users": [], **options})["findings"]
    return {finding["subject"]: finding["status"] for finding in found if finding["check"] == f"firewall.{check}"}


def nft(*words: str) -> Callable[[Lab], None]:
    def act(lab: Lab) -> None:
        lab.run("nft", *words)

    return act


def serve(*more: tuple[str, int]) -> Callable[[Lab], None]:
    def act(lab: Lab) -> None:
        lab.stop_serving()
        lab.serve(*PORTS, *more)

    return act


def both(*acts: Callable[[Lab], None]) -> Callable[[Lab], None]:
    def act(lab: Lab) -> None:
        for one in acts:
            one(lab)

    return act


def load(lab: Lab) -> None:
    lab.run("nft", "flush", "ruleset")
    lab.run("nft", "-f", "-", stdin=RULES)


def legacy(*words: str) -> Callable[[Lab], None]:
    def act(lab: Lab) -> None:
        lab.run("iptables-legacy", *words)

    return act


INSERT = ("insert", "rule", "inet", "filter", "input")
ADD = ("add", "rule", "inet", "filter", "input")
EFFECTS = [
    (
        "unexpected_open",
        both(serve(("tcp", 9999)), nft(*ADD, "tcp", "dport", "9999", "accept")),
        both(serve(), load),
        {"tcp 0.0.0.0:9999": "critical", "tcp [::]:9999": "critical"},
    ),
    (
        "unexpected_open",
        both(serve(("tcp", 9100)), nft(*ADD, "tcp", "dport", "9100", "accept")),
        both(serve(), load),
        {"tcp 0.0.0.0:9100": "critical", "tcp [::]:9100": "critical"},
    ),
    ("expected_closed", nft(*INSERT, "tcp", "dport", "22", "drop"), load, {"tcp/22 (sshd) from any": "critical"}),
    (
        "expected_closed",
        nft(*INSERT, "tcp", "dport", "8000", "drop"),
        load,
        {"tcp/8000 (auth) from loopback": "critical"},
    ),
    ("inactive", nft("flush", "ruleset"), load, {"IPv4": "critical", "IPv6": "critical"}),
    (
        "default_deny",
        nft("add", "chain", "inet", "filter", "input", "{ policy accept; }"),
        load,
        {"IPv4": "warning", "IPv6": "warning"},
    ),
    (
        "family_difference",
        nft(*INSERT, "meta", "nfproto", "ipv6", "tcp", "dport", "22", "drop"),
        load,
        {"tcp/22": "warning"},
    ),
    (
        "backends",
        legacy("-A", "INPUT", "-p", "tcp", "--dport", "23", "-j", "DROP"),
        legacy("-F"),
        {"kernel rules": "warning"},
    ),
    ("shadowed_rule", nft(*ADD, "ip", "saddr", "10.0.0.5", "tcp", "dport", "22", "drop"), load, {"handle": "warning"}),
    (
        "any_source_internal",
        both(serve(("tcp", 5432)), nft(*ADD, "tcp", "dport", "5432", "accept")),
        both(serve(), load),
        {"tcp 0.0.0.0:5432": "critical", "tcp [::]:5432": "critical"},
    ),
]


@pytest.mark.parametrize(
    ("check", "harm", "heal", "expected"), EFFECTS, ids=[f"{effect[0]}-{place}" for place, effect in enumerate(EFFECTS)]
)
def test_a_side_effect_is_found_by_its_id_and_gone_when_it_is_undone(
    lab: Lab, check: str, harm: Callable[[Lab], None], heal: Callable[[Lab], None], expected: dict[str, str]
) -> None:
    load(lab)
    lab.serve(*PORTS)
    assert set(statuses(lab, check).values()) == {"ok"}
    harm(lab)
    bad = {subject: status for subject, status in statuses(lab, check).items() if status != "ok"}
    assert {("handle" if "handle" in subject else subject): status for subject, status in bad.items()} == expected
    heal(lab)
    assert set(statuses(lab, check).values()) == {"ok"}


def test_an_entry_that_expires_becomes_a_finding_and_lets_nobody_in(lab: Lab) -> None:
    load(lab)
    lab.serve(*PORTS)
    expired = [{**POLICY[0], "expires": "2020-01-01"}, POLICY[1]]
    assert statuses(lab, "policy_expired", policy=expired) == {"tcp/22 (sshd) from any": "warning"}
    assert set(statuses(lab, "unexpected_open", policy=expired).values()) == {"critical"}
    assert set(statuses(lab, "policy_expired").values()) == {"ok"}


def test_a_socket_names_the_process_that_holds_it(lab: Lab) -> None:
    load(lab)
    lab.serve(*PORTS)
    sockets = lab.audit(policy=POLICY)["sockets"]
    assert [(one["address"], one["port"], "python" in one["exe"][0]) for one in sockets] == [
        ("0.0.0.0", 22, True),
        ("::", 22, True),
        ("0.0.0.0", 8000, True),
        ("::", 8000, True),
    ]


def test_an_account_without_rights_says_what_it_cannot_see(lab: Lab) -> None:
    load(lab)
    lab.serve(*PORTS)
    result = lab.audit(policy=POLICY, _account=65534)
    unknown = {finding["check"] for finding in result["findings"] if finding["status"] == "unknown"}
    assert {"firewall.rules_visible", "firewall.blind", "firewall.expected_closed"} <= unknown
    assert not [finding for finding in result["findings"] if finding["status"] == "critical"]


def test_looking_loads_nothing_and_changes_nothing(lab: Lab) -> None:
    load(lab)
    before = lab.run("nft", "-a", "list", "ruleset")
    assert lab.run("cat", "/proc/net/ip_tables_names") == ""
    first, second = lab.audit(policy=POLICY), lab.audit(policy=POLICY)
    assert first == second
    assert (lab.run("nft", "-a", "list", "ruleset"), lab.run("cat", "/proc/net/ip_tables_names")) == (before, "")


def test_without_nft_the_kernel_itself_says_that_there_are_no_rules_or_that_they_are_not_seen(lab: Lab) -> None:
    hidden = {"policy": POLICY, "_bare": True}
    empty = {finding["check"]: finding["status"] for finding in lab.audit(**hidden)["findings"]}
    assert (empty["firewall.rules_visible"], empty["firewall.backends"]) == ("ok", "ok")
    load(lab)
    (seen,) = [finding for finding in lab.audit(**hidden)["findings"] if finding["check"] == "firewall.rules_visible"]
    assert (seen["status"], "the kernel has the nf_tables tables inet filter" in seen["message"]) == ("unknown", True)
