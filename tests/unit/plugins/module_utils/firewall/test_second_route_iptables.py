# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The model by a second route: every packet that a sender could send, one by one, through rules made at random.

The evaluator here is what iptables(8) and iptables-extensions(8) say, for one packet at a time. It tries all ports and
addresses between which the rules could tell, where the model tries few; what any of them opens, is open.
"""

from __future__ import annotations

import ipaddress
from itertools import product
from typing import Any, NamedTuple, Optional

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.listeners import Listener
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.exposure import Exposer
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import spanning, subtract
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.network import (
    ANY_SOURCE,
    Network,
    Stack,
)

from .small import filter_table, numbers, ruleset

ONE, OTHER = "203.0.113.10", "203.0.113.11"  # the addresses of this host
PRIMARY = {"eth0": ONE, "eth1": OTHER}  # where a REDIRECT leads to
SOURCES = {"10.0.0.7": "eth1", "10.1.0.7": "eth1", "192.0.2.9": "eth0"}
EDGES = (0, 1, 2, 5, 8, 40000, 65534, 65535)
PORTS = sorted({port for edge in EDGES for port in (edge, edge + 1) if 1 <= port <= 65535})
HOST = Network(
    {4: (int(ipaddress.ip_address(ONE)), int(ipaddress.ip_address(OTHER))), 6: ()},
    {4: {"eth0": subtract(ANY_SOURCE[4], numbers("10.0.0.0/8")), "eth1": numbers("10.0.0.0/8")}, 6: {}},
    stack=Stack(owned={name: {4: (int(ipaddress.ip_address(own)),)} for name, own in PRIMARY.items()}),
)

FilterRule = dict[str, Any]
SPAN = (
    st.none() | st.tuples(*[st.sampled_from(EDGES)] * 2).map(sorted) | st.sampled_from(EDGES).map(lambda it: (it, it))
)
TESTS = {
    "source": st.sampled_from(["", "", "10.0.0.0/8", "10.1.0.0/16", "192.0.2.9"]),
    "target": st.sampled_from(["", "", "", ONE, OTHER]),
    "proto": st.sampled_from(["", "tcp", "tcp", "udp"]),
    "sport": SPAN,
    "dport": SPAN,
    "not": st.sampled_from(["", "", "source", "target", "sport", "dport"]),
}
REDIRECTS = st.lists(
    st.fixed_dictionaries(
        {
            **TESTS,
            "proto": st.sampled_from(["tcp", "udp"]),
            "do": st.sampled_from(["REDIRECT 5", "REDIRECT 8", f"DNAT {OTHER}:5", f"DNAT {ONE}", "ACCEPT"]),
        }
    ),
    max_size=3,
)
STATES = st.sampled_from(["", "", "NEW", "ESTABLISHED", "NEW,ESTABLISHED", "DNAT"])
FILTERS = st.fixed_dictionaries(
    {
        **TESTS,
        "in": st.sampled_from(["", "", "eth0", "eth1", "eth+"]),
        "state": STATES,
        "do": st.sampled_from(["ACCEPT", "ACCEPT", "DROP", "RETURN", "A"]),
    }
)
EARLY = st.fixed_dictionaries({**TESTS, "do": st.just("DROP")})
INNER = FILTERS.map(lambda rule: {**rule, "do": "RETURN" if rule["do"] == "A" else rule["do"]})


class Sent(NamedTuple):
    """One packet."""

    source: str
    target: str
    proto: str
    sport: int
    dport: int
    state: str = "NEW"
    redirected: bool = False


def line(rule: FilterRule) -> str:
    """Return a rule as iptables-save prints it."""
    words = []
    for name, option in (("source", "-s"), ("target", "-d"), ("in", "-i"), ("proto", "-p")):
        if rule.get(name):
            words.append(f"{'! ' if rule['not'] == name else ''}{option} {rule[name]}")
    for name in ("sport", "dport") if rule["proto"] else ():
        if rule[name]:
            sign = "! " if rule["not"] == name else ""
            words.append(f"-m {rule['proto']} {sign}--{name} {rule[name][0]}:{rule[name][1]}")
    words += [f"-m conntrack --ctstate {rule['state']}"] if rule.get("state") else []
    kind, _blank, where = rule["do"].partition(" ")
    option = {"REDIRECT": f" --to-ports {where}", "DNAT": f" --to-destination {where}"}.get(kind, "")
    return f"{' '.join(words)} -j {kind}{option}"


def fits(rule: FilterRule, sent: Sent) -> bool:
    """Return whether all tests of a rule hold for a packet."""
    interface = SOURCES[sent.source]
    checks = {
        "source": not rule["source"] or _inside(sent.source, rule["source"]),
        "target": not rule["target"] or sent.target == rule["target"],
        "proto": rule["proto"] in ("", sent.proto),
        "in": rule.get("in", "") in ("", "eth+", interface),
        "state": _is_in_state(rule.get("state", ""), sent),
    }
    for name, port in (("sport", sent.sport), ("dport", sent.dport)):
        span = rule[name] if rule["proto"] else None
        checks[name] = span is None or span[0] <= port <= span[1]
    turned = rule["not"] if rule["not"] and rule[rule["not"]] and (rule["not"][1:] != "port" or rule["proto"]) else ""
    return all(holds != (name == turned) for name, holds in checks.items())


def _inside(address: str, net: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(net)


def _is_in_state(states: str, sent: Sent) -> bool:
    return not states or sent.state in states.split(",") or (states == "DNAT" and sent.redirected)


def redirected(rules: list[FilterRule], sent: Sent) -> Sent:
    """Return a packet behind the rules of nat: the first that fits decides."""
    for rule in rules:
        if fits(rule, sent):
            kind, _blank, where = rule["do"].partition(" ")
            if kind == "ACCEPT":
                return sent
            address, _colon, port = (
                where.partition(":") if kind == "DNAT" else (PRIMARY[SOURCES[sent.source]], "", where)
            )
            return sent._replace(target=address, dport=int(port) if port else sent.dport, redirected=True)
    return sent


def accepted(base: list[FilterRule], inner: list[FilterRule], sent: Sent, policy: str) -> bool:
    """Return whether a packet passes the filter."""
    return (_walk(base, inner, sent) or policy) == "ACCEPT"


def _walk(rules: list[FilterRule], inner: list[FilterRule], sent: Sent) -> Optional[str]:
    for rule in rules:
        if fits(rule, sent):
            decided = _walk(inner, [], sent) if rule["do"] == "A" else rule["do"]
            if decided:
                return None if decided == "RETURN" else decided
    return None


def answers(rules: tuple[Any, ...], waiting: Listener, source: str) -> str:
    """Say what becomes of a source: a datagram for all addresses is answered from the primary one."""
    if reached(rules, waiting, source, every=waiting.proto == "tcp" or waiting.address != "0.0.0.0"):
        return "open"
    return "unknown" if reached(rules, waiting, source) else "filtered"


def reached(rules: tuple[Any, ...], waiting: Listener, source: str, *, every: bool = True) -> bool:
    """Say whether any packet of a source opens a connection: TCP needs the next one as well, but behind a redirect."""
    early, nat, base, inner, policy = rules
    addresses = (ONE, OTHER) if waiting.address == "0.0.0.0" else (waiting.address,)
    for target, sport, dport in product((ONE, OTHER), PORTS, PORTS):
        first = Sent(source, target, waiting.proto, sport, dport)
        sent = redirected(nat, first)
        if not accepted(early, [], first, "ACCEPT"):
            continue
        if sent.dport != waiting.port or sent.target not in addresses:
            continue
        if not every and sent.target != PRIMARY[SOURCES[source]]:
            continue
        if not accepted(base, inner, sent, policy):
            continue
        following = sent._replace(state="ESTABLISHED")
        if waiting.proto == "udp" or accepted(base, inner, following, policy):
            return True
    return False


def _prerouting(table: str, rules: list[FilterRule]) -> str:
    lines = "".join(f"-A PREROUTING {line(rule)}\n" for rule in rules)
    return f"*{table}\n:PREROUTING ACCEPT [0:0]\n{lines}COMMIT\n"


@settings(max_examples=100, deadline=None)
@given(
    st.tuples(
        st.lists(EARLY, max_size=2),
        REDIRECTS,
        st.lists(FILTERS, max_size=4),
        st.lists(INNER, max_size=3),
        st.sampled_from(["ACCEPT", "DROP", "DROP", "DROP"]),
    ),
    st.sampled_from(["tcp", "udp"]),
    st.sampled_from([1, 5, 8, 9, 65535]),
    st.sampled_from(["0.0.0.0", ONE, OTHER]),
)
def test_what_any_packet_of_a_sender_opens_is_open_and_nothing_else(
    rules: Any, proto: str, port: int, address: str
) -> None:
    early, nat, base, inner, policy = rules
    lines = [f"-A INPUT {line(rule)}" for rule in base] + [f"-A A {line(rule)}" for rule in inner]
    before = "".join(_prerouting(name, part) for name, part in (("mangle", early), ("nat", nat)))
    text = before + filter_table(*lines, policy=policy, chains="A")
    bound = {4: None if address == "0.0.0.0" else int(ipaddress.ip_address(address))}
    waiting = Listener(proto, address, port, bound, {})
    exposure = Exposer(ruleset(text), HOST).outside(waiting, 4)
    for source in SOURCES:
        number = int(ipaddress.ip_address(source))
        expected = answers((early, nat, base, inner, policy), waiting, source)
        assert exposure.verdict(spanning(number, number)) == expected, (source, text)
