# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.ipset import parse_ipsets
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.iptables import Dump, parse_save
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.packet import Packet, fitting_sources
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import XTABLES, FilterRule

SSH = Packet(4, 6, 0x0A000001, 22, 40000, "eth0")
SETS = parse_ipsets(
    "create ports bitmap:port range 0-1000\nadd ports 20-25\ncreate nets hash:net\nadd nets 10.0.0.0/8 timeout 5\n"
    "create pairs hash:ip,port\nadd pairs 10.0.0.5,tcp:22\ncreate odd hash:mac\ncreate holed hash:net\n"
    "add holed 10.0.0.0/8\nadd holed 10.1.0.0/16 nomatch\n"
)


def parse(text: str, family: int = 4) -> Any:
    return parse_save(Dump(XTABLES, family, text, SETS))


def rule_of(line: str, table: str = "filter", chain: str = "INPUT") -> FilterRule:
    (found,) = parse(f"*{table}\n:{chain} ACCEPT [0:0]\n:web - [0:0]\n-A {chain} {line}\nCOMMIT\n")
    (rule,) = found.chains[chain].rules
    return rule


def fits(line: str) -> Any:
    """Return whether the tests of a rule hold for a TCP connection to port 22 by eth0; None where that is not known."""
    outcomes = [fitting_sources(test, SSH) for test in rule_of(line).tests]
    if any(outcome == () for outcome in outcomes):
        return False
    return None if None in outcomes else True


TESTS = [
    ("-p tcp -m tcp --dport 22", True),
    ("-p tcp --dport 22 -s 10.0.0.1", True),  # as ufw writes it into its own files
    ("-p udp -m udp --dport 22", False),
    ("-p 6", True),
    ("! -p tcp", False),
    ("-p all", True),
    ("-p tcp -m tcp ! --dport 22", False),
    ("-p tcp -m tcp --dport 20:30", True),
    ("-p tcp -m tcp --dport :30", True),
    ("-p tcp -m tcp --sport 1024:", True),
    ("-p tcp -m multiport --dports 80,20:25", True),
    ("-p tcp -m multiport --ports 40000", True),
    ("-p tcp -m multiport ! --dports 22", False),
    ("-i eth0", True),
    ("-i eth+", True),
    ("! -i lo", True),
    ("-o eth0", False),
    ("! -o eth0", True),
    ("-f", False),
    ("-p tcp -m tcp --syn", True),
    ("-p tcp -m tcp ! --syn", False),
    ("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN", True),
    ("-p tcp -m tcp --tcp-flags ALL NONE", False),
    ("-p tcp -m tcp --tcp-option 5", None),
    ("-m conntrack --ctstate NEW,ESTABLISHED", True),
    ("-m conntrack --ctstate RELATED,ESTABLISHED", False),
    ("-m conntrack --ctstate DNAT", False),
    ("-m conntrack ! --ctstate INVALID", True),
    ("-m conntrack --ctorigdstport 22", None),
    ("-m state --state NEW", True),
    ('-m comment --comment "say \\"hello\\""', True),
    ("-m addrtype --dst-type LOCAL", True),
    ("-m addrtype --dst-type BROADCAST,MULTICAST", False),
    ("-m addrtype --src-type LOCAL", False),
    ("-m mark --mark 0x0", True),
    ("-m mark --mark 0x1/0x1", False),
    ("-m connmark ! --mark 0x1", True),
    ("-m limit --limit 3/min --limit-burst 10", True),
    ("-m hashlimit --hashlimit-above 5/sec --hashlimit-mode srcip --hashlimit-name x", False),
    ("-m hashlimit --hashlimit-upto 5/sec --hashlimit-mode srcip --hashlimit-name x", True),
    ("-m connlimit --connlimit-above 5 --connlimit-mask 32 --connlimit-saddr", False),
    ("-m recent --set --name SSH --mask 255.255.255.255 --rsource", True),
    ("-m recent --update --seconds 30 --hitcount 6 --name SSH", False),
    ("-m recent --rcheck --seconds 30 --name KNOCKED", None),
    ("-m rpfilter --invert", False),
    ("-m rpfilter", True),
    ("-m pkttype --pkt-type multicast", False),
    ("-m set --match-set ports dst", True),
    ("-m set ! --match-set ports dst", False),
    ("-m set --match-set odd src", None),
    ("-m set --match-set holed src", None),
    ("-m set --match-set missing src", None),
    ("-m set --match-set pairs src,dst,dst", None),
    ("-m time --timestart 08:00", None),
    ("-m owner --uid-owner 0", None),
    ("-m invented --option 1", None),
    ("-p nonsense", None),
    ("-s fd00::1", None),
]


@pytest.mark.parametrize(("line", "expected"), TESTS)
def test_the_tests_of_a_rule_hold_fail_or_are_not_known(line: str, expected: Any) -> None:
    assert fits(f"{line} -j DROP") is expected


SOURCES = [
    ("-s 10.0.0.0/8", "10.9.9.9", "11.0.0.0"),
    ("-s 10.0.0.0/255.0.0.0", "10.9.9.9", "11.0.0.0"),
    ("! -s 10.0.0.0/8", "11.0.0.0", "10.9.9.9"),
    ("-m iprange --src-range 10.0.0.5-10.0.0.9", "10.0.0.9", "10.0.0.10"),
    ("-m set --match-set nets src", "10.1.1.1", "11.0.0.0"),
    ("-m set --match-set pairs src,dst", "10.0.0.5", "10.0.0.6"),
]


@pytest.mark.parametrize(("line", "inside", "outside"), SOURCES)
def test_sources_are_cut_out(line: str, inside: str, outside: str) -> None:
    import ipaddress

    from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import contains

    found = [fitting_sources(test, SSH) for test in rule_of(f"{line} -j DROP").tests]
    assert [
        all(contains(part, int(ipaddress.ip_address(text))) for part in found if part) for text in (inside, outside)
    ] == [True, False]


TARGETS = [
    ("-j ACCEPT", "accept", None),
    ("-j DROP", "drop", None),
    ("-j REJECT --reject-with icmp-port-unreachable", "reject", None),
    ("-j web", "jump", None),
    ("-g web", "goto", None),
    ("-j RETURN", "return", None),
    ("-j NFQUEUE --queue-num 1", "unknown", None),
    ("-j SYNPROXY --wscale 7", "unknown", None),
    ("-j TPROXY --on-port 1", "away", None),
    ("-j REDIRECT --to-ports 8080", "divert", 8080),
    ("-j REDIRECT --to-ports 8080-8090", "away", None),
    ("-j DNAT --to-destination 10.0.0.2:80", "divert", 80),
    ("-j DNAT --to-destination [fd00::2]:81", "divert", 81),
    ("-j DNAT --to-destination 10.0.0.2-10.0.0.9", "away", None),
    ("-j DNAT --to-destination nonsense", "unknown", None),
    ("-j INVENTED", "unknown", None),
]


@pytest.mark.parametrize(("line", "kind", "port"), TARGETS)
def test_a_target_decides(line: str, kind: str, port: Any) -> None:
    verdict = rule_of(line, "nat", "PREROUTING").verdict
    assert verdict is not None
    assert (verdict.kind, verdict.port) == (kind, port)


@pytest.mark.parametrize(
    "line", ['-j LOG --log-prefix "-x- "', "-j NFLOG", "-j TCPMSS --clamp-mss-to-pmtu", "", "-j CT --helper ftp"]
)
def test_a_target_that_decides_nothing_has_no_verdict(line: str) -> None:
    assert rule_of(line).verdict is None


EFFECTS = [
    ("-j MARK --set-xmark 0x4000/0x4000", "mark", 0x4000),
    ("-j MARK --set-xmark 0x0/0xffffffff", "mark", 0),
    ("-j MARK --set-xmark 0x1/0x0", "mark", None),
    ("-j CONNMARK --set-xmark 0x2/0xffffffff", "ct_mark", 2),
    ("-j CONNMARK --save-mark", "ct_mark", None),
    ("-j CONNMARK --restore-mark", "mark", None),
    ("-j CT --notrack", "ct_state", 64),
    ("-j NOTRACK", "ct_state", 64),
]


@pytest.mark.parametrize(("line", "field", "value"), EFFECTS)
def test_a_target_changes_the_packet(line: str, field: str, value: Any) -> None:
    assert getattr(SSH.changed(rule_of(line).effects), field) == value


def test_tables_get_hooks_priorities_policies_and_counters_are_skipped() -> None:
    declared = "# Generated\n*nat\n:PREROUTING ACCEPT [5:6]\n:INPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n"
    (nat,) = parse(declared + "[1:2] -A PREROUTING -j DOCKER\nCOMMIT\n" + "*filter\n:INPUT DROP [0:0]\nCOMMIT\n")[:1]
    assert [(chain.name, chain.hook, chain.priority, chain.nat) for chain in nat.chains.values()] == [
        ("PREROUTING", "prerouting", -100, True),
        ("INPUT", "input", 100, True),
        ("DOCKER", "", 0, False),
    ]
    assert str(nat.chains["PREROUTING"].rules[0]) == "ip nat PREROUTING rule 1: -j DOCKER"


BROKEN = [
    ("*filter\n:INPUT DROP [0:0]\n-A INPUT -j ACCEPT\n", "does not end with COMMIT"),
    (":INPUT DROP [0:0]\nCOMMIT\n", "does not begin with"),
    ("*filter\n:INPUT DROP [0:0]\n-A MISSING -j ACCEPT\nCOMMIT\n", "line 3"),
    ("*filter\n:INPUT DROP [0:0]\n-X INPUT\nCOMMIT\n", "line 3"),
    ("*filter\n:INPUT DROP [0:0]\n-A INPUT stray words\nCOMMIT\n", "line 3"),
    ('*filter\n:INPUT DROP [0:0]\n-A INPUT -m comment --comment "open\nCOMMIT\n', "line 3"),
]


@pytest.mark.parametrize(("text", "named"), BROKEN)
def test_text_of_another_form_is_an_error_that_names_the_line(text: str, named: str) -> None:
    with pytest.raises(ParseError, match=named):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "add nobody 10.0.0.1",
        "create x",
        "create x hash:ip\nadd x not-an-address",
        "create x hash:ip,port\nadd x 1.2.3.4",
    ],
)
def test_ipsets_of_another_form_are_an_error_that_names_the_line(text: str) -> None:
    with pytest.raises(ParseError, match="ipset save, line"):
        parse_ipsets(text)
