# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What iptables-save and ipset print, held to what the kernel made of it.

The expected answers were given by kernel 6.18 with iptables 1.8.9 (both back ends) and ipset 7.17 in a namespace, by
rule counters for one packet; where a row says "source" it is from xt_*.c. ``None`` is a doubt.
"""

from __future__ import annotations

import ipaddress
import time
from typing import Any, Optional

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.ipset import parse_ipsets
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.iptables import (
    Dump,
    parse_lines,
    parse_save,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import contains
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import (
    LEGACY,
    XTABLES,
    Doubt,
    FilterRule,
    Fixed,
    Test,
)

Seen = dict[str, Any]


def number(address: str) -> int:
    return int(ipaddress.ip_address(address))


# A packet to port 22 of 10.0.0.1 as a rule meets it: what is not there is missing, what is None is not known.
SYN: Seen = {
    "proto": 6,
    "saddr": number("10.0.0.5"),
    "sport": 40000,
    "daddr": number("10.0.0.1"),
    "dport": 22,
    "iif": "eth0",
    "oif": "",
    "mark": 0,
    "ct_mark": 0,
    "ct_state": 8,
    "ct_status": 0,
    "ct_direction": 0,
    "daddr_type": 2,
    "daddr_type_iif": 2,
    "saddr_type": 1,
    "saddr_route": 1,
    "saddr_route_any": 1,
    "packet_type": 0,
    "tcp_flags": 2,
    "ether_saddr": 0x001122334455,
}
UDP: Seen = {**SYN, "proto": 17, "tcp_flags": 0}
ACK: Seen = {**SYN, "ct_state": 2, "ct_status": 0xE, "tcp_flags": 16}
NATTED: Seen = {**SYN, "ct_status": 0x1A0}  # redirected, at filter INPUT
EARLY: Seen = {**SYN, "ct_state": 1}  # before connections are tracked: raw
for name in ("ct_mark", "ct_status", "ct_direction"):
    del EARLY[name]
UNTRACKED: Seen = {**EARLY, "ct_state": 64}
SYN6: Seen = {**SYN, "saddr": number("fd00::5"), "daddr": number("fd00::1")}
LO: Seen = {**SYN, "iif": "lo"}
del LO["ether_saddr"]
ANSWER: Seen = {**ACK, "iif": "", "oif": "eth0", "sport": 22, "dport": 40000, "skuid": 7, "skgid": 8}

SETS = parse_ipsets(
    "create ports bitmap:port range 0-1000\nadd ports 20\nadd ports 22\n"
    "create nets hash:net family inet\nadd nets 10.0.0.0/8 timeout 5\n"
    "create empty hash:ip family inet\n"
    "create other hash:ip family inet6\nadd other fd00::5\n"
    "create pairs hash:ip,port family inet\nadd pairs 10.0.0.5,tcp:22\nadd pairs 10.0.0.5,icmp:echo-request\n"
    "add pairs 10.0.0.5,tcp:6\n"
    "add pairs 10.0.0.6,vrrp:0\nadd pairs 10.0.0.7,udp:22\n"
    "create odd hash:mac\n"
    "create holed hash:net family inet\nadd holed 10.0.0.0/24 nomatch\nadd holed 10.0.0.0/8\nadd holed 10.0.0.5\n"
    "create masked hash:ip family inet netmask 24\nadd masked 10.0.0.0\n"
    "create masked6 hash:ip family inet6 netmask 64\nadd masked6 fd00::\n"
    "create bits hash:ip family inet bitmask 255.0.0.255\nadd bits 10.0.0.5\n"
    "create block bitmap:ip range 10.0.0.0-10.0.255.255 netmask 24\nadd block 10.0.0.0\n"
    "create devices hash:net,iface family inet\nadd devices 10.0.0.0/8,eth0\nadd devices 11.0.0.0/8,wan wildcard\n"
    "create bridged hash:net,iface family inet\nadd bridged 10.0.0.0/8,physdev:eth0\n"
    "create list list:set size 8\nadd list other\nadd list pairs\nadd list nets\n"
    "create none list:set size 8\n"
    "create parts hash:net,port family inet\nadd parts 10.0.0.0/29,tcp:22 nomatch\nadd parts 10.0.0.0/24,tcp:22\n"
    "create three hash:ip,port,net family inet\nadd three 10.0.0.5,tcp:22,10.0.0.0/30\n"
)


def parse(text: str, family: int = 4, backend: str = XTABLES) -> Any:
    return parse_save(Dump(backend, family, text, SETS))


def rules_for(line: str, table: str = "filter", chain: str = "INPUT", family: int = 4) -> list[FilterRule]:
    (found,) = parse(f"*{table}\n:{chain} ACCEPT [0:0]\n:web - [0:0]\n-A {chain} {line}\nCOMMIT\n", family)
    return list(found.chains[chain].rules)


def rule_of(line: str, table: str = "filter", chain: str = "INPUT") -> FilterRule:
    (rule,) = rules_for(line, table, chain)
    return rule


def outcome(test: Test, packet: Seen) -> Optional[bool]:
    """Say whether a test holds, as the records are meant: a missing field fits neither form."""
    if isinstance(test, Fixed):
        return test.holds
    if isinstance(test, Doubt):
        return None
    if any(field not in packet for field in test.fields):
        return False
    hits = [
        all(among(packet[field], values, test.mask) for field, values in zip(test.fields, row)) for row in test.rows
    ]
    return any(hits) != test.negated


def among(value: Any, values: Any, mask: Optional[int]) -> bool:
    if isinstance(values, frozenset):
        return any(value == name or (name[-1:] == "*" and value.startswith(name[:-1])) for name in values)
    return contains(values, value if mask is None else value & mask)


def fits(line: str, packet: Seen, family: int = 4) -> Optional[bool]:
    """Say whether the rule holds for a packet; at most one of the rules that a line stands for does."""
    found = [[outcome(test, packet) for test in rule.tests] for rule in rules_for(line, family=family)]
    ways = [False if False in tests else None if None in tests else True for tests in found]
    assert ways.count(True) <= 1
    return True if True in ways else None if None in ways else False


# A test with {} where the exclamation mark goes, the packet, whether it holds, and whether its negation does.
BOTH = [
    ("{}-p tcp", SYN, True, False),
    ("{}-p 6", SYN, True, False),
    ("{}-p TCP", SYN, True, False),
    ("{}-p udp", SYN, False, True),
    ("{}-s 10.0.0.0/8", SYN, True, False),
    ("{}-s 10.0.0.5", SYN, True, False),
    ("{}-s 10.0.0.9/24", SYN, True, False),
    ("{}-s 10.0.0.0/255.0.0.0", SYN, True, False),
    ("{}-s 10.0.0.5/255.0.255.255", SYN, True, False),
    ("{}-s 10.0.0.4/255.0.0.254", SYN, True, False),
    ("{}-s 0.0.0.4/0.0.0.5", SYN, False, True),
    ("{}-s 0.0.0.0/0", SYN, True, False),
    ("{}-d 10.0.0.1,10.0.0.2", SYN, True, False),
    ("{}-i eth0", SYN, True, False),
    ("{}-i eth+", SYN, True, False),
    ("{}-i eth+", {**SYN, "iif": "et"}, False, True),
    ("{}-i +", SYN, True, False),
    ("{}-i -f", SYN, False, True),
    ("{}-o eth0", SYN, False, True),
    ("{}-o eth0", ANSWER, True, False),
    ("{}-o eth9", ANSWER, False, True),
    ("{}-o +", SYN, True, False),
    ("{}-i eth0", ANSWER, False, True),
    ("{}-f", SYN, False, True),
    ("-p tcp -m tcp {}--dport 22", SYN, True, False),
    ("-p tcp {}--dport 20:30", SYN, True, False),
    ("-p tcp -m tcp {}--dport :30", SYN, True, False),
    ("-p tcp -m tcp {}--sport 1024:", SYN, True, False),
    ("-p tcp -m tcp {}--dport 23:", SYN, False, True),
    ("-p udp -m udp {}--dport 22", SYN, False, False),
    ("-p tcp -m tcp {}--syn", SYN, True, False),
    ("-p tcp -m tcp {}--syn", ACK, False, True),
    ("-p tcp -m tcp {}--tcp-flags FIN,SYN,RST,ACK SYN", SYN, True, False),
    ("-p tcp -m tcp {}--tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE", SYN, False, True),
    ("-p tcp -m tcp {}--tcp-flags ALL ACK", ACK, True, False),
    ("-p tcp -m tcp {}--tcp-option 5", SYN, None, None),
    ("-p tcp -m multiport {}--dports 80,20:25", SYN, True, False),
    ("-p tcp -m multiport {}--sports 80,20:25", SYN, False, True),
    ("-p tcp -m multiport {}--ports 40000,9", SYN, True, False),
    ("-p tcp -m multiport {}--ports 22,9", SYN, True, False),
    ("-p tcp -m multiport {}--ports 23", SYN, False, True),
    ("-m conntrack {}--ctstate NEW,ESTABLISHED", SYN, True, False),
    ("-m conntrack {}--ctstate RELATED,ESTABLISHED", SYN, False, True),
    ("-m conntrack {}--ctstate INVALID", EARLY, True, False),
    ("-m conntrack {}--ctstate NEW", EARLY, False, True),
    ("-m conntrack {}--ctstate UNTRACKED", UNTRACKED, True, False),
    ("-m conntrack {}--ctstate NEW", UNTRACKED, False, True),
    ("-m conntrack {}--ctstate DNAT", SYN, False, True),
    ("-m conntrack {}--ctstate DNAT", NATTED, True, False),
    ("-m conntrack {}--ctstate SNAT", NATTED, False, True),
    ("-m conntrack {}--ctstate DNAT", EARLY, False, True),
    ("-m conntrack {}--ctstate NEW,DNAT", SYN, True, False),
    ("-m conntrack {}--ctstate NEW,DNAT", ACK, False, True),
    ("-m conntrack {}--ctstate ESTABLISHED,DNAT", NATTED, True, False),
    ("-m conntrack {}--ctstate ESTABLISHED,SNAT,DNAT", EARLY, False, True),
    ("-m conntrack {}--ctstatus NONE", SYN, False, True),
    ("-m conntrack {}--ctstatus ASSURED,SEEN_REPLY", ACK, True, False),
    ("-m conntrack {}--ctstatus ASSURED,SEEN_REPLY", SYN, False, True),
    ("-m conntrack {}--ctstatus EXPECTED", {**SYN, "ct_status": 1}, True, False),
    ("-m conntrack {}--ctstatus EXPECTED", {**SYN, "ct_status": 0xFFFE}, False, True),
    ("-m conntrack {}--ctstatus CONFIRMED", {**SYN, "ct_status": 8}, True, False),
    ("-m conntrack {}--ctstatus CONFIRMED", {**SYN, "ct_status": 0xFFF7}, False, True),
    ("-m conntrack {}--ctstatus ASSURED", {**SYN, "ct_status": 0xFFFB}, False, True),
    ("-m conntrack {}--ctstatus SEEN_REPLY", {**SYN, "ct_status": 0xFFFD}, False, True),
    ("-m conntrack {}--ctstate SNAT", {**SYN, "ct_status": 0xFFEF}, False, True),
    ("-m conntrack {}--ctstate DNAT", {**SYN, "ct_status": 0xFFDF}, False, True),
    ("-m conntrack {}--ctstatus NONE", EARLY, False, False),
    ("-m conntrack {}--ctproto 17", SYN, False, True),
    ("-m conntrack {}--ctproto tcp", SYN, True, False),
    ("-m conntrack {}--ctproto 17", EARLY, False, False),
    ("-m conntrack {}--ctorigdstport 22", SYN, None, None),
    ("-m conntrack {}--ctorigdstport 22", EARLY, False, False),
    ("-m conntrack {}--ctexpire 1:5", SYN, None, None),
    ("-m state {}--state NEW", SYN, True, False),
    ("-m state {}--state NEW,UNTRACKED", ACK, False, True),
    ("-m mark {}--mark 0x0", SYN, True, False),
    ("-m mark {}--mark 0x1/0x1", SYN, False, True),
    ("-m mark {}--mark 0x1/0x0", SYN, False, True),
    ("-m mark {}--mark 0x2/0x2", {**SYN, "mark": 7}, True, False),
    ("-m connmark {}--mark 0x1", SYN, False, True),
    ("-m connmark {}--mark 0x0/0xff", ACK, True, False),
    ("-m addrtype {}--dst-type LOCAL", SYN, True, False),
    ("-m addrtype {}--dst-type UNICAST", SYN, False, True),
    ("-m addrtype {}--dst-type BROADCAST,MULTICAST,LOCAL", SYN, True, False),
    ("-m addrtype {}--src-type LOCAL", SYN, False, True),
    ("-m addrtype {}--src-type UNICAST", SYN, True, False),
    ("-m addrtype {}--dst-type THROW", SYN, None, None),
    ("-m addrtype {}--src-type LOCAL --limit-iface-in", SYN, None, None),
    ("-m addrtype {}--dst-type LOCAL --limit-iface-out", SYN, None, None),
    ("-m iprange {}--src-range 10.0.0.5-10.0.0.9", SYN, True, False),
    ("-m iprange {}--dst-range 10.0.0.2-10.0.0.9", SYN, False, True),
    ("-m iprange {}--dst-range 10.0.0.1", SYN, True, False),
    ("-m pkttype {}--pkt-type unicast", SYN, True, False),
    ("-m pkttype {}--pkt-type otherhost", SYN, False, True),
    ("-m mac {}--mac-source 00:11:22:33:44:55", SYN, True, False),
    ("-m mac {}--mac-source 00:11:22:33:44:66", SYN, False, True),
    ("-m mac {}--mac-source 00:11:22:33:44:55", LO, False, False),
    ("-m owner {}--uid-owner 7", ANSWER, True, False),
    ("-m owner {}--uid-owner 0-5", ANSWER, False, True),
    ("-m owner {}--gid-owner 8", ANSWER, True, False),
    ("-m owner {}--uid-owner root", ANSWER, None, None),
    ("-m owner {}--gid-owner 8 --suppl-groups", ANSWER, None, None),
    ("-m owner {}--socket-exists", ANSWER, None, None),
    ("-m helper {}--helper ftp", SYN, False, True),
    ("-m recent {}--set --name S --mask 255.255.255.255 --rsource", SYN, True, False),
    ("-m recent {}--rcheck --seconds 30 --name KNOCKED --rsource", SYN, None, None),
    ("-m recent {}--update --seconds 30 --hitcount 6 --name S --rsource", SYN, False, True),
    ("-m recent {}--update --seconds 30 --hitcount 5 --name S --rsource", SYN, None, None),
    ("-m recent {}--update --hitcount 6 --name S --rsource", SYN, None, None),
    ("-m recent {}--remove --name S --rsource", SYN, None, None),
    ("-m conntrack --ctstate NEW -m recent {}--update --seconds 30 --hitcount 2 --name S", SYN, False, True),
    ("-m conntrack --ctstate NEW -m recent {}--update --seconds 30 --hitcount 1 --name S", SYN, None, None),
    ("-m set {}--match-set ports dst", SYN, True, False),
    ("-m set {}--match-set ports src", SYN, False, True),
    ("-m set {}--match-set nets src", SYN, True, False),
    ("-m set {}--match-set nets src,dst", SYN, True, False),
    ("-m set {}--match-set empty src", SYN, False, True),
    ("-m set {}--match-set other src", SYN, False, True),
    ("-m set {}--match-set pairs src,dst", SYN, True, False),
    ("-m set {}--match-set pairs src,dst", UDP, False, True),
    ("-m set {}--match-set pairs src,dst", {**UDP, "saddr": number("10.0.0.7")}, True, False),
    ("-m set {}--match-set pairs src,dst,src", SYN, True, False),
    ("-m set {}--match-set pairs src", SYN, False, True),
    ("-m set {}--match-set masked src", SYN, True, False),
    ("-m set {}--match-set masked src", {**SYN, "saddr": number("10.0.1.0")}, False, True),
    ("-m set {}--match-set bits src", {**SYN, "saddr": number("10.9.9.5")}, True, False),
    ("-m set {}--match-set bits src", {**SYN, "saddr": number("10.9.9.6")}, False, True),
    ("-m set {}--match-set block src", SYN, True, False),
    ("-m set {}--match-set holed src", SYN, True, False),
    ("-m set {}--match-set holed src", {**SYN, "saddr": number("10.0.0.6")}, False, True),
    ("-m set {}--match-set holed src --return-nomatch", SYN, False, True),
    ("-m set {}--match-set holed src --return-nomatch", {**SYN, "saddr": number("10.0.0.6")}, True, False),
    ("-m set {}--match-set nets src --return-nomatch", SYN, False, True),
    ("-m set {}--match-set pairs src,dst --return-nomatch", SYN, True, False),
    ("-m set {}--match-set parts src,dst", SYN, False, True),
    ("-m set {}--match-set parts src,dst", {**SYN, "saddr": number("10.0.0.8")}, True, False),
    ("-m set {}--match-set three src,dst,dst", SYN, True, False),
    ("-m set {}--match-set three src,dst,src", SYN, False, True),
    ("-m set {}--match-set devices src,src", SYN, True, False),
    ("-m set {}--match-set devices src,dst", SYN, False, True),
    ("-m set {}--match-set devices src,src", {**SYN, "saddr": number("11.0.0.1"), "iif": "wan7"}, True, False),
    ("-m set {}--match-set bridged src,src", SYN, None, None),
    ("-m set {}--match-set list src", SYN, True, False),
    ("-m set {}--match-set list dst", {**SYN, "daddr": number("11.0.0.1")}, False, True),
    ("-m set {}--match-set list src,dst", SYN, True, False),
    ("-m set {}--match-set list src,dst", {**SYN, "saddr": number("11.0.0.1")}, False, True),
    ("-m set {}--match-set none src", SYN, False, True),
    ("-m set {}--match-set odd src", SYN, None, None),
    ("-m set {}--match-set missing src", SYN, None, None),
    ("-m set {}--match-set nets inside", SYN, None, None),
    ("-m set {}--match-set nets src --packets-gt 5", SYN, None, None),
    ("-m set {}--match-set ports dst ! --update-counters", SYN, True, False),
]  # fmt: skip


@pytest.mark.case("FW7")
@pytest.mark.parametrize(("line", "packet", "holds", "negated"), BOTH)
def test_a_test_and_its_negation_hold_as_in_the_kernel(line: str, packet: Seen, holds: Any, negated: Any) -> None:
    assert (fits(f"{line.format('')} -j DROP", packet), fits(f"{line.format('! ')} -j DROP", packet)) == (
        holds,
        negated,
    )


# What has no negation, or several tests in one.
SINGLE = [
    ("-p tcp --dport 22 -s 10.0.0.5", SYN, True),  # as ufw writes it into its own files
    ("-p tcp -s 0.0.0.0/0 --dport 23", SYN, False),
    ("-p tcp -m conntrack --ctstate NEW --dport 23", SYN, None),
    ("-p all", SYN, True),
    ("-p hopopt", SYN, True),
    ('-m comment --comment "say \\"hello\\""', SYN, True),
    ("-m conntrack --ctstate INVALID --ctdir REPLY", EARLY, True),
    ("-m conntrack --ctstate INVALID --ctproto 17", EARLY, True),
    ("-m conntrack --ctstate INVALID --ctexpire 1:5", EARLY, True),
    ("-m conntrack --ctstate NEW --ctdir ORIGINAL", SYN, True),
    ("-m conntrack --ctstate NEW --ctdir REPLY", SYN, False),
    ("-m conntrack --ctstate NEW,DNAT --ctdir ORIGINAL ! --ctproto 17", NATTED, True),
    ("-m conntrack ! --ctstate NEW,DNAT --ctdir ORIGINAL", EARLY, True),
    ("-m conntrack --ctdir ORIGINAL", EARLY, False),
    ("-m conntrack --ctdir REPLY", EARLY, False),
    ("-m limit --limit 3/min --limit-burst 10", SYN, True),
    ("-m limit --limit 3/hour", SYN, True),
    ("-m limit --limit 3/hour --limit-burst 4", SYN, None),
    ("-m hashlimit --hashlimit-above 5/sec --hashlimit-burst 5 --hashlimit-mode srcip --hashlimit-name x", SYN, False),
    ("-m hashlimit --hashlimit-upto 5/sec --hashlimit-burst 5 --hashlimit-mode srcip --hashlimit-name x", SYN, True),
    ("-m hashlimit --hashlimit-above 5/sec --hashlimit-burst 4 --hashlimit-name x", SYN, None),
    ("-m hashlimit --hashlimit-upto 1kb/s --hashlimit-mode srcip --hashlimit-name y", SYN, None),
    ("-m hashlimit --hashlimit-upto 5/sec --hashlimit-rate-match --hashlimit-name y", SYN, None),
    ("-m connlimit --connlimit-above 0 --connlimit-mask 32 --connlimit-saddr", SYN, True),
    ("-m connlimit --connlimit-above 1 --connlimit-mask 32 --connlimit-saddr", SYN, False),
    ("-m connlimit --connlimit-upto 0 --connlimit-mask 32 --connlimit-saddr", SYN, False),
    ("-m connlimit --connlimit-upto 1 --connlimit-mask 32 --connlimit-saddr", SYN, True),
    ("-m rpfilter", SYN, True),
    ("-m rpfilter --invert", SYN, False),
    ("-m rpfilter --invert", {**SYN, "saddr_route": 0}, True),
    ("-m rpfilter --loose", {**SYN, "saddr_route": 0}, True),
    ("-m rpfilter --accept-local --validmark", SYN, None),
    ("-s nonsense", SYN, None),
    ("-s fd00::1", SYN, None),
    ("-p tcp --dport ssh", SYN, None),
    ("-p tcp --dport 30:20", SYN, None),
    ("-p udp --dport ssh", SYN, False),  # a doubt about another protocol touches nothing
    ("-m invented --option 1", SYN, None),
    ("-p tcp -m tcp --invented 1 --dport 23", SYN, False),
]  # fmt: skip


@pytest.mark.parametrize(("line", "packet", "holds"), SINGLE)
def test_the_tests_of_a_rule_hold_fail_or_are_not_known(line: str, packet: Seen, holds: Any) -> None:
    assert fits(f"{line} -j DROP", packet) is holds


@pytest.mark.case("FW23")
@pytest.mark.parametrize(("on_interface", "holds"), [(2, True), (1, False)])
def test_an_address_may_have_to_be_on_the_incoming_interface(on_interface: int, holds: bool) -> None:
    packet = {**SYN, "daddr_type_iif": on_interface}
    assert fits("-m addrtype --dst-type LOCAL --limit-iface-in -j ACCEPT", packet) is holds


# IPv6: the kinds of addresses that are looked up and those that are not; headers that a sender may add or leave out.
SIX = [
    ("{}-s fd00::/8", True, False),
    ("{}-s fd00::5/ffff::ff", True, False),
    ("{}-p ipv6-icmp", False, True),
    ("-m addrtype {}--dst-type UNICAST", True, False),
    ("-m addrtype {}--dst-type MULTICAST", False, True),
    ("-m addrtype {}--dst-type LOCAL", True, False),
    ("-m addrtype {}--dst-type UNSPEC", False, True),
    ("-m addrtype {}--dst-type UNICAST,LOCAL", True, False),
    ("-m addrtype {}--dst-type MULTICAST,LOCAL", False, True),
    ("-m addrtype {}--dst-type UNICAST,MULTICAST", False, True),
    ("-m addrtype {}--dst-type ANYCAST", False, True),
    ("-m addrtype {}--dst-type LOCAL --limit-iface-in", True, False),
    ("-m addrtype {}--src-type UNICAST", True, False),
    ("-m addrtype {}--src-type UNICAST,LOCAL", False, True),
    ("-m rt {}--rt-type 0", False, False),
    ("-m frag {}--fragid 5", False, False),
    ("-m hbh {}--hbh-len 5", False, False),
    ("-m dst {}--dst-len 5", False, False),
    ("-m ah {}--ahspi 5", False, False),
    ("-m srh {}--srh-next-hdr 5", False, False),
    ("-m ipv6header {}--header prot --soft", None, None),
    ("-m hl {}--hl-eq 255", None, None),
    ("-m set {}--match-set masked6 src", True, False),
    ("-m set {}--match-set nets src", False, True),
    ("-m iprange {}--src-range fd00::5-fd00::6", True, False),
]


@pytest.mark.case("FW11")
@pytest.mark.parametrize(("line", "holds", "negated"), SIX)
def test_of_ipv6_a_test_and_its_negation_hold_as_in_the_kernel(line: str, holds: Any, negated: Any) -> None:
    found = [fits(f"{line.format(sign)} -j DROP", SYN6, family=6) for sign in ("", "! ")]
    assert found == [holds, negated]


CHOSEN = ["-m frag --fragfirst", "-m hbh --hbh-len 5", "-m dscp ! --dscp 0x00", "-p tcp -m tcp --tcp-option 5"]


@pytest.mark.case("FW12")
@pytest.mark.parametrize("line", CHOSEN)
def test_what_a_sender_puts_in_as_it_likes_is_its_choice(line: str) -> None:
    (rule,) = rules_for(f"{line} -j ACCEPT", family=6)
    assert [test.chosen for test in rule.tests if isinstance(test, Doubt)] == [True]


@pytest.mark.parametrize(
    "line", ["-m hl --hl-eq 255", "-m length --length 0:9", "-m ah --ahspi 5", "-m srh --srh-tag 5"]
)
def test_what_a_sender_cannot_have_as_it_likes_is_not(line: str) -> None:
    (rule,) = rules_for(f"{line} -j ACCEPT", family=6)
    assert [test.chosen for test in rule.tests if isinstance(test, Doubt)] == [False]


def test_a_set_of_the_other_family_holds_nothing_whatever_its_numbers() -> None:
    packet = {**SYN6, "saddr": number("::10.0.0.5")}
    assert [fits(f"-m set {sign}--match-set nets src -j DROP", packet, 6) for sign in ("", "! ")] == [False, True]


@pytest.mark.parametrize("verdict", ["-j ACCEPT", "-j RETURN", "-j web", "-j MARK --set-xmark 1"])
def test_a_header_that_a_sender_may_add_opens_what_it_is_accepted_for(verdict: str) -> None:
    assert fits(f"-m frag --fragfirst {verdict}", SYN6, family=6) is None


# Every match that iptables 1.8.9 has (/usr/lib/x86_64-linux-gnu/xtables), as it prints one, and whether it is exact.
RECORDED = """
ah addrtype bpf:- cgroup:- cluster:- comment connbytes:- connlabel:- connlimit connmark conntrack cpu:- dccp:-
devgroup:- dscp:- dst ecn:- esp:- eui64:- frag hashlimit hbh helper hl:- icmp:- icmp6:- ipcomp:- iprange
ipv6header:- ipvs:- length:- limit mac mark mh multiport nfacct:- osf:- owner physdev:- pkttype policy:- quota:-
rateest:- realm:- recent rpfilter rt sctp:- set socket:- srh state statistic:- string:- tcp tcpmss:- time:- tos:-
ttl:- u32:- udp:- udplite:- l2tp:-
"""
PRINTED = {
    "ah": "-p ah -m ah --ahspi 1",
    "addrtype": "-m addrtype --dst-type LOCAL",
    "bpf": '-m bpf --bytecode "4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0"',
    "cgroup": "-m cgroup --path a",
    "cluster": "-m cluster --cluster-total-nodes 2 --cluster-local-node 1 --cluster-hash-seed 0x1",
    "comment": "-m comment --comment x",
    "connbytes": "-m connbytes --connbytes 0 --connbytes-mode packets --connbytes-dir both",
    "connlabel": "-m connlabel --label 1",
    "connlimit": "-m connlimit --connlimit-upto 3 --connlimit-mask 32 --connlimit-saddr",
    "connmark": "-m connmark --mark 0x0",
    "conntrack": "-m conntrack --ctstate NEW",
    "cpu": "-m cpu --cpu 0",
    "dccp": "-p dccp -m dccp --dccp-types REQUEST",
    "devgroup": "-m devgroup --src-group 0x0",
    "dscp": "-m dscp --dscp 0x00",
    "dst": "-m dst --dst-len 5",
    "ecn": "-p tcp -m ecn --ecn-tcp-cwr",
    "esp": "-p esp -m esp --espspi 1",
    "eui64": "-m eui64",
    "frag": "-m frag --fragid 1",
    "hashlimit": "-m hashlimit --hashlimit-upto 5/sec --hashlimit-burst 5 --hashlimit-name x",
    "hbh": "-m hbh --hbh-len 5",
    "helper": "-m helper --helper ftp",
    "hl": "-m hl --hl-gt 1",
    "icmp": "-p icmp -m icmp --icmp-type 8",
    "icmp6": "-p ipv6-icmp -m icmp6 --icmpv6-type 128",
    "ipcomp": "-p ipcomp -m ipcomp --ipcompspi 1",
    "iprange": "-m iprange --src-range 10.0.0.1-10.0.0.9",
    "ipv6header": "-m ipv6header --header prot --soft",
    "ipvs": "-m ipvs --ipvs",
    "l2tp": "-m l2tp --pid 1",
    "length": "-m length --length 0:1500",
    "limit": "-m limit --limit 3/hour",
    "mac": "-m mac --mac-source 00:11:22:33:44:55",
    "mark": "-m mark --mark 0x0",
    "mh": "-p ipv6-mh -m mh --mh-type 5",
    "multiport": "-p tcp -m multiport --dports 22",
    "nfacct": "-m nfacct --nfacct-name x",
    "osf": "-p tcp -m osf --genre Linux",
    "owner": "-m owner --uid-owner 7",
    "physdev": "-m physdev --physdev-in eth0",
    "pkttype": "-m pkttype --pkt-type unicast",
    "policy": "-m policy --dir in --pol none",
    "quota": "-m quota --quota 100",
    "rateest": "-m rateest --rateest x --rateest-bps 1",
    "realm": "-m realm --realm 0x1",
    "recent": "-m recent --set --name S --rsource",
    "rpfilter": "-m rpfilter",
    "rt": "-m rt --rt-type 0",
    "sctp": "-p sctp -m sctp --chunk-types all INIT",
    "set": "-m set --match-set nets src",
    "socket": "-m socket --nowildcard",
    "srh": "-m srh --srh-next-hdr 5",
    "state": "-m state --state NEW",
    "statistic": "-m statistic --mode random --probability 0.5",
    "string": '-m string --string "-j ACCEPT" --algo bm',
    "tcp": "-p tcp -m tcp --dport 22",
    "tcpmss": "-p tcp -m tcpmss --mss 1:9",
    "time": "-m time --timestart 08:00:00",
    "tos": "-m tos --tos 0x00/0xff",
    "ttl": "-m ttl --ttl-gt 1",
    "u32": '-m u32 --u32 "0x0=0x1"',
    "udp": "-p udp -m udp --invented 1",
    "udplite": "-p udplite -m udplite --invented 1",
}


@pytest.mark.parametrize("name", RECORDED.split())
def test_every_match_that_iptables_has_is_exact_or_a_doubt_with_its_text(name: str) -> None:
    extension, doubtful, _rest = name.partition(":")
    tests = rule_of(f"{PRINTED[extension]} -j DROP").tests
    doubts = [test.text for test in tests if isinstance(test, Doubt)]
    assert bool(doubts) == bool(doubtful)
    assert all(text.startswith(f"-m {extension[:4]}") for text in doubts)


def test_the_recorded_list_of_matches_is_whole() -> None:
    assert {name.partition(":")[0] for name in RECORDED.split()} == PRINTED.keys()


@pytest.mark.case("FW40")
@pytest.mark.parametrize("line", ["-p vrrp", "-p ospf", "-p 112", "-p icmp -m icmp --icmp-type 8", "-p esp -m esp"])
def test_a_rule_about_another_protocol_does_not_touch_tcp_and_udp(line: str) -> None:
    assert [fits(f"{line} -j ACCEPT", packet) for packet in (SYN, UDP)] == [False, False]


@pytest.mark.case("FW40")
def test_a_protocol_that_nobody_knows_is_another_than_tcp_and_udp_in_both_forms() -> None:
    assert [fits("! -p vrrp -j ACCEPT", packet) for packet in (SYN, UDP)] == [True, True]


@pytest.mark.case("FW5")
def test_a_mask_with_holes_counts() -> None:
    line = "-s 0.0.0.2/0.0.0.255 -j ACCEPT"
    addresses = ("10.0.0.2", "192.168.7.2", "10.0.0.3")
    assert [fits(line, {**SYN, "saddr": number(address)}) for address in addresses] == [True, True, False]


@pytest.mark.case("FW8")
@pytest.mark.parametrize(("address", "holds"), [("10.0.0.0", True), ("10.0.0.255", True), ("10.0.1.0", False)])
def test_the_netmask_of_a_set_counts(address: str, holds: bool) -> None:
    assert fits("-m set --match-set masked src -j ACCEPT", {**SYN, "saddr": number(address)}) is holds


@pytest.mark.parametrize(("flag", "bit"), [("FIN", 1), ("SYN", 2), ("RST", 4), ("PSH", 8), ("ACK", 16), ("URG", 32)])
def test_each_flag_is_its_bit(flag: str, bit: int) -> None:
    for bits in (bit, 63 & ~bit):
        line = f"-p tcp -m tcp --tcp-flags {flag} {flag} -j DROP"
        assert fits(line, {**SYN, "tcp_flags": bits}) is (bits == bit)
        assert fits("-p tcp -m tcp --tcp-flags ALL ALL -j DROP", {**SYN, "tcp_flags": bits}) is False


@pytest.mark.case("FW12")
def test_flags_are_asked_of_the_packet_under_their_mask() -> None:
    ecn = {**SYN, "tcp_flags": 2 | 64 | 128}
    assert fits("-p tcp -m tcp --tcp-flags ALL SYN -j DROP", ecn) is True


# A target, the kind of its verdict, the port it leads to. Of what is not listed in iptables.py the verdict is unknown.
TARGETS = [
    ("-j ACCEPT", "accept", None),
    ("-j DROP", "drop", None),
    ("-j REJECT --reject-with icmp-port-unreachable", "reject", None),
    ("-p tcp -j REJECT --reject-with tcp-reset", "reject", None),
    ("-j web", "jump", None),
    ("-g web", "goto", None),
    ("-j RETURN", "return", None),
    ("-j QUEUE", "unknown", None),
    ("-j NFQUEUE --queue-num 1", "unknown", None),
    ("-j NFQUEUE --queue-num 1 --queue-bypass", "unknown", None),
    ("-j SYNPROXY --wscale 7", "unknown", None),
    ("-j TPROXY --on-port 1 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0", "away", None),
    ("-j REDIRECT", "divert", None),
    ("-j REDIRECT --to-ports 8080", "divert", 8080),
    ("-j REDIRECT --to-ports 8080 --random", "divert", 8080),
    ("-j REDIRECT --to-ports 8080-8090", "away", None),
    ("-j DNAT --to-destination 10.0.0.2:80", "divert", 80),
    ("-j DNAT --to-destination 10.0.0.2", "divert", None),
    ("-j DNAT --to-destination :80", "divert", 80),
    ("-j DNAT --to-destination [fd00::2]:81", "divert", 81),
    ("-j DNAT --to-destination fd00::2", "divert", None),
    ("-j DNAT --to-destination 10.0.0.2-10.0.0.9", "away", None),
    ("-j DNAT --to-destination 10.0.0.2:80-90/5", "away", None),
    ("-j DNAT --to-destination nonsense", "unknown", None),
    ("-j NETMAP --to 10.0.0.0/24", "away", None),
    ("-j SNAT --to-source 10.0.0.7", "translate", None),
    ("-j MASQUERADE --random", "translate", None),
    ("-j CT --zone 5", "unknown", None),
    ("-j CT --zone-orig mark", "unknown", None),
    ("-j SET --add-set nets src", "unknown", None),
    ("-j SET --del-set nets src", "unknown", None),
    ("-j TTL --ttl-set 31", "unknown", None),
    ("-j HL --hl-dec 1", "unknown", None),
    ("-j SECMARK --selctx x", "unknown", None),
    ("-j CLUSTERIP --new", "unknown", None),
    ("-j DNPT --src-pfx fd00::/64 --dst-pfx fd01::/64", "unknown", None),
    ("-j INVENTED", "unknown", None),
    ("-m socket --restore-skmark", "unknown", None),
    ("-m recent --rcheck --name x -j ACCEPT --mask 255.255.255.255 --rsource", "unknown", None),
    ("-m recent --rcheck --name x -j ACCEPT --mask 255.255.255.255 --rsource -j DROP", "unknown", None),
    ("-m hashlimit --hashlimit-upto 5/sec --hashlimit-name x -j ACCEPT -j DROP", "unknown", None),
]


@pytest.mark.parametrize(("line", "kind", "port"), TARGETS)
def test_a_target_decides(line: str, kind: str, port: Any) -> None:
    verdict = rule_of(line, "nat", "PREROUTING").verdict
    assert verdict is not None
    assert (verdict.kind, verdict.port) == (kind, port)


def test_a_dnat_leads_to_its_address_or_keeps_it_and_a_redirect_to_one_of_the_host() -> None:
    lines = ("DNAT --to-destination 10.0.0.2:80", "DNAT --to-destination :80", "REDIRECT --to-ports 80")
    verdicts = [rule_of(f"-j {line}", "nat", "PREROUTING").verdict for line in lines]
    assert [(it.address, it.target) for it in verdicts if it] == [(0x0A000002, ""), (None, "same"), (None, "")]


def test_netmap_changes_the_source_of_what_leaves() -> None:
    verdict = rule_of("-j NETMAP --to 10.0.0.0/24", "nat", "POSTROUTING").verdict
    assert verdict is not None and verdict.kind == "translate"


HARMLESS = [
    *('-j LOG --log-prefix "-x- "', "-j LOG --log-prefix -x-", "-j NFLOG", "-j TCPMSS --clamp-mss-to-pmtu", ""),
    *("-j CT --helper ftp", "-j CT", "-j TRACE", "-j TEE --gateway 10.0.0.9", "-j DSCP --set-dscp 0x10", "-j AUDIT"),
    *("-j CHECKSUM --checksum-fill", "-j CLASSIFY --set-class 1:1", "-j TTL --ttl-inc 1", "-j HL --hl-set 32"),
    *("-j SET --map-set nets src --map-prio",),
]


@pytest.mark.parametrize("line", HARMLESS)
def test_a_target_that_decides_nothing_has_no_verdict(line: str) -> None:
    rule = rule_of(line)
    assert (rule.verdict, rule.effects) == (None, ())


# What becomes of a mark 0x6 of the packet and 0x0 of its connection; "any" is what cannot be foretold.
EFFECTS = [
    ("-j MARK --set-xmark 0x4000/0x4000", "mark", 0x4006),
    ("-j MARK --set-xmark 0x0/0xffffffff", "mark", 0),
    ("-j MARK --set-xmark 0x1/0x0", "mark", "any"),
    ("-j MARK --set-xmark 0x9/0x9", "mark", 0xF),
    ("-j MARK --set-xmark 0x0/0xfffffffd", "mark", 2),
    ("-j MARK --set-mark 5", "", "unknown"),
    ("-j HMARK --hmark-tuple src", "mark", "any"),
    ("-j CONNMARK --set-xmark 0x2/0xffffffff", "ct_mark", 2),
    ("-j CONNMARK --left-shift-mark 5", "", "unknown"),
    ("-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff", "ct_mark", "any"),
    ("-j CONNMARK --save-mark --nfmask 0x8 --ctmask 0xff", "ct_mark", 0),
    ("-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff", "mark", 0),
    ("-j CONNMARK --restore-mark --nfmask 0x2 --ctmask 0x2", "mark", 4),
    ("-j CT --notrack", "ct_state", 64),
    ("-j NOTRACK", "ct_state", 64),
    ("-j SET --map-set nets src --map-mark", "mark", "any"),
]


@pytest.mark.parametrize(("line", "field", "value"), EFFECTS)
def test_a_target_changes_the_packet(line: str, field: str, value: Any) -> None:
    packet = {**SYN, "mark": 6}
    (rule,) = [rule for rule in rules_for(line) if all(outcome(test, packet) for test in rule.tests)]
    if value == "unknown":
        assert rule.verdict is not None and rule.verdict.kind == value
        return
    (effect,) = rule.effects
    mask = 0xFFFFFFFF if effect.mask is None else effect.mask
    changed = "any" if effect.value is None else packet[field] & ~mask | effect.value
    assert (effect.field, changed) == (field, value)


@pytest.mark.parametrize("line", ["-j CONNMARK --save-mark", "-j CONNMARK --restore-mark"])
def test_marks_are_copied_where_there_is_a_connection(line: str) -> None:
    assert [fits(line, packet) for packet in (SYN, EARLY, UNTRACKED)] == [True, False, False]


# Comments and prefixes as iptables-save prints them, and what the comment was. Beside them -j ACCEPT would be seen.
QUOTED = [
    ("-f", "-f"),
    ("-j", "-j"),
    ('"a -j ACCEPT"', "a -j ACCEPT"),
    ('"-- ssh from office --"', "-- ssh from office --"),
    ('"!"', "!"),
    ('""', ""),
    ('"two\n-A INPUT -j ACCEPT\nCOMMIT"', "two\n-A INPUT -j ACCEPT\nCOMMIT"),
    ('"it\\\'s \\"x\\" \\\\ back"', 'it\'s "x" \\ back'),
    ('"# no line"', "# no line"),
    ('"\u2028\x85 -j ACCEPT"', "\u2028\x85 -j ACCEPT"),
]


@pytest.mark.case("FW14")
@pytest.mark.parametrize(("printed", "comment"), QUOTED)
def test_text_in_quotes_is_text(printed: str, comment: str) -> None:
    (table,) = parse(f"*filter\n:INPUT DROP [0:0]\n-A INPUT -i lo -m comment --comment {printed} -j DROP\nCOMMIT\n")
    (rule,) = table.chains["INPUT"].rules
    assert rule.verdict is not None
    assert (rule.comment, rule.verdict.kind, len(rule.tests)) == (comment, "drop", 1)


@pytest.mark.case("FW14")
def test_a_prefix_of_a_log_line_is_text_too() -> None:
    assert rule_of('-j LOG --log-prefix "-j ACCEPT " --log-level 7').verdict is None


# Where the kernel has each table's chains (enum nf_ip_hook_priorities; `security` of iptables-nft: nft list ruleset).
PLACES = """
raw PREROUTING -300, raw OUTPUT -300, mangle PREROUTING -150, mangle INPUT -150, mangle FORWARD -150
mangle OUTPUT -150, mangle POSTROUTING -150, nat PREROUTING -100, nat INPUT 100, nat OUTPUT -100, nat POSTROUTING 100
filter INPUT 0, filter FORWARD 0, filter OUTPUT 0, security INPUT {0}, security FORWARD {0}, security OUTPUT {0}
"""


@pytest.mark.parametrize(("backend", "security"), [(XTABLES, 150), (LEGACY, 50)])
def test_built_in_chains_get_hooks_priorities_and_policies(backend: str, security: int) -> None:
    places = [place.split() for place in PLACES.format(security).replace("\n", ",").split(",") if place]
    chains = {}
    for table, chain, priority in places:
        text = f"*{table}\n:{chain} DROP [0:0]\n:web - [0:0]\nCOMMIT\n"
        (found,) = parse(text, backend=backend)
        chains[table, chain] = found.chains[chain]
        assert found.chains["web"].hook == ""
        assert (found.chains[chain].hook, found.chains[chain].priority) == (chain.lower(), int(priority))
    assert len(chains) == 17
    assert {chain.policy for chain in chains.values()} == {"drop"}
    assert {table for (table, _name), chain in chains.items() if chain.nat} == {"nat"}


def test_rules_have_their_place_their_counter_and_their_text() -> None:
    text = "*nat\n:PREROUTING ACCEPT [5:6]\n:DOCKER - [0:0]\n[1:2] -A PREROUTING -j DOCKER\n-A PREROUTING -i lo\n"
    (nat,) = parse(f"{text}-A DOCKER -c 7 8 -j RETURN\n-I DOCKER -j RETURN\nCOMMIT\n")
    rules = [*nat.chains["PREROUTING"].rules, *nat.chains["DOCKER"].rules]
    assert [(str(rule), rule.packets) for rule in rules] == [
        ("ip nat PREROUTING rule 1: -j DOCKER", 1),
        ("ip nat PREROUTING rule 2: -i lo", None),
        ("ip nat DOCKER rule 1: -j RETURN", None),
        ("ip nat DOCKER rule 1: -j RETURN", 7),
    ]


def test_each_line_is_one_place_however_many_rules_it_stands_for() -> None:
    lines = ("-i lo -j ACCEPT", "-m conntrack --ctstate NEW,DNAT -j ACCEPT", "stray words", "-j DROP")
    body = "".join(f"-A INPUT {line}\n" for line in lines)
    dump = Dump(XTABLES, 4, f"*filter\n:INPUT DROP [0:0]\n:web - [0:0]\n{body}COMMIT\n", {})
    found = parse_lines(dump)
    assert found["filter", "web"] == []
    assert [[rule.text for rule in line] for line in found["filter", "INPUT"]] == [
        [lines[0]],
        [lines[1]] * 2,
        [lines[2]],
        [lines[3]],
    ]
    (table,) = parse_save(dump)
    assert table.chains["INPUT"].rules == tuple(rule for line in found["filter", "INPUT"] for rule in line)


def test_a_list_of_a_few_sets_is_exact_and_one_of_many_is_a_doubt() -> None:
    text = "create l list:set\n" + "".join(f"create s{n} hash:ip\nadd s{n} 10.0.0.{n}\nadd l s{n}\n" for n in range(9))
    for sets, holds in ((text, None), (text.replace("add l s8\n", ""), True)):
        save = "*filter\n:INPUT DROP [0:0]\n-A INPUT -m set --match-set l src -j ACCEPT\nCOMMIT\n"
        (table,) = parse_save(Dump(XTABLES, 4, save, parse_ipsets(sets)))
        found = [[outcome(test, SYN) for test in rule.tests] for rule in table.chains["INPUT"].rules]
        assert [all(way) for way in found if False not in way] == ([False] if holds is None else [True])


def test_a_line_stands_for_so_many_rules_and_no_more() -> None:
    ways = " ".join(["-m conntrack --ctstate NEW,DNAT"] * 3)
    assert len(rules_for(f"{ways} -j DROP")) == 8
    assert [rule.tests for rule in rules_for(f"{ways} -m conntrack --ctstate NEW,DNAT -j DROP")] == [
        (Doubt(f"{ways} -m conntrack --ctstate NEW,DNAT -j DROP"),)
    ]


ODD_RULES = ["stray words", "--dport 22", "! stray", "-m", " ".join(["-m conntrack --ctstate NEW,DNAT"] * 5)]


@pytest.mark.parametrize("line", ODD_RULES)
def test_a_rule_of_another_form_costs_that_rule(line: str) -> None:
    (table,) = parse(f"*filter\n:INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\n-A INPUT {line}\nCOMMIT\n")
    good, odd = table.chains["INPUT"].rules
    assert good.verdict is not None and good.verdict.kind == "accept"
    assert odd.verdict is not None and odd.verdict.kind == "unknown"
    assert odd.tests == (Doubt(line),)


BROKEN = [
    ("*filter\n:INPUT DROP [0:0]\n-A INPUT -j ACCEPT\n", "does not end with COMMIT"),
    ("*filter\n:INPUT DROP [0:0]\n*nat\nCOMMIT\n", "line 3"),
    (":INPUT DROP [0:0]\nCOMMIT\n", "does not begin with"),
    ("*invented\nCOMMIT\n", "line 1"),
    ("*filter\n:INPUT QUEUE [0:0]\nCOMMIT\n", "line 2"),
    ("*filter\n:INPUT\nCOMMIT\n", "line 2"),
    ("*filter\n:web DROP [0:0]\nCOMMIT\n", "line 2"),
    ("*filter\n:INPUT DROP [0:0]\n-A MISSING -j ACCEPT\nCOMMIT\n", "line 3"),
    ("*filter\n:INPUT DROP [0:0]\n-X INPUT\nCOMMIT\n", "line 3"),
    ('*filter\n:INPUT DROP [0:0]\n-A INPUT -m comment --comment "open\nCOMMIT\n', "line 3"),
]


@pytest.mark.parametrize(("text", "named"), BROKEN)
def test_a_broken_frame_is_an_error_that_names_the_line(text: str, named: str) -> None:
    with pytest.raises(ParseError, match=named):
        parse(text)


SPELLINGS = [
    ("-p tcp --dport 22 -j ACCEPT", "-p tcp -m tcp --dport 22 -j ACCEPT"),
    ("-p tcp -s 10.0.0.9/24 --syn --dport 22 -j ACCEPT", "-s 10.0.0.0/24 -p tcp -m tcp --dport 22 --syn -j ACCEPT"),
]


@pytest.mark.parametrize(("ours", "printed"), SPELLINGS)
def test_ufws_spelling_means_what_the_kernels_does(ours: str, printed: str) -> None:
    one, other = ({str(test._replace(text="")) for test in rule_of(line).tests} for line in (ours, printed))
    assert one == other


def test_a_comment_of_an_element_is_text() -> None:
    forged = 'create c hash:net family inet comment\nadd c 10.0.0.0/8 comment "x nomatch\nadd c 11.0.0.0/8"\n'
    assert parse_ipsets(forged)["c"].rows == (((10 << 24, 11 << 24),),)


@pytest.mark.parametrize("element", ["nonsense", "fd00::1", "10.0.0.9-10.0.0.1"])
def test_an_odd_element_costs_its_set_alone(element: str) -> None:
    sets = parse_ipsets(f"create a hash:ip family inet\nadd a {element}\ncreate b hash:ip\nadd b 10.0.0.1\n")
    assert (bool(sets["a"].odd), sets["b"].odd) == (True, "")


ODD_SETS = [
    "create x hash:ip,mac", "create x hash:ip,port family inet bitmask 255.0.0.255",
    "create x hash:net,net\nadd x 10.0.0.0/8,11.0.0.0/8 nomatch", "create x hash:ip,port\nadd x 1.2.3.4",
    "create x hash:net,iface\nadd x 10.0.0.0/8,e wildcard\nadd x 10.0.0.0/8,eth0 nomatch",
    "create x hash:ip netmask nonsense", "create x hash:ip bitmask nonsense",
]  # fmt: skip


@pytest.mark.parametrize("text", ODD_SETS)
def test_a_set_that_is_not_modelled_is_odd(text: str) -> None:
    assert parse_ipsets(text)["x"].odd


def test_a_line_that_ipset_does_not_print_is_an_error_that_names_it() -> None:
    with pytest.raises(ParseError, match="ipset save, line 2"):
        parse_ipsets("create x hash:ip\nnonsense\n")


def test_a_name_with_a_blank_costs_nothing_else() -> None:
    sets = parse_ipsets("create a b hash:ip\nadd a b 10.0.0.1\ncreate c hash:ip\nadd c 10.0.0.1\n")
    assert [sorted(sets), sets["c"].odd] == [["c"], ""]


def test_a_set_of_100000_is_read_in_well_under_a_second() -> None:
    added = "".join(f"add big 10.{n >> 15}.{n >> 7 & 255}.{n << 1 & 255},tcp:22\n" for n in range(100_000))
    begun = time.process_time()
    (row,) = parse_ipsets(f"create big hash:ip,port family inet\n{added}")["big"].rows
    assert len(row[0]) == 200_000
    assert time.process_time() - begun < 3  # it takes 0.5 s; what grows with the square takes minutes
