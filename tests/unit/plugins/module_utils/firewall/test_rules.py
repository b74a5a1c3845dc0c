# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each rule of the audit on hosts made for it: the bad state first, then the good one."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall import rules_hygiene, rules_openings
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.context import Context
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.network import Network
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import LEGACY, Ruleset
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.run import RULES
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.snapshot import Boot, Manager

from .audits import DENY, ESTABLISHED, MAYBE, NOT_SEEN, OPEN_ALL, allow, audit, found, only, opening, socket
from .small import HOST, OWN4, filter_table, ruleset

LINK_LOCAL_ONLY = HOST._replace(addresses={4: (OWN4,), 6: (0xFE80 << 112 | 5,)})
CASES: list[tuple[str, Context, list[tuple[str, str]]]] = [
    # the rules of the kernel
    ("rules_visible", audit(NOT_SEEN), [("unknown", "kernel rules")]),
    ("rules_visible", audit(), [("ok", "kernel rules")]),
    ("blind", audit(unavailable={"socket owners": "not root"}), [("unknown", "socket owners")]),
    ("blind", audit(), [("ok", "sight")]),
    ("inactive", audit(OPEN_ALL), [("critical", "IPv4"), ("critical", "IPv6")]),
    (
        "inactive",
        audit(ruleset(filter_table("-A INPUT -p tcp --dport 22 -j ACCEPT", policy="ACCEPT"))),
        [("critical", "IPv4"), ("critical", "IPv6")],
    ),
    ("inactive", audit(ruleset(filter_table())), [("ok", "IPv4"), ("critical", "IPv6")]),
    (
        "inactive",
        audit(ruleset(filter_table("-A INPUT -j A", "-A A -s 192.0.2.1 -j DROP", policy="ACCEPT", chains="A"))),
        [("ok", "IPv4"), ("critical", "IPv6")],
    ),
    ("inactive", audit(OPEN_ALL, require_filter=False), [("skipped", "IPv4"), ("skipped", "IPv6")]),
    ("inactive", audit(OPEN_ALL, network=HOST._replace(addresses={4: (OWN4,), 6: ()})), [("critical", "IPv4")]),
    ("inactive", audit(OPEN_ALL, network=Network({4: (), 6: ()}, {4: {}, 6: {}})), [("skipped", "IPv4")]),
    ("inactive", audit(ruleset(filter_table()), network=LINK_LOCAL_ONLY), [("ok", "IPv4"), ("warning", "IPv6")]),
    ("inactive", audit(NOT_SEEN), []),
    ("inactive", audit(), [("ok", "IPv4"), ("ok", "IPv6")]),
    (
        "default_deny",
        audit(ruleset(filter_table("-A INPUT -p tcp --dport 23 -j DROP", policy="ACCEPT"), filter_table())),
        [("warning", "IPv4"), ("ok", "IPv6")],
    ),
    ("default_deny", audit(opening("-p tcp --dport 1024:65535 -j ACCEPT")), [("warning", "IPv4"), ("warning", "IPv6")]),
    ("default_deny", audit(opening(f"{MAYBE} -j ACCEPT")), [("unknown", "IPv4"), ("unknown", "IPv6")]),
    ("default_deny", audit(OPEN_ALL), [("skipped", "IPv4"), ("skipped", "IPv6")]),
    (
        "default_deny",
        audit(
            ruleset(filter_table("-A INPUT -p tcp --dport 23 -j DROP", policy="ACCEPT"), filter_table()),
            require_filter=False,
        ),
        [("skipped", "IPv4"), ("ok", "IPv6")],
    ),
    ("default_deny", audit(), [("ok", "IPv4"), ("ok", "IPv6")]),
    # sockets beside the policy
    ("unexpected_open", audit(OPEN_ALL, [socket()]), [("critical", "tcp 0.0.0.0:8000")]),
    ("unexpected_open", audit(OPEN_ALL, [socket("::")]), [("critical", "tcp [::]:8000")]),
    ("unexpected_open", audit(OPEN_ALL, [socket("127.0.0.1"), socket("::1")]), [("ok", "listening sockets")]),
    ("unexpected_open", audit(OPEN_ALL, [socket()], [allow()]), [("ok", "listening sockets")]),
    ("unexpected_open", audit(OPEN_ALL, [socket()], [allow(8000, "10.0.0.0/8")]), [("critical", "tcp 0.0.0.0:8000")]),
    ("unexpected_open", audit(OPEN_ALL, [socket()], [allow(8000, "loopback")]), [("critical", "tcp 0.0.0.0:8000")]),
    ("unexpected_open", audit(OPEN_ALL, [socket()], [allow(expires="2026-11-21")]), [("critical", "tcp 0.0.0.0:8000")]),
    (
        "unexpected_open",
        audit(opening("-s 10.0.0.0/8 -j ACCEPT"), [socket()], [allow(8000, "10.0.0.0/8")]),
        [("ok", "listening sockets")],
    ),
    ("unexpected_open", audit(DENY, [socket()]), [("ok", "listening sockets")]),
    ("unexpected_open", audit(opening(f"{MAYBE} -j ACCEPT"), [socket()]), [("unknown", "tcp 0.0.0.0:8000")]),
    ("unexpected_open", audit(NOT_SEEN, [socket(), socket(port=1)]), [("unknown", "listening sockets")]),
    ("unexpected_open", audit(NOT_SEEN, [socket()], [allow()]), [("ok", "listening sockets")]),
    (
        "unexpected_open",
        audit(OPEN_ALL, [socket(proto="udp", port=40000), socket(proto="udp", port=68)]),
        [("ok", "listening sockets")],
    ),
    (
        "unexpected_open",
        audit(OPEN_ALL, [socket(proto="udp", port=40000)], [{**allow(40000, "loopback"), "proto": "udp"}]),
        [("critical", "udp 0.0.0.0:40000")],
    ),
    ("any_source_internal", audit(OPEN_ALL, [socket(port=5432)]), [("critical", "tcp 0.0.0.0:5432")]),
    ("any_source_internal", audit(OPEN_ALL, [socket(port=5432)], [allow(5432)]), [("warning", "tcp 0.0.0.0:5432")]),
    (
        "any_source_internal",
        audit(opening("-s 10.0.0.0/8 -j ACCEPT"), [socket(port=5432)]),
        [("ok", "internal services")],
    ),
    ("any_source_internal", audit(OPEN_ALL, [socket("127.0.0.1", 5432)]), [("ok", "internal services")]),
    ("any_source_internal", audit(OPEN_ALL, [socket(proto="udp", port=5432)]), [("ok", "internal services")]),
    ("any_source_internal", audit(NOT_SEEN, [socket(port=5432)]), [("unknown", "internal services")]),
    ("family_difference", audit(ruleset(filter_table()), [socket("::")]), [("warning", "tcp/8000")]),
    (
        "family_difference",
        audit(ruleset(filter_table()), [socket(), socket("::", v6only=True)]),
        [("warning", "tcp/8000")],
    ),
    (
        "family_difference",
        audit(ruleset(filter_table("-A INPUT -s 192.0.2.66 -j DROP", policy="ACCEPT")), [socket("::")]),
        [("ok", "listening sockets")],
    ),
    ("family_difference", audit(ruleset(filter_table()), [socket()]), [("ok", "listening sockets")]),
    (
        "family_difference",
        audit(ruleset(filter_table()), [socket("::")], network=HOST._replace(addresses={4: (OWN4,), 6: ()})),
        [("ok", "listening sockets")],
    ),
    (
        "family_difference",
        audit(ruleset(filter_table()), [socket("::")], network=LINK_LOCAL_ONLY),
        [("ok", "listening sockets")],
    ),
    ("family_difference", audit(NOT_SEEN, [socket("::")]), [("unknown", "listening sockets")]),
    ("family_difference", audit(DENY, [socket("::")]), [("ok", "listening sockets")]),
    # the policy beside the sockets
    ("expected_closed", audit(DENY, [socket()], [allow()]), [("critical", "tcp/8000 from any")]),
    ("expected_closed", audit(OPEN_ALL, [socket("127.0.0.1")], [allow()]), [("critical", "tcp/8000 from any")]),
    ("expected_closed", audit(OPEN_ALL, [], [allow()]), [("warning", "tcp/8000 from any")]),
    ("expected_closed", audit(OPEN_ALL, [socket()], [allow()]), [("ok", "tcp/8000 from any")]),
    (
        "expected_closed",
        audit(opening("-s 10.1.0.0/16 -j ACCEPT"), [socket()], [allow(8000, "10.0.0.0/8")]),
        [("warning", "tcp/8000 from 10.0.0.0/8")],
    ),
    (
        "expected_closed",
        audit(opening("-s 10.0.0.66 -j DROP", "-s 10.0.0.0/8 -j ACCEPT"), [socket()], [allow(8000, "10.0.0.0/8")]),
        [("ok", "tcp/8000 from 10.0.0.0/8")],
    ),
    (
        "expected_closed",
        audit(opening("-s 10.0.0.0/8 -j ACCEPT"), [socket()], [allow(8000, "10.0.0.0/8", "192.0.2.0/24")]),
        [("critical", "tcp/8000 from 10.0.0.0/8, 192.0.2.0/24")],
    ),
    ("expected_closed", audit(DENY, [socket()], [allow(8000, "loopback")]), [("ok", "tcp/8000 from loopback")]),
    (
        "expected_closed",
        audit(DENY, [socket("127.0.0.1")], [allow(8000, "127.0.0.1/32")]),
        [("ok", "tcp/8000 from 127.0.0.1/32")],
    ),
    (
        "expected_closed",
        audit(opening(), [socket("127.0.0.1")], [allow(8000, "loopback")]),
        [("critical", "tcp/8000 from loopback")],
    ),
    (
        "expected_closed",
        audit(OPEN_ALL, [socket()], [allow(8000, "fd00::/8")]),
        [("critical", "tcp/8000 from fd00::/8")],
    ),
    ("expected_closed", audit(DENY, [], [allow(required=False)]), [("skipped", "policy")]),
    ("expected_closed", audit(DENY, [], [allow(expires="2026-11-21")]), [("skipped", "policy")]),
    ("expected_closed", audit(DENY), [("skipped", "policy")]),
    ("expected_closed", audit(NOT_SEEN, [socket()], [allow()]), [("unknown", "tcp/8000 from any")]),
    (
        "expected_closed",
        audit(NOT_SEEN, [socket(), socket(port=1)], [allow(), allow(1), allow(2)]),
        [("unknown", "policy"), ("warning", "tcp/2 from any")],
    ),
    ("policy_expired", audit(DENY, [], [allow(expires="2026-11-21")]), [("warning", "tcp/8000 from any")]),
    ("policy_expired", audit(DENY, [], [allow(expires="2026-11-22")]), [("ok", "policy")]),
    # what holds the rules
    (
        "backends",
        audit(Ruleset((*DENY.tables, *ruleset(filter_table(), backend=LEGACY).tables), {})),
        [("warning", "kernel rules")],
    ),
    (
        "backends",
        audit(Ruleset((*DENY.tables, *ruleset(filter_table(policy="ACCEPT"), backend=LEGACY).tables), {})),
        [("ok", "kernel rules")],
    ),
    ("backends", audit(NOT_SEEN), []),
    (
        "shadowed_rule",
        audit(opening("-p tcp --dport 5432 -j DROP", "-s 10.0.0.5 -p tcp --dport 5432 -j ACCEPT")),
        [("warning", "ip filter INPUT rule 3"), ("warning", "ip6 filter INPUT rule 3")],
    ),
    ("shadowed_rule", audit(), [("ok", "kernel rules")]),
    ("shadowed_rule", audit(NOT_SEEN), []),
    ("view_drift", audit(managers=(Manager("ufw", enabled=True),)), [("critical", "ufw")]),
    (
        "view_drift",
        audit(managers=(Manager("ufw", enabled=True, loaded=True, differences=("x",)),)),
        [("warning", "ufw")],
    ),
    (
        "view_drift",
        audit(managers=(Manager("ufw", enabled=True, loaded=True, unavailable="denied"),)),
        [("unknown", "ufw")],
    ),
    ("view_drift", audit(managers=(Manager("ufw", enabled=True, loaded=True),)), [("ok", "ufw")]),
    ("view_drift", audit(managers=(Manager("ufw", enabled=False),)), [("skipped", "ufw")]),
    ("view_drift", audit(), [("skipped", "managers")]),
    ("view_drift", audit(NOT_SEEN, managers=(Manager("ufw", enabled=True),)), []),
    (
        "boot",
        audit(boot=(Boot("ufw", True, "x"), Boot("ip filter", None, "x"))),
        [("ok", "ufw"), ("unknown", "ip filter")],
    ),
    ("boot", audit(boot=(Boot("ufw", False, "x", "ufw enable"),)), [("warning", "ufw")]),
    ("boot", audit(), [("skipped", "next boot")]),
    ("boot", audit(NOT_SEEN, boot=(Boot("ufw", True, "x"),)), []),
]


@pytest.mark.parametrize(
    ("check", "made", "expected"),
    CASES,
    ids=[f"{check}-{place}" for place, (check, _made, _expected) in enumerate(CASES)],
)
def test_a_rule_says_what_is_wrong_and_what_is_right(
    check: str, made: Context, expected: list[tuple[str, str]]
) -> None:
    assert found(made, check) == expected


# Their tables are in test_rules_hygiene.py and test_rules_openings.py.
ELSEWHERE = {*rules_hygiene.RULES.checks, *rules_openings.RULES.checks} - {"firewall.shadowed_rule"}


def test_every_check_of_the_catalogue_has_a_bad_and_a_good_case_here() -> None:
    for check in (rule.check.id for rule in RULES.all if rule.check.id not in ELSEWHERE):
        statuses = {
            status for name, _made, expected in CASES if f"firewall.{name}" == check for status, _subject in expected
        }
        assert statuses & {"ok"}, check
        assert statuses & {"warning", "critical", "unknown"}, check


def test_every_rule_finds_something_on_a_host_without_a_filter() -> None:
    made = audit(OPEN_ALL, [socket()])
    assert [rule.check.id for rule in RULES.all if not list(rule.judge(made))] == []


def test_an_unexpected_socket_is_named_with_owner_sources_rule_and_policy() -> None:
    owner = {"pids": (812,), "exe": "/usr/bin/nc", "user": "root", "unit": "stray.service"}
    finding = only(
        audit(OPEN_ALL, [socket(**owner)], [allow(8000, "10.0.0.0/8", service="auth", expires="2026-01-01")]),
        "unexpected_open",
    )
    assert finding.message == (
        "tcp 0.0.0.0:8000, stray.service (pid 812), is open to any by IPv4. The policy says: tcp/8000 (auth) from "
        "10.0.0.0/8, expired on 2026-01-01. Decided by: no rule of the kernel stops it"
    )
    assert finding.actual == {
        "sources": {"IPv4": ["any"]},
        "decided_by": {"IPv4": "no rule of the kernel stops it"},
        "pids": [812],
        "exe": ["/usr/bin/nc"],
        "unit": ["stray.service"],
    }


SOURCES = [
    ("-s 10.0.0.0/8 -j ACCEPT", ["10.0.0.0/8"]),
    ("! -s 192.0.2.0/24 -j ACCEPT", ["any but 192.0.2.0/24"]),
    ("-j ACCEPT", ["any"]),
]


@pytest.mark.parametrize(("rule", "expected"), SOURCES)
def test_the_sources_are_described_by_the_shorter_of_what_is_in_and_what_is_out(rule: str, expected: list[str]) -> None:
    text = filter_table(ESTABLISHED, f"-A INPUT {rule}")
    assert (
        only(audit(ruleset(text, filter_table()), [socket()]), "unexpected_open").actual["sources"]["IPv4"] == expected
    )


def test_a_doubtful_verdict_names_the_rule_that_makes_it_so() -> None:
    finding = only(audit(opening(f"{MAYBE} -j ACCEPT"), [socket()]), "unexpected_open")
    assert "ip filter INPUT rule 2: -m time --timestart 08:00 -j ACCEPT" in finding.message


def test_a_range_is_as_closed_as_its_most_closed_port() -> None:
    rules = opening("-p tcp --dport 8002 -j DROP", "-j ACCEPT")
    finding = only(
        audit(rules, [socket(port=8001), socket(port=8002)], [{**allow(), "port": "8000-8004"}]), "expected_closed"
    )
    assert (finding.status, "port 8002" in finding.message) == ("critical", True)


RANGES = [
    ((8003,), "tcp 0.0.0.0:8003: filtered to any on port 8003, decided by"),
    ((8001, 8003), "tcp 0.0.0.0:8001, tcp 0.0.0.0:8003: filtered to any on port 8001, 8003, decided by"),
    (
        (8000, 8001, 8002, 8003),
        "tcp 0.0.0.0:8000, tcp 0.0.0.0:8001, tcp 0.0.0.0:8002 and 1 more: filtered to any on port",
    ),
]


@pytest.mark.parametrize(("closed", "beginning"), RANGES)
def test_of_a_range_the_ports_that_are_closed_are_named(closed: tuple[int, ...], beginning: str) -> None:
    rules = opening(*(f"-p tcp --dport {port} -j DROP" for port in closed), "-j ACCEPT")
    sockets = [socket(port=port) for port in range(8000, 8005)]
    finding = only(audit(rules, sockets, [{**allow(), "port": "8000-8004"}]), "expected_closed")
    assert finding.message.startswith(beginning)


def test_a_port_is_not_called_unserved_where_sockets_could_not_be_seen() -> None:
    made = audit(OPEN_ALL, [], [allow()])._replace(unavailable={"udp sockets": "denied"})
    assert only(made, "expected_closed").status == "warning"
    assert found(made, "unexpected_open") == [("unknown", "listening sockets")]
    assert found(made, "family_difference") == [("unknown", "listening sockets")]
    assert found(made, "any_source_internal") == [("ok", "internal services")]
    unseen = made._replace(unavailable={"tcp sockets": "denied"})
    assert only(unseen, "expected_closed").status == "unknown"
    assert found(unseen, "any_source_internal") == [("unknown", "internal services")]


def test_a_range_of_which_some_ports_are_not_served_is_well() -> None:
    made = audit(OPEN_ALL, [socket(port=8001)], [{**allow(), "port": "8000-8004"}])
    assert only(made, "expected_closed").status == "ok"
