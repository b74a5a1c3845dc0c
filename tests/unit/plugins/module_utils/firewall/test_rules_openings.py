# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What rules open though nobody listens, to more than the policy says, or since the last look."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Finding
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.context import Context
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.history import Baseline, Known
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import (
    Intervals,
    merge,
    spanning,
    subtract,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.network import (
    ANY_SOURCE,
    Network,
    Stack,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import Ruleset
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.report import remembered
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.run import RULES

from .audits import DENY, ESTABLISHED, MAYBE, NOT_SEEN, OPEN_ALL, allow, audit, found, only, opening, socket
from .small import HOST, OWN4, filter_table, numbers, ruleset


def several(made: Context, check: str) -> list[Finding]:
    return [finding for finding in RULES.judge(made) if finding.check == f"firewall.{check}"]


def v4(*rules: str) -> Ruleset:
    """Return rules of IPv4 that deny by default; of IPv6 all is denied."""
    return ruleset(filter_table(*(f"-A INPUT {rule}" for rule in rules)), filter_table())


NOBODY = [("ok", "ports that nobody serves")]
LATENT: list[tuple[str, Context, list[tuple[str, str]]]] = [
    ("a port of both families", audit(opening("-p tcp --dport 80 -j ACCEPT")), [("warning", "tcp/80")]),
    ("a port of one family", audit(v4("-p tcp --dport 80 -j ACCEPT")), [("warning", "tcp/80")]),
    ("a port that is served", audit(v4("-p tcp --dport 80 -j ACCEPT"), [socket(port=80)]), NOBODY),
    ("served by the other family", audit(opening("-p tcp --dport 80 -j ACCEPT"), [socket(port=80)]), NOBODY),
    (
        "served by another protocol",
        audit(v4("-p tcp --dport 80 -j ACCEPT"), [socket(port=80, proto="udp")]),
        [("warning", "tcp/80")],
    ),
    (
        "served on loopback alone",
        audit(v4("-p tcp --dport 80 -j ACCEPT"), [socket("127.0.0.1", 80)]),
        [("warning", "tcp/80")],
    ),
    (
        "a range around served ports",
        audit(v4("-p tcp --dport 80:90 -j ACCEPT"), [socket(port=80), socket(port=85)]),
        [("warning", "tcp/81-84, 86-90")],
    ),
    (
        "the last port of a range",
        audit(v4("-p tcp --dport 80:81 -j ACCEPT"), [socket(port=80)]),
        [("warning", "tcp/81")],
    ),
    ("a client's own socket", audit(v4("-p udp --dport 40000 -j ACCEPT"), [socket(port=40000, proto="udp")]), NOBODY),
    ("a DHCP client", audit(v4("-p udp --dport 68 -j ACCEPT")), NOBODY),
    ("DHCP clients have no TCP", audit(v4("-p tcp --dport 68 -j ACCEPT")), [("warning", "tcp/68")]),
    ("a range with a DHCP client's port", audit(v4("-p udp --dport 67:69 -j ACCEPT")), [("warning", "udp/67, 69")]),
    ("what the policy allows", audit(v4("-p tcp --dport 80 -j ACCEPT"), (), [allow(80)]), NOBODY),
    (
        "what it allowed until yesterday",
        audit(v4("-p tcp --dport 80 -j ACCEPT"), (), [allow(80, expires="2026-11-21")]),
        [("warning", "tcp/80")],
    ),
    (
        "beyond the policy, as in too_broad",
        audit(v4("-p tcp --dport 80 -j ACCEPT"), (), [allow(80, "10.0.0.0/8")]),
        NOBODY,
    ),
    (
        "a little beyond the policy",
        audit(v4("-s 192.0.2.0/24 -p tcp --dport 80 -j ACCEPT"), (), [allow(80, "10.0.0.0/8")]),
        [("warning", "tcp/80")],
    ),
    ("any port", audit(v4("-j ACCEPT")), NOBODY),  # firewall.default_deny says that
    ("closed later", audit(v4("-p tcp --dport 80 -j DROP", "-p tcp --dport 80 -j ACCEPT")), NOBODY),
    ("perhaps open", audit(v4(f"-p tcp --dport 80 {MAYBE} -j ACCEPT")), [("unknown", "tcp/80")]),
    (
        "perhaps beside surely",
        audit(v4(f"-p tcp --dport 80 {MAYBE} -j ACCEPT", "-p tcp --dport 90 -j ACCEPT")),
        [("warning", "tcp/90"), ("unknown", "tcp/80")],
    ),
    (
        "perhaps by one family",
        audit(
            ruleset(
                filter_table("-A INPUT -p tcp --dport 80 -j ACCEPT"),
                filter_table(f"-A INPUT -p tcp --dport 80 {MAYBE} -j ACCEPT"),
            )
        ),
        [("warning", "tcp/80"), ("unknown", "tcp/80")],
    ),
    ("perhaps, and served", audit(v4(f"-p tcp --dport 80 {MAYBE} -j ACCEPT"), [socket(port=80)]), NOBODY),
    ("perhaps any port", audit(v4(f"{MAYBE} -j ACCEPT")), NOBODY),
    (
        "two rules, two findings",
        audit(v4("-p tcp --dport 80 -j ACCEPT", "-s 10.0.0.0/8 -p tcp --dport 81 -j ACCEPT")),
        [("warning", "tcp/80"), ("warning", "tcp/81")],
    ),
    (
        "two rules of neighbours",
        audit(v4("-p tcp --dport 80 -j ACCEPT", "-p tcp --dport 81 -j ACCEPT")),
        [("warning", "tcp/80"), ("warning", "tcp/81")],
    ),
    (
        "one family unseen",
        audit(Ruleset(v4("-p tcp --dport 80 -j ACCEPT").tables, {6: ("x",)})),
        [("warning", "tcp/80")],
    ),
    ("one family unseen, nothing found", audit(Ruleset(DENY.tables, {6: ("x",)})), []),
    ("nothing seen", audit(NOT_SEEN), []),
    ("routes unseen", audit(v4("-p tcp --dport 80 -j DROP"), network=HOST._replace(unavailable="x")), []),
    (
        "sockets unread",
        audit(DENY)._replace(unavailable={"udp sockets": "x"}),
        [("unknown", "ports that nobody serves")],
    ),
    (
        "others left out",
        audit(v4("-p tcp --dport 80 -j ACCEPT"), narrow=True),
        [("skipped", "ports that nobody serves")],
    ),
    ("no filter", audit(OPEN_ALL), NOBODY),
]


@pytest.mark.case("FW47")
@pytest.mark.parametrize(("made", "expected"), [case[1:] for case in LATENT], ids=[case[0] for case in LATENT])
def test_a_port_that_is_open_and_that_nobody_serves_is_named(made: Context, expected: list[tuple[str, str]]) -> None:
    assert found(made, "latent_opening") == expected


@pytest.mark.case("FW47")
def test_a_latent_opening_is_told_with_sources_and_rule() -> None:
    rules = ruleset(
        filter_table("-A INPUT -s 10.0.0.0/8 -p tcp --dport 80:81 -j ACCEPT"),
        filter_table("-A INPUT -p tcp --dport 80:81 -j ACCEPT"),
    )
    finding = only(audit(rules), "latent_opening")
    assert finding.message == (
        "tcp/80-81 is open to 10.0.0.0/8 by IPv4 and to any by IPv6, and nothing listens there. "
        "Decided by: ip filter INPUT rule 1: -s 10.0.0.0/8 -p tcp --dport 80:81 -j ACCEPT; "
        "ip6 filter INPUT rule 1: -p tcp --dport 80:81 -j ACCEPT"
    )
    assert finding.actual["sources"] == {"IPv4": ["10.0.0.0/8"], "IPv6": ["any"]}


def test_sockets_that_were_not_read_leave_what_is_open_named() -> None:
    made = audit(v4("-p tcp --dport 80 -j ACCEPT"))._replace(unavailable={"tcp sockets": "denied"})
    assert found(made, "latent_opening") == [("unknown", "tcp/80")]


def test_a_port_behind_a_redirect_is_asked_about_though_no_rule_asks_for_it() -> None:
    filters = filter_table("-A INPUT -m conntrack --ctstate DNAT -j ACCEPT", ESTABLISHED)
    nat = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8085\nCOMMIT\n"
    network = HOST._replace(stack=Stack(owned={"eth0": {4: (OWN4,)}}))
    made = audit(ruleset(f"{nat}{filters}", filter_table()), network=network)
    assert found(made, "latent_opening") == [("warning", "tcp/8085")]


@pytest.mark.parametrize(("ports", "left_out"), [(255, 0), (256, 2), (300, 178)])
def test_ranges_beyond_those_that_are_asked_about_are_counted(ports: int, left_out: int) -> None:
    sets = [f"-A INPUT -p udp --dport {2 * port} -j ACCEPT" for port in range(1, ports + 1)]
    made = several(audit(ruleset(filter_table(*sets), filter_table())), "latent_opening")
    told = [each for each in made if each.subject == "ports that nobody serves"]
    assert [each.actual for each in told] == ([left_out] if left_out else [])


BROAD: list[tuple[str, Context, list[tuple[str, str]]]] = [
    (
        "a /8 of public addresses",
        audit(v4("-s 11.0.0.0/8 -p tcp --dport 80 -j ACCEPT"), (), [allow(80, "10.1.0.0/16")]),
        [("warning", "tcp/80")],
    ),
    (
        "less than a /8",
        audit(v4("-s 11.0.0.0/9 -p tcp --dport 80 -j ACCEPT"), (), [allow(80, "10.1.0.0/16")]),
        [("ok", "ports of the policy")],
    ),
    (
        "a /8 but for one address",
        audit(v4("-s 11.0.0.0 -j DROP", "-s 11.0.0.0/8 -p tcp --dport 80 -j ACCEPT"), (), [allow(80, "10.1.0.0/16")]),
        [("ok", "ports of the policy")],
    ),
    (
        "private networks",
        audit(v4("-s 10.0.0.0/8 -p tcp --dport 80 -j ACCEPT"), (), [allow(80, "10.1.0.0/16")]),
        [("ok", "ports of the policy")],
    ),
    (
        "any, where the policy says so",
        audit(v4("-p tcp --dport 80 -j ACCEPT"), (), [allow(80)]),
        [("ok", "ports of the policy")],
    ),
    (
        "any, where the policy says loopback",
        audit(v4("-p tcp --dport 80 -j ACCEPT"), (), [allow(80, "loopback")]),
        [("warning", "tcp/80")],
    ),
    (
        "a port that it does not name",
        audit(v4("-p tcp --dport 81 -j ACCEPT"), (), [allow(80, "10.0.0.0/8")]),
        [("ok", "ports of the policy")],
    ),
    (
        "an entry that has expired names nothing",
        audit(v4("-p tcp --dport 80 -j ACCEPT"), (), [allow(80, "10.0.0.0/8", expires="2026-11-21")]),
        [("ok", "ports of the policy")],
    ),
    (
        "ports beside each other by one rule",
        audit(v4("-p tcp --dport 80:82 -j ACCEPT"), (), [{**allow(80, "10.0.0.0/8"), "port": "79-81"}]),
        [("warning", "tcp/80-81")],
    ),
    (
        "served or not",
        audit(v4("-p tcp --dport 80 -j ACCEPT"), [socket(port=80)], [allow(80, "10.0.0.0/8")]),
        [("warning", "tcp/80")],
    ),
    (
        "a /32 of IPv6",
        audit(
            ruleset(filter_table(), filter_table("-A INPUT -s 2001:db8::/32 -p tcp --dport 80 -j ACCEPT")),
            (),
            [allow(80, "fd00::/8")],
        ),
        [("warning", "tcp/80")],
    ),
    (
        "less than a /32 of IPv6",
        audit(
            ruleset(filter_table(), filter_table("-A INPUT -s 2001:db8::/33 -p tcp --dport 80 -j ACCEPT")),
            (),
            [allow(80, "fd00::/8")],
        ),
        [("ok", "ports of the policy")],
    ),
    (
        "private IPv6",
        audit(
            ruleset(filter_table(), filter_table("-A INPUT -s fc00::/7 -p tcp --dport 80 -j ACCEPT")),
            (),
            [allow(80, "fd00::/64")],
        ),
        [("ok", "ports of the policy")],
    ),
    (
        "any port is for default_deny",
        audit(v4("-j ACCEPT"), (), [allow(80, "10.0.0.0/8")]),
        [("ok", "ports of the policy")],
    ),
    ("no policy", audit(v4("-p tcp --dport 80 -j ACCEPT")), [("ok", "ports of the policy")]),
    ("one family unseen", audit(Ruleset(DENY.tables, {6: ("x",)}), (), [allow(80, "10.0.0.0/8")]), []),
]


@pytest.mark.parametrize(("made", "expected"), [case[1:] for case in BROAD], ids=[case[0] for case in BROAD])
def test_a_port_that_the_policy_limits_is_not_open_to_whole_networks_beyond(
    made: Context, expected: list[tuple[str, str]]
) -> None:
    assert found(made, "too_broad") == expected


def test_a_broad_opening_is_told_with_its_rule_and_what_it_lets_in_beyond_the_policy() -> None:
    finding = only(audit(v4("-s 8.0.0.0/6 -p tcp --dport 80 -j ACCEPT"), (), [allow(80, "10.0.0.0/8")]), "too_broad")
    assert finding.message == (
        "the policy limits tcp/80, and it is open to 8.0.0.0/7, 11.0.0.0/8 by IPv4. "
        "Decided by: ip filter INPUT rule 1: -s 8.0.0.0/6 -p tcp --dport 80 -j ACCEPT"
    )


TEN, SOME = numbers("10.0.0.0/8"), numbers("192.0.2.0/24")
AT = 1_800_000_000.0


def knowing(sources: Any, name: str = "tcp 0.0.0.0:8000 IPv4") -> Baseline:
    return Baseline(at=AT, open={name: Known(AT, AT, sources)})


NEW: list[tuple[str, Baseline, Ruleset, list[dict[str, Any]], list[tuple[str, str]]]] = [
    ("no memory", Baseline(), v4("-j ACCEPT"), [], [("skipped", "listening sockets")]),
    ("as it was", knowing(TEN), v4("-s 10.0.0.0/8 -j ACCEPT"), [], [("ok", "listening sockets")]),
    ("less than it was", knowing(merge([TEN, SOME])), v4("-s 10.0.0.0/8 -j ACCEPT"), [], [("ok", "listening sockets")]),
    (
        "one address more",
        knowing(numbers("10.0.0.0/9")),
        v4("-s 10.0.0.0/9 -j ACCEPT", "-s 10.128.0.0 -j ACCEPT"),
        [],
        [("warning", "tcp 0.0.0.0:8000")],
    ),
    ("a new socket", knowing(TEN, "tcp 0.0.0.0:1 IPv4"), v4("-j ACCEPT"), [], [("warning", "tcp 0.0.0.0:8000")]),
    (
        "a new socket that is closed",
        knowing(TEN, "tcp 0.0.0.0:1 IPv4"),
        v4("-j DROP"),
        [],
        [("ok", "listening sockets")],
    ),
    (
        "new, and allowed",
        knowing(()),
        v4("-s 10.0.0.0/8 -j ACCEPT"),
        [allow(8000, "10.0.0.0/8")],
        [("ok", "tcp 0.0.0.0:8000")],
    ),
    (
        "new, and partly allowed",
        knowing(()),
        v4("-s 10.0.0.0/8 -j ACCEPT"),
        [allow(8000, "10.0.0.0/9")],
        [("warning", "tcp 0.0.0.0:8000")],
    ),
    ("perhaps more", knowing(()), v4(f"{MAYBE} -j ACCEPT"), [], [("unknown", "listening sockets")]),
    ("perhaps what it was", knowing(ANY_SOURCE[4]), v4(f"{MAYBE} -j ACCEPT"), [], [("ok", "listening sockets")]),
    (
        "more, and perhaps still more",
        knowing(()),
        v4("-s 10.0.0.0/8 -j ACCEPT", f"{MAYBE} -j ACCEPT"),
        [],
        [("warning", "tcp 0.0.0.0:8000"), ("unknown", "listening sockets")],
    ),
    ("many others before", knowing("digest"), v4("-s 10.0.0.0/8 -j ACCEPT"), [], [("warning", "tcp 0.0.0.0:8000")]),
]


@pytest.mark.parametrize(
    ("history", "rules", "policy", "expected"), [case[1:] for case in NEW], ids=[case[0] for case in NEW]
)
def test_what_was_not_open_at_the_baseline_is_new(
    history: Baseline, rules: Ruleset, policy: list[dict[str, Any]], expected: list[tuple[str, str]]
) -> None:
    assert found(audit(rules, [socket()], policy, history=history), "new_exposure") == expected


def test_what_is_new_is_told_with_when_it_was_not() -> None:
    made = audit(v4("-s 10.0.0.0/8 -j ACCEPT"), [socket()], [allow(8000, "10.0.0.0/9")], history=knowing(()))
    finding = only(made, "new_exposure")
    assert finding.message == (
        "tcp 0.0.0.0:8000, unknown, is open to 10.0.0.0/8 by IPv4, and was not on 2027-01-15 08:00 UTC. "
        "The policy says: tcp/8000 from 10.0.0.0/9. Decided by: ip filter INPUT rule 1: -s 10.0.0.0/8 -j ACCEPT"
    )
    assert finding.actual == {"sources": {"IPv4": ["10.0.0.0/8"]}, "since": "after 2027-01-15 08:00 UTC"}


def test_each_family_has_a_baseline_of_its_own() -> None:
    every: Intervals = ANY_SOURCE[4]
    made = audit(OPEN_ALL, [socket("::")], history=knowing(every, "tcp [::]:8000 IPv4"))
    assert only(made, "new_exposure").actual["sources"] == {"IPv6": ["any"]}


def test_sockets_that_were_not_read_may_be_new() -> None:
    made = audit(DENY, [socket()], history=knowing(()))._replace(unavailable={"udp sockets": "denied"})
    assert found(made, "new_exposure") == [("unknown", "listening sockets")]


CONTAINER = numbers("172.17.0.0/16")
ROUTER = HOST._replace(
    stack=Stack(
        forwards={4: frozenset({"eth0", "lo"})},
        routes={4: {"docker0": CONTAINER, "eth0": subtract(ANY_SOURCE[4], CONTAINER)}},
    )
)
ASLEEP = HOST._replace(stack=Stack(routes=ROUTER.stack.routes, forwards={4: frozenset({"lo"})}))


def led(
    *forward: str, policy: str = "ACCEPT", line: str = "-p tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80"
) -> Ruleset:
    """Return rules that lead a port to a container; nothing comes in to this host's own sockets, as ufw has it."""
    chain = "".join(f"-A FORWARD {rule}\n" for rule in forward)
    filters = f"*filter\n:INPUT DROP [0:0]\n:FORWARD {policy} [0:0]\n{chain}COMMIT\n"
    return ruleset(f"*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING {line}\nCOMMIT\n{filters}", filter_table())


BACK = "-m conntrack --ctstate ESTABLISHED -j ACCEPT"
PORT = "tcp/8080 to 172.17.0.2 port 80"
PUBLISHED: list[tuple[str, Context, list[tuple[str, str]]]] = [
    ("past a filter that denies", audit(led(), network=ROUTER), [("critical", PORT)]),
    ("allowed by the policy", audit(led(), (), [allow(8080)], network=ROUTER), [("ok", "published ports")]),
    ("allowed in part", audit(led(), (), [allow(8080, "10.0.0.0/8")], network=ROUTER), [("critical", PORT)]),
    ("the policy of the port behind", audit(led(), (), [allow(80)], network=ROUTER), [("critical", PORT)]),
    ("closed on the way", audit(led(policy="DROP"), network=ROUTER), [("ok", "published ports")]),
    (
        "closed there for the port behind",
        audit(led("-p tcp --dport 80 -j DROP"), network=ROUTER),
        [("ok", "published ports")],
    ),
    (
        "closed there for the port before",
        audit(led("-p tcp --dport 8080 -j DROP"), network=ROUTER),
        [("critical", PORT)],
    ),
    ("perhaps closed", audit(led(f"{MAYBE} -j DROP"), network=ROUTER), [("unknown", PORT)]),
    (
        "open to some, perhaps to others",
        audit(led(BACK, "-s 10.0.0.0/8 -j ACCEPT", f"{MAYBE} -j DROP"), network=ROUTER),
        [("critical", PORT), ("unknown", PORT)],
    ),
    (
        "perhaps, and allowed",
        audit(led(f"{MAYBE} -j DROP"), (), [allow(8080)], network=ROUTER),
        [("ok", "published ports")],
    ),
    (
        "more ports than are looked at",
        audit(led(line="-p tcp --dport 8000:9000 -j DNAT --to-destination 172.17.0.2", policy="DROP"), network=ROUTER),
        [("unknown", "published ports")],
    ),
    ("nothing is passed on", audit(led(), network=ASLEEP), [("ok", "published ports")]),
    ("nothing is led away", audit(DENY, network=ROUTER), [("ok", "published ports")]),
    ("not seen", audit(Ruleset(DENY.tables, {6: ("x",)}), network=ROUTER), []),
]


@pytest.mark.case("FW44")
@pytest.mark.parametrize(("made", "expected"), [case[1:] for case in PUBLISHED], ids=[case[0] for case in PUBLISHED])
def test_a_port_that_is_led_to_a_container_is_held_against_the_policy(
    made: Context, expected: list[tuple[str, str]]
) -> None:
    assert found(made, "published_port") == expected


@pytest.mark.case("FW44")
def test_a_published_port_is_told_with_the_rule_that_leads_it_there() -> None:
    finding = only(audit(led(BACK, "-s 10.0.0.0/8 -j ACCEPT", policy="DROP"), network=ROUTER), "published_port")
    assert finding.message.startswith(
        "tcp/8080 to 172.17.0.2 port 80 is open to 10.0.0.0/8 by IPv4, past the rules for sockets of this host: it is "
        "led there by ip nat PREROUTING rule 1: -p tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80. The policy "
        "does not name it. Decided by: ip filter FORWARD rule 2"
    )
    assert finding.actual["sources"] == {"IPv4": ["10.0.0.0/8"]}


def test_what_is_led_elsewhere_on_another_system_is_not_known() -> None:
    made = audit(led(), network=HOST)
    there = made._replace(snapshot=made.snapshot._replace(system="darwin"))
    assert found(there, "published_port") == [("unknown", PORT)]
    allowed = audit(led(), (), [allow(8080)], network=HOST)
    assert found(allowed._replace(snapshot=there.snapshot), "published_port") == [("ok", "published ports")]


LED_AND_MEANT = [
    (led(), [allow(8080)], [("ok", "tcp/8080 from any")]),
    (led(policy="DROP"), [allow(8080)], [("critical", "tcp/8080 from any")]),
    (led(f"{MAYBE} -j DROP"), [allow(8080)], [("unknown", "tcp/8080 from any")]),
    (led(), [allow(80)], [("warning", "tcp/80 from any")]),
    (led(), [allow(8080, "loopback")], [("critical", "tcp/8080 from loopback")]),
]


@pytest.mark.parametrize(("rules", "policy", "expected"), LED_AND_MEANT)
def test_an_entry_of_the_policy_is_served_by_a_port_that_is_led_elsewhere(
    rules: Ruleset, policy: list[dict[str, Any]], expected: list[tuple[str, str]]
) -> None:
    assert found(audit(rules, (), policy, network=ROUTER), "expected_closed") == expected


def test_an_address_of_the_host_among_the_sources_is_no_hole_in_them() -> None:
    own = HOST._replace(ways={4: {"eth0": subtract(ANY_SOURCE[4], numbers("203.0.113.10"))}, 6: {}})
    site = audit(v4("-s 203.0.113.0/24 -j ACCEPT"), [socket()], network=own)
    assert only(site, "unexpected_open").actual["sources"] == {"IPv4": ["203.0.113.0/24"]}
    assert only(audit(v4("-j ACCEPT"), [socket()], network=own), "unexpected_open").actual["sources"] == {
        "IPv4": ["any"]
    }
    beside = audit(v4("-s 203.0.113.8/31 -j ACCEPT"), [socket()], network=own)
    assert only(beside, "unexpected_open").actual["sources"] == {"IPv4": ["203.0.113.8/31", "203.0.113.10/32"]}
    apart = audit(v4("-s 10.0.0.0/8 -j ACCEPT"), [socket()], network=own)
    assert only(apart, "unexpected_open").actual["sources"] == {"IPv4": ["10.0.0.0/8"]}


@pytest.mark.parametrize("banned", [0, 40], ids=["remembered as they are", "too many, so by a digest"])
def test_an_address_that_the_host_gives_up_is_no_news(banned: int) -> None:
    def at(own: int) -> Network:
        ways = {4: {"eth0": subtract(ANY_SOURCE[4], spanning(own, own))}, 6: {}}
        return HOST._replace(addresses={4: (own,), 6: ()}, ways=ways)

    rules = v4(*(f"-s 192.0.2.{2 * number} -j DROP" for number in range(banned)), "-j ACCEPT")
    before = remembered(audit(rules, [socket()], network=at(OWN4), now=AT), keep=False)
    made = audit(rules, [socket()], network=at(OWN4 + 1), history=before)
    assert found(made, "new_exposure") == [("ok", "listening sockets")]
    more = audit(v4("-j ACCEPT"), [socket()], network=at(OWN4), history=before)
    assert found(more, "new_exposure") == [("warning", "tcp 0.0.0.0:8000") if banned else ("ok", "listening sockets")]
    closed = remembered(audit(v4("-j DROP"), [socket()], network=at(OWN4), now=AT), keep=False)
    assert closed.open["tcp 0.0.0.0:8000 IPv4"].open == ()
