# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.shadow import find_shadows

from .recorded import facts
from .small import filter_table, ruleset

CASES = [
    (
        "a wide deny before a narrow allow",
        ["-p tcp --dport 5432 -j DROP", "-s 10.0.0.5 -p tcp --dport 5432 -j ACCEPT"],
        [(2, 1)],
    ),
    (
        "a wide allow before a narrow deny",
        ["-p tcp --dport 8000:8100 -j ACCEPT", "-s 192.0.2.0/24 -p tcp --dport 8050 -j REJECT"],
        [(2, 1)],
    ),
    ("a network before one of its addresses", ["-s 10.0.0.0/8 -j DROP", "-s 10.2.3.4 -j ACCEPT"], [(2, 1)]),
    ("everything before anything", ["-j DROP", "-p udp --dport 53 -j ACCEPT"], [(2, 1)]),
    (
        "a list of ports before one of them",
        ["-p tcp -m multiport --dports 80,443 -j DROP", "-p tcp --dport 443 -j ACCEPT"],
        [(2, 1)],
    ),
    ("an interface before a port of it", ["-i eth0 -j DROP", "-i eth0 -p tcp --dport 22 -j ACCEPT"], [(2, 1)]),
    ("the narrow one first", ["-s 10.0.0.5 -p tcp --dport 5432 -j ACCEPT", "-p tcp --dport 5432 -j DROP"], []),
    ("the same verdict", ["-p tcp --dport 22 -j ACCEPT", "-s 10.0.0.5 -p tcp --dport 22 -j ACCEPT"], []),
    ("another protocol", ["-p udp --dport 5432 -j DROP", "-p tcp --dport 5432 -j ACCEPT"], []),
    ("another interface", ["-i eth0 -j DROP", "-i eth1 -p tcp --dport 22 -j ACCEPT"], []),
    ("a part of the sources only", ["-s 10.0.0.0/16 -j DROP", "-s 10.0.0.0/8 -j ACCEPT"], []),
    ("established connections only", ["-m conntrack --ctstate ESTABLISHED -j ACCEPT", "-s 10.0.0.0/8 -j DROP"], []),
    ("a rate only", ["-m limit --limit 3/min -j DROP", "-p tcp --dport 22 -j ACCEPT"], []),
    ("a time of day only", ["-m time --timestart 08:00 -j DROP", "-p tcp --dport 22 -j ACCEPT"], []),
    ("all but some before some of all", ["! -s 10.0.0.0/8 -j DROP", "-s 192.0.2.1 -j ACCEPT"], [(2, 1)]),
    ("all but some before one of the some", ["! -s 10.0.0.0/8 -j DROP", "-s 10.0.0.1 -j ACCEPT"], []),
]


@pytest.mark.parametrize(("lines", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_rule_is_void_where_an_earlier_one_takes_all_its_packets_and_says_the_opposite(
    lines: list[str], expected: list[tuple[int, int]]
) -> None:
    found = find_shadows(ruleset(filter_table(*(f"-A INPUT {line}" for line in lines))))
    assert [(shadow.rule.where[-1], shadow.by.where[-1]) for shadow in found] == [
        (str(late), str(early)) for late, early in expected
    ]


def test_only_chains_on_the_way_to_a_socket_are_looked_at() -> None:
    lines = ["-A FORWARD -j DROP", "-A FORWARD -s 10.0.0.1 -j ACCEPT", "-A A -j DROP", "-A A -s 10.0.0.1 -j ACCEPT"]
    assert find_shadows(ruleset(filter_table(*lines, chains="FORWARD A"))) == []
    assert len(find_shadows(ruleset(filter_table("-A INPUT -j A", *lines, chains="FORWARD A")))) == 1


RECORDED = [
    (
        "ufw-g7",
        {("ufw-user-input rule 10", "ufw-user-input rule 8"), ("ufw-user-input rule 11", "ufw-user-input rule 9")},
    ),
    ("nft-shadowed", {("handle 4", "handle 3"), ("handle 6", "handle 5"), ("handle 8", "handle 7")}),
    ("nft-default-deny", set()),
    ("ufw-default", set()),
]


@pytest.mark.parametrize("system", ["debian-11", "debian-12", "debian-13"])
@pytest.mark.parametrize(("scenario", "expected"), RECORDED)
def test_recorded_rulesets_have_the_shadows_that_they_were_made_with(
    system: str, scenario: str, expected: set[tuple[str, str]]
) -> None:
    found = find_shadows(facts(system, scenario).ruleset)
    names = {
        tuple(" ".join(rule.where.split()[2:]).replace("input handle", "handle") for rule in (shadow.rule, shadow.by))
        for shadow in found
    }
    assert names == expected
