# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a policy means for each manager, as a table: what is there, what is wanted, what is to be called."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.policy import parse_policy
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_apply import firewalld, nftables, ufw
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_apply.declared import (
    Opening,
    Peer,
    Refused,
    openings,
)

TODAY = dt.date(2027, 1, 31)
PEER = Peer("10.0.0.9", 50000, 22)
SSH = Opening("tcp", 22, 22, "")
DATABASE = Opening("tcp", 5432, 5432, "10.0.0.0/8")
RANGE = Opening("udp", 9000, 9004, "fd00::/8")


def entry(port: str, *sources: str, **more: Any) -> dict[str, Any]:
    return {"port": port, "proto": "tcp", "from": list(sources), **more}


@pytest.mark.parametrize(
    ("entries", "peer", "expected"),
    [
        ([entry("22", "any")], PEER, ["tcp/22 from any"]),
        ([], PEER, ["tcp/22 from 10.0.0.9/32"]),
        ([], Peer("fd00::9", 5, 2222), ["tcp/2222 from fd00::9/128"]),
        ([entry("22", "10.0.0.0/8")], PEER, ["tcp/22 from 10.0.0.0/8"]),
        ([entry("22", "10.1.0.0/16")], PEER, ["tcp/22 from 10.0.0.9/32", "tcp/22 from 10.1.0.0/16"]),
        ([entry("22", "any", proto="udp")], PEER, ["tcp/22 from 10.0.0.9/32", "udp/22 from any"]),
        ([entry("20-30", "any")], PEER, ["tcp/20-30 from any"]),
        ([entry("23-30", "any")], PEER, ["tcp/22 from 10.0.0.9/32", "tcp/23-30 from any"]),
        ([entry("22", "any"), entry("22", "10.0.0.0/8")], PEER, ["tcp/22 from any"]),
        ([entry("22", "any"), entry("80", "loopback", "127.0.0.0/8", "::1")], PEER, ["tcp/22 from any"]),
        (
            [entry("22", "any"), entry("80", "loopback", "10.0.0.1")],
            PEER,
            ["tcp/22 from any", "tcp/80 from 10.0.0.1/32"],
        ),
        ([entry("22", "any"), entry("80", "any", expires="2027-01-30")], PEER, ["tcp/22 from any"]),
        ([entry("22", "any", expires="2027-01-30")], PEER, ["tcp/22 from 10.0.0.9/32"]),
        ([entry("22", "any", expires="2027-01-31")], PEER, ["tcp/22 from any"]),
    ],
)
def test_what_is_open_is_the_policy_of_today_and_the_connection_of_this_moment(
    entries: list[dict[str, Any]], peer: Peer, expected: list[str]
) -> None:
    assert [str(each) for each in openings(parse_policy(entries), TODAY, (peer,))] == expected


# --- ufw ---


def there(v4: str = "", v6: str = "", **more: Any) -> ufw.Ufw:
    def rules(family: int, text: str) -> tuple[ufw.Rule, ...]:
        return ufw.parse_rules(family, "".join(f"### tuple ### {line}\n" for line in text.splitlines()))

    state = {"enabled": True, "active": True, "at_boot": True, "ipv6": True, "default": "drop", **more}
    return ufw.Ufw(rules={4: rules(4, v4), 6: rules(6, v6)}, **state)


SSH4, SSH6 = "allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in", "allow tcp 22 ::/0 any ::/0 in"
ALLOW_SSH = {"rule": "allow", "proto": "tcp", "to_port": "22", "direction": "in"}


def gone(rule: str = "allow", **words: Any) -> dict[str, Any]:
    return {"rule": rule, "delete": True, "log": False, "direction": "in", **words}


@pytest.mark.parametrize(
    ("state", "wanted", "calls"),
    [
        (there(SSH4, SSH6), [SSH], []),
        (there(SSH4 + " comment=612062", SSH6), [SSH], []),
        (there(), [SSH], [ALLOW_SSH]),
        (there(SSH4), [SSH], [ALLOW_SSH]),
        (there(SSH4, ipv6=False), [SSH], []),
        (there(SSH4, SSH6, ipv6=False), [SSH], []),
        (there(SSH4, SSH6, enabled=False, active=False), [SSH], [{"state": "enabled"}]),
        (there(SSH4, SSH6, active=False), [SSH], [{"state": "enabled"}]),
        (there(SSH4, SSH6, default="accept"), [SSH], [{"default": "deny", "direction": "incoming"}]),
        (there(SSH4, SSH6, default="reject"), [SSH], []),
        (there(SSH4, SSH6, at_boot=False), [SSH], [{"unit": "ufw.service", "phase": "store"}]),
        (
            there(SSH4.replace("allow", "limit"), SSH6.replace("allow", "limit")),
            [SSH],
            [gone("limit", proto="tcp", to_port="22"), ALLOW_SSH],
        ),
        (there(SSH4, "", ipv6=True), [], [gone(proto="tcp", to_port="22", from_ip="0.0.0.0/0")]),
        (there(SSH4, SSH6), [], [gone(proto="tcp", to_port="22")]),
        (there("allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 OpenSSH - in"), [], [gone(name="OpenSSH")]),
        (there("allow_log any 7 0.0.0.0/0 any 10.0.0.1 in_eth0"), [], [
            {**gone(to_port="7", from_ip="10.0.0.1", interface="eth0"), "log": True}
        ]),
        (there("allow tcp 5432 0.0.0.0/0 any 10.0.0.0/8 in"), [DATABASE], []),
        (there("", "allow udp 9000:9004 ::/0 any fd00::/8 in"), [RANGE], []),
        (there(), [DATABASE._replace(source="10.0.0.7/32")], [
            {"rule": "allow", "proto": "tcp", "to_port": "5432", "from_ip": "10.0.0.7", "direction": "in"}
        ]),
        (there(), [SSH._replace(source="0.0.0.0/0")], [{**ALLOW_SSH, "from_ip": "0.0.0.0/0"}]),
        (there(SSH4), [SSH._replace(source="0.0.0.0/0")], []),
        (there(SSH4, SSH6), [SSH._replace(source="0.0.0.0/0")], [gone(proto="tcp", to_port="22", from_ip="::/0")]),
        (there("deny any 7 0.0.0.0/0 any 0.0.0.0/0 in\nallow any 53 0.0.0.0/0 any 0.0.0.0/0 out"), [], []),
        (there("route:allow any 80 0.0.0.0/0 any 0.0.0.0/0 in"), [], []),
    ],
)  # fmt: skip
def test_ufw_is_told_the_difference_and_nothing_else(state: ufw.Ufw, wanted: list[Opening], calls: list[dict]) -> None:
    assert [step.task for step in ufw.make_plan(state, wanted).steps] == calls


def test_ufw_rules_that_do_not_let_in_are_left_and_named() -> None:
    plan = ufw.make_plan(there("deny any 7 0.0.0.0/0 any 0.0.0.0/0 in", "deny any 7 ::/0 any ::/0 in"), [])
    assert plan.left == ("deny any/7 from any in",)


def test_ufw_without_ipv6_cannot_have_an_entry_of_ipv6() -> None:
    with pytest.raises(Refused, match="IPV6=no"):
        ufw.make_plan(there(ipv6=False), [RANGE])


def test_a_tuple_of_another_form_is_refused_not_skipped() -> None:
    with pytest.raises(Refused, match="another form"):
        ufw.parse_rules(4, "### tuple ### allow tcp 22 in\n")


# --- firewalld ---

ZONE = {"target": ("default",), "services": ("dhcpv6-client", "ssh")}
SERVICES = {"ssh": ("22/tcp",), "dhcpv6-client": ("546/udp",), "nfs": ("2049/tcp", "protocols=x")}
RICH = 'rule family="ipv4" source address="10.0.0.0/8" port port="5432" protocol="tcp" accept'


def zones(acts: dict[str, Any], stored: dict[str, Any], **more: Any) -> firewalld.Firewalld:
    state = {"running": True, "enabled": True, "zones": ("public",), "services": SERVICES, **more}
    return firewalld.Firewalld(acts={"public": acts}, stored={"public": stored}, **state)


def call(state: str, phase: str, **option: str) -> dict[str, Any]:
    return {**option, "zone": "public", "state": state, "phase": phase}


@pytest.mark.parametrize(
    ("acts", "stored", "wanted", "calls"),
    [
        (ZONE, ZONE, [SSH], []),
        (ZONE, ZONE, [SSH._replace(first=20, last=30)], [
            call("disabled", "load", service="ssh"), call("enabled", "load", port="20-30/tcp"),
            call("disabled", "store", service="ssh"), call("enabled", "store", port="20-30/tcp"),
        ]),
        ({**ZONE, "ports": ("22/tcp",)}, ZONE, [SSH], []),
        ({**ZONE, "ports": ("80/tcp",)}, ZONE, [SSH], [call("disabled", "load", port="80/tcp")]),
        (ZONE, {**ZONE, "services": ("nfs", "ssh")}, [SSH], [call("disabled", "store", service="nfs")]),
        ({**ZONE, "rich rules": (RICH,)}, {**ZONE, "rich rules": (RICH,)}, [SSH, DATABASE], []),
        ({**ZONE, "rich rules": (RICH,)}, ZONE, [SSH], [call("disabled", "load", rich_rule=RICH)]),
        ({**ZONE, "rich rules": (RICH.replace("accept", "drop"),)}, ZONE, [SSH], []),
        (ZONE, {**ZONE, "rich rules": (RICH,)}, [SSH, DATABASE], [call("enabled", "load", rich_rule=RICH)]),
    ],
)  # fmt: skip
def test_firewalld_is_told_the_difference_at_once_and_for_the_next_boot(
    acts: dict, stored: dict, wanted: list[Opening], calls: list[dict]
) -> None:
    assert [step.task for step in firewalld.make_plan(zones(acts, stored), wanted).steps] == calls


def test_firewalld_is_started_first_and_enabled_last() -> None:
    steps = firewalld.make_plan(zones({}, {}, running=False, enabled=False), [SSH]).steps
    assert [(step.action, step.task["phase"]) for step in steps] == [
        ("start", "load"),
        ("allow", "load"),
        ("allow", "store"),
        ("enable", "store"),
    ]


def test_a_zone_that_accepts_everything_is_named_and_never_the_only_one() -> None:
    open_zone = {"target": ("ACCEPT",)}
    with pytest.raises(Refused, match="accepts everything"):
        firewalld.make_plan(zones(open_zone, open_zone), [SSH])


def test_what_is_not_stored_is_told_apart_and_interfaces_are_not() -> None:
    text = (
        "public (active)\n  target: default\n  interfaces: eth0\n  services: b a\n  rich rules:\n\trule x\n\trule y\n"
    )
    acts = firewalld.parse_zones(text)
    assert acts["public"]["services"] == ("a", "b")
    assert acts["public"]["rich rules"] == ("rule x", "rule y")
    stored = firewalld.parse_zones(text.replace("eth0", "").replace("\trule y\n", ""))
    assert firewalld.unstored(firewalld.Firewalld(True, True, ("public",), acts, stored, {})) == ("public rich rules",)
    assert firewalld.unstored(firewalld.Firewalld(True, True, ("public",), acts, acts, {})) == ()


# --- nftables ---


def nft(**more: Any) -> nftables.Nftables:
    text = nftables.ruleset([SSH])
    whole = {
        "acts": "x",
        "wanted": "x",
        "stored": text,
        "included": True,
        "enabled": True,
        "main": "/etc/main",
    }
    return nftables.Nftables(**{**whole, **more})


@pytest.mark.parametrize(
    ("state", "actions"),
    [
        (nft(), []),
        (nft(acts=""), ["load"]),
        (nft(acts="y"), ["load"]),
        (nft(stored=""), ["store"]),
        (nft(included=False), ["include"]),
        (nft(enabled=False), ["enable"]),
        (nft(acts="", stored="", included=False, enabled=False), ["load", "store", "include", "enable"]),
    ],
)
def test_nftables_changes_what_differs(state: nftables.Nftables, actions: list[str]) -> None:
    steps = nftables.make_plan(state, nftables.ruleset([SSH]), [SSH]).steps
    assert [step.action for step in steps] == actions
    assert [step.task["phase"] for step in steps] == ["load" if step.action == "load" else "store" for step in steps]


def test_the_table_drops_by_default_and_has_a_rule_for_each_opening() -> None:
    text = nftables.ruleset([SSH, DATABASE, RANGE])
    assert "policy drop;" in text
    rules = [line.strip() for line in text.splitlines() if "dport" in line]
    assert rules[-3:] == [
        "tcp dport 22 accept",
        "ip saddr 10.0.0.0/8 tcp dport 5432 accept",
        "ip6 saddr fd00::/8 udp dport 9000-9004 accept",
    ]
