# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole exchange, case by case. What is expected was tried on kernel 6.18 in network namespaces (connect, data)."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.listeners import Listener, listeners_of
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model import evaluate
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.exposure import Exposer
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import spanning
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.network import Network, Stack
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import (
    ACCEPT,
    AWAY,
    DIVERT,
    DROP,
    NFT,
    TRANSLATE,
    Chain,
    Doubt,
    Effect,
    FilterRule,
    Gap,
    Match,
    Ruleset,
    Table,
    Verdict,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.walk import Budget
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.model import Socket

from .small import numbers

OWN, OTHER, PEER, CONTAINER = (numbers(text)[0] for text in ("10.1.0.1", "10.2.0.1", "10.1.0.2", "172.17.0.2"))
NEAR, FAR = numbers("10.1.0.0/24"), numbers("10.2.0.0/24")
LOOPBACK_NET = numbers("127.0.0.0/8")


def network(**stack: Any) -> Network:
    """Return a host between two networks, va and vb."""
    known = Stack(
        owned={"va": {4: (OWN,)}, "vb": {4: (OTHER,)}, "lo": {4: (LOOPBACK_NET[0] + 1,)}},
        indexes={"va": 3, "vb": 5, "lo": 1},
        near={4: {"va": NEAR, "vb": FAR}},
        **{"localnet": frozenset(), **stack},
    )
    return Network({4: (OWN, OTHER), 6: ()}, {4: {"va": NEAR, "vb": FAR}, 6: {}}, stack=known)


def asks(field: str, *allowed: Any, no: bool = False, mask: Any = None) -> Match:
    """Return a test: of one number, of a span, or of a name."""
    first = allowed[0]
    rows = (frozenset([first]),) if isinstance(first, str) else (spanning(first, allowed[-1]),)
    return Match((field,), (rows,), field, no, mask)


def rule(*tests: Any, do: Any = DROP, effects: tuple[Effect, ...] = ()) -> FilterRule:
    verdict = Verdict(do) if isinstance(do, str) else do
    return FilterRule("here", "a rule", tuple(tests), effects, verdict)


def rules(*chains: Chain, gaps: tuple[Gap, ...] = (), dormant: bool = False) -> Ruleset:
    """Return a ruleset of chains, each in a table of its own."""
    tables = [
        Table(NFT, "inet", f"t{place}", {chain.name: chain}, dormant and not place)
        for place, chain in enumerate(chains)
    ]
    return Ruleset(tuple(tables), gaps=gaps)


def listener(address: str = "0.0.0.0", port: int = 8000, proto: str = "tcp", device: str = "") -> Listener:
    return listeners_of([Socket(proto, 4, address, port, 1, 0, device=device)])[0]


def closed(*accepting: FilterRule) -> Chain:
    return Chain("input", accepting, "input", policy=DROP)


def hook(name: str, priority: int, *held: FilterRule, **more: Any) -> Chain:
    return Chain(f"{name}{priority}", held, name, priority, **more)


PORT, FROM_PORT = asks("dport", 8000), asks("sport", 8000)
TO_8000 = hook("prerouting", -100, rule(asks("dport", 8080), do=Verdict(DIVERT, port=8000)), nat=True)
NOTRACK = (Effect("ct_state", 64),)
TRACKED = hook("input", 50, rule(asks("ct_state", 1)))  # drops what conntrack finds invalid, and needs conntrack
ESTABLISHED, NEW = asks("ct_state", 2), asks("ct_state", 8)

CASES: list[tuple[str, str, Ruleset, str]] = [
    ("FW2", "a dormant table decides nothing", rules(closed(), dormant=True), "open"),
    ("FW3", "oif is empty in input, so != holds", rules(closed(rule(asks("oif", "wan0", no=True), do=ACCEPT))), "open"),
    ("FW5", "a network mask is exact", rules(closed(rule(asks("saddr", NEAR[0], mask=0xFFFFFF00), do=ACCEPT))), "open"),
    ("FW5", "another mask is not", rules(closed(rule(asks("saddr", 2, mask=255), do=ACCEPT))), "unknown"),
    ("FW6", "an interface by number", rules(closed(rule(asks("iif_index", 2, 9999), do=ACCEPT))), "open"),
    ("FW6", "another number", rules(closed(rule(asks("iif_index", 4, 9999), do=ACCEPT))), "filtered"),
    ("FW7", "no mark without an entry", rules(hook("prerouting", -300, rule(asks("ct_mark", 0)))), "open"),
    ("FW7", "nor another one", rules(hook("prerouting", -300, rule(asks("ct_mark", 1, no=True)))), "open"),
    ("FW7", "with an entry it is 0", rules(hook("prerouting", -150, rule(asks("ct_mark", 0)))), "filtered"),
    ("FW7", "a mark of no entry stays nowhere",
     rules(hook("prerouting", -300, rule(do=None, effects=(Effect("ct_mark", 7),))),
           hook("output", 0, rule(asks("ct_mark", 7)))), "open"),
    ("FW7", "that of an entry reaches the answer",
     rules(hook("prerouting", -150, rule(do=None, effects=(Effect("ct_mark", 7),))),
           hook("output", 0, rule(asks("ct_mark", 7)))), "filtered"),
    ("FW9", "equal priorities that do not commute",
     rules(hook("input", 0, rule(asks("mark", 1))), hook("input", 0, rule(do=None, effects=(Effect("mark", 1),)))),
     "unknown"),
    ("FW9", "equal priorities that do",
     rules(hook("input", 0, rule(PORT)), hook("input", 0, rule(do=None, effects=(Effect("mark", 1),)))), "filtered"),
    ("FW10", "a chain of nat at -150 runs at -100",
     rules(hook("prerouting", -150, *TO_8000.rules, nat=True), hook("prerouting", -120, rule(PORT))), "open"),
    ("FW10", "behind the place of nat the port is another",
     rules(TO_8000, hook("prerouting", -90, rule(PORT))), "filtered"),
    ("FW10", "nat alone may not be passed", rules(hook("prerouting", -100, rule(PORT), nat=True)), "unknown"),
    ("FW10", "with conntrack it is", rules(hook("prerouting", -100, rule(PORT), nat=True), TRACKED), "filtered"),
    ("FW12", "the sender chooses ECN", rules(hook("input", 0, rule(asks("tcp_flags", 2)))), "open"),
    ("FW12", "or not to", rules(hook("input", 0, rule(asks("tcp_flags", 2, mask=2)))), "filtered"),
    ("FW12", "a bare ACK is not all", rules(hook("input", 0, rule(asks("tcp_flags", 16)))), "unknown"),
    ("FW13", "a write into the packet",
     rules(hook("prerouting", 0, rule(do=None, effects=(Effect("dport", 53),)))), "unknown"),
    ("FW20", "no answer leaves", rules(hook("output", 0, policy=DROP)), "filtered"),
    ("FW20", "its port on the way out", rules(hook("postrouting", 0, rule(FROM_PORT))), "filtered"),
    ("FW20", "data is established", rules(hook("output", 0, rule(ESTABLISHED))), "filtered"),
    ("FW20", "an answer is not new", rules(hook("output", 0, rule(NEW))), "open"),
    ("FW20", "NEW alone lets no data in", rules(closed(rule(NEW, do=ACCEPT))), "filtered"),
    ("FW20", "no uid is known of an answer", rules(hook("output", 0, rule(asks("skuid", 0)))), "unknown"),
    ("FW20", "a first packet has none that is accepted",
     rules(closed(rule(asks("skuid", 0), do=ACCEPT), rule(ESTABLISHED, do=ACCEPT))), "filtered"),
    ("FW20", "a first packet has none", rules(hook("prerouting", 0, rule(asks("skuid", 0, no=True)))), "open"),
    ("FW20", "an own packet has no sender's MAC", rules(hook("output", 0, rule(asks("ether_saddr", 1)))), "open"),
    ("FW23", "the interface's own address", rules(closed(rule(asks("daddr_type_iif", 2), do=ACCEPT))), "open"),
    ("FW24", "not 0x20 exactly", rules(hook("input", 0, rule(asks("ct_status", 32, no=True)))), "filtered"),
    ("FW24", "of an answer", rules(hook("output", 0, rule(FROM_PORT, asks("ct_status", 10)))), "filtered"),
    ("FW24", "of a chain of nat", rules(hook("prerouting", -90, nat=True), TRACKED,
                                        hook("input", 0, rule(PORT, asks("ct_status", 0x100)))), "filtered"),
    ("FW25", "what is not modelled and may stop it", rules(gaps=(Gap("bridge t: drop"),)), "unknown"),
    ("FW25", "of another interface", rules(gaps=(Gap("bridge t: drop", devices=("vb",)),)), "open"),
    ("FW25", "what is stopped in any case stays so", rules(closed(), gaps=(Gap("bridge t"),)), "filtered"),
    ("FW30", "untracked is neither new nor established",
     rules(hook("prerouting", -300, rule(do=None, effects=NOTRACK)),
           closed(rule(NEW, do=ACCEPT), rule(ESTABLISHED, do=ACCEPT))), "filtered"),
    ("FW30", "its answer is invalid",
     rules(hook("prerouting", -300, rule(do=None, effects=NOTRACK)),
           hook("output", 0, rule(FROM_PORT, asks("ct_state", 1)))), "filtered"),
    ("FW30", "notrack on the way out: the next packet is invalid",
     rules(hook("output", -300, rule(FROM_PORT, do=None, effects=NOTRACK)), TRACKED), "filtered"),
    ("FW30", "notrack too late", rules(hook("prerouting", 0, rule(do=None, effects=NOTRACK)),
                                       closed(rule(asks("ct_state", 2, 8), do=ACCEPT))), "open"),
    ("FW40", "what the sender chooses opens", rules(closed(rule(Doubt("ttl 3", chosen=True), do=ACCEPT))), "open"),
    ("FW40", "what the sender chooses is no promise", rules(hook("input", 0, rule(Doubt("x", chosen=True)))), "open"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("held", "expected"),
    [pytest.param(*case[2:], id=case[1], marks=pytest.mark.case(case[0])) for case in CASES],
)
def test_a_neighbour_gets_through_where_the_kernel_lets_it(held: Ruleset, expected: str) -> None:
    assert Exposer(held, network()).outside(listener(), 4).verdict(spanning(PEER, PEER)) == expected


def redirected(**to: Any) -> Ruleset:
    return rules(hook("prerouting", -100, rule(asks("dport", 8080), do=Verdict(DIVERT, **to)), nat=True))


LOOPBACK = [
    ("no setting", redirected(address=LOOPBACK_NET[0] + 1, port=8001), {}, "filtered"),
    ("the setting", redirected(address=LOOPBACK_NET[0] + 1, port=8001), {"localnet": frozenset(["va"])}, "open"),
    ("another interface's", redirected(address=LOOPBACK_NET[0] + 1, port=8001), {"localnet": frozenset(["vb"])},
     "filtered"),
    ("no such setting exists (pf)", redirected(address=LOOPBACK_NET[0] + 1, port=8001), {"localnet": None}, "open"),
    ("neighbours without any rule", rules(), {"localnet": frozenset(["va"])}, "open"),
    ("a redirect leads to the interface", redirected(port=8001), {"localnet": frozenset(["va"])}, "filtered"),
]  # fmt: skip


@pytest.mark.case("FW4")
@pytest.mark.parametrize(("held", "stack", "expected"), [row[1:] for row in LOOPBACK], ids=[row[0] for row in LOOPBACK])
def test_a_loopback_listener_is_reached_by_dnat_and_route_localnet(
    held: Ruleset, stack: dict[str, Any], expected: str
) -> None:
    if expected == "filtered" and not held.tables[0].chains["prerouting-100"].rules[0].verdict.address:
        held = rules(closed(), *(chain for table in held.tables for chain in table.chains.values()))
    exposure = Exposer(held, network(**stack)).outside(listener("127.0.0.1", 8001), 4)
    assert exposure.verdict(spanning(PEER, PEER)) == expected


DEVICES = [("", "open", "open"), ("va", "open", "filtered"), ("vb", "filtered", "open"), ("lo", "filtered", "filtered")]


@pytest.mark.case("FW22")
@pytest.mark.parametrize(("device", "near", "far"), DEVICES)
def test_a_socket_bound_to_a_device_is_reached_by_it_only(device: str, near: str, far: str) -> None:
    waiting = listener(device=device)
    exposure = Exposer(rules(), network()).outside(waiting, 4)
    assert [exposure.verdict(sources) for sources in ((NEAR[0], NEAR[0] + 9), (FAR[0] + 2, FAR[0] + 9))] == [
        near,
        far,
    ]
    assert str(waiting) == (f"tcp 0.0.0.0%{device}:8000" if device else "tcp 0.0.0.0:8000")


@pytest.mark.case("FW23")
def test_the_address_of_another_interface_is_none_of_the_incoming_one() -> None:
    held = rules(closed(rule(asks("daddr_type_iif", 2), do=ACCEPT)))
    exposure = Exposer(held, network()).outside(listener("10.2.0.1"), 4)
    assert [exposure.verdict(spanning(host, host)) for host in (PEER, FAR[0] + 2)] == ["filtered", "open"]


ITSELF = [
    ("its packets leave first", rules(hook("output", 0, rule(PORT))), "filtered"),
    ("and come in", rules(closed()), "filtered"),
    ("by lo", rules(closed(rule(asks("iif", "lo"), do=ACCEPT))), "open"),
    ("nat prerouting is not passed",
     rules(hook("prerouting", -100, rule(PORT, do=Verdict(DIVERT, port=1)), nat=True)), "open"),
    ("nat output is", rules(hook("output", -100, rule(PORT, do=Verdict(DIVERT, port=1)), nat=True)), "filtered"),
    ("notrack in prerouting is too late", rules(hook("prerouting", -300, rule(do=None, effects=NOTRACK)),
                                                closed(rule(asks("ct_state", 2, 8), do=ACCEPT))), "open"),
    ("a mark stays on the way in", rules(hook("output", 0, rule(PORT, do=None, effects=(Effect("mark", 7),))),
                                         hook("input", 0, rule(asks("mark", 7)))), "filtered"),
    ("in raw prerouting it is tracked already", rules(hook("prerouting", -300, rule(NEW))), "filtered"),
    ("another source by nat", rules(hook("postrouting", 100, rule(do=TRANSLATE), nat=True),
                                    closed(rule(asks("saddr", 0x7F000001), do=ACCEPT))), "unknown"),
]  # fmt: skip


@pytest.mark.case("FW30")
@pytest.mark.parametrize(("held", "expected"), [row[1:] for row in ITSELF], ids=[row[0] for row in ITSELF])
def test_the_host_reaches_itself_where_the_kernel_lets_it(held: Ruleset, expected: str) -> None:
    waiting = listener()
    assert Exposer(held, network()).inside(waiting, 4).verdict((0x7F000001, 0x7F000002)) == expected


FORWARDING = {"forwards": {4: frozenset(["va"])}, "routes": {4: {"docker0": numbers("172.17.0.0/16")}}}
PUBLISHED = [
    ("open", [], FORWARDING, "open"),
    ("whatever input says", [closed()], FORWARDING, "open"),
    ("forward decides", [hook("forward", 0, rule(asks("oif", "docker0")))], FORWARDING, "filtered"),
    ("and the answer's way", [hook("forward", 0, rule(asks("iif", "docker0")))], FORWARDING, "filtered"),
    ("nothing is passed on", [], {**FORWARDING, "forwards": {}}, "filtered"),
    ("no route leads there", [], {**FORWARDING, "routes": {}}, "filtered"),
]


LED: list[tuple[str, list[Any], int, bool]] = [
    ("a few ports", [asks("dport", 8000, 8063)], 64, False),
    ("a port more", [asks("dport", 8000, 8064)], 1, True),
    ("all ports", [], 1, True),
]


@pytest.mark.parametrize(("tests", "looked_at", "named"), [row[1:] for row in LED], ids=[row[0] for row in LED])
def test_a_rule_that_leads_many_ports_away_is_named(tests: list[Any], looked_at: int, named: bool) -> None:
    nat = rule(*tests, asks("proto", 6), do=Verdict(DIVERT, address=CONTAINER))
    found, partly = Exposer(rules(hook("prerouting", -100, nat, nat=True)), network(**FORWARDING)).published()
    assert (len(found), bool(partly)) == (looked_at, named)


def test_what_comes_after_so_many_published_ports_is_named() -> None:
    for count, named in ((256, False), (257, True)):
        nat = [
            rule(asks("dport", 1000 + at), asks("proto", 6), do=Verdict(DIVERT, address=CONTAINER))
            for at in range(count)
        ]
        found, partly = Exposer(rules(hook("prerouting", -100, *nat, nat=True)), network(**FORWARDING)).published()
        assert (len(found), bool(partly)) == (256, named)


def test_a_socket_of_a_device_that_nobody_knows_may_be_reached() -> None:
    for device, expected in (("va", "filtered"), ("interface 9", "unknown"), ("lo", "filtered")):
        exposure = Exposer(rules(closed()), network()).outside(listener(device=device), 4)
        assert exposure.verdict(spanning(PEER, PEER)) == expected


@pytest.mark.case("FW44")
@pytest.mark.parametrize(
    ("more", "stack", "expected"), [row[1:] for row in PUBLISHED], ids=[row[0] for row in PUBLISHED]
)
def test_a_port_of_a_container_is_published_as_the_kernel_passes_it_on(
    more: list[Chain], stack: dict[str, Any], expected: str
) -> None:
    nat = rule(asks("dport", 8080), asks("proto", 6), do=Verdict(DIVERT, address=CONTAINER, port=80))
    (found,), partly = Exposer(rules(hook("prerouting", -100, nat, nat=True), *more), network(**stack)).published()
    assert partly == ()
    assert found[:5] == (4, "tcp", 8080, CONTAINER, 80)
    assert (found.exposure.verdict(spanning(PEER, PEER)), found.rule) == (expected, "here: a rule")


@pytest.mark.case("FW48")
def test_at_the_bound_of_work_it_is_unknown_and_says_so() -> None:
    many = [rule(asks("mark", at)) for at in range(1, 101)]
    packet = evaluate.Packet(4, 6, OWN, 8000, 40000, "va")
    (piece,) = evaluate.Evaluator(rules(closed(*many)), Stack(), Budget(question=50)).exchange(packet, NEAR)
    assert (piece.verdict, piece.rule) == ("unknown", evaluate.TOO_MUCH)
    budget = Budget(total=250)
    asked = evaluate.Evaluator(rules(closed(*many)), Stack(), budget)
    assert [asked.exchange(packet, NEAR)[0].verdict for _time in range(3)] == ["filtered", "filtered", "unknown"]


def test_what_leads_nobody_knows_where_may_lead_to_any_port() -> None:
    held = rules(hook("prerouting", -100, rule(asks("dport", 8080), do=AWAY), nat=True), closed())
    exposure = Exposer(held, network()).outside(listener(), 4)
    assert exposure.verdict(spanning(PEER, PEER)) == "unknown"


def test_sources_without_a_way_back_reach_no_tcp_and_perhaps_udp() -> None:
    stray = {"stray": {4: numbers("192.0.2.0/24")}}
    for stack, expected in ((stray, "unknown"), ({**stray, "strict": frozenset(["va", "vb"])}, "filtered")):
        asked = Exposer(rules(), network(**stack))
        found = [asked.outside(listener(proto=proto), 4).verdict(numbers("192.0.2.9")) for proto in ("tcp", "udp")]
        assert found == ["filtered", expected]
    behind = Exposer(rules(closed()), network(**stray))  # what no rule lets in is closed from there, too
    assert behind.outside(listener(proto="udp"), 4).verdict(numbers("192.0.2.9")) == "filtered"


def test_what_may_lead_packets_another_way_makes_what_is_open_unknown() -> None:
    doubted = network(doubts=("ip rule 5",))
    verdicts = [Exposer(held, doubted).outside(listener(), 4).verdict(NEAR) for held in (rules(), rules(closed()))]
    assert verdicts == ["unknown", "filtered"]


def test_a_chain_of_a_port_of_a_bridge_may_see_what_comes_by_the_bridge() -> None:
    held = rules(Chain("i", (rule(PORT),), "ingress", devices=("port0",)))
    for below, expected in (({}, "open"), ({"va": ("port0", "port1")}, "unknown")):
        assert Exposer(held, network(below=below)).outside(listener(), 4).verdict(spanning(PEER, PEER)) == expected
