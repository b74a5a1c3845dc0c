# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of a Linux host's stack: what iproute2 6.1 and /proc/sys say, as the model needs it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import SourceDenied
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.stack import (
    StackReadings,
    collect_stack,
    parse_network,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.listeners import listeners_of
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.exposure import Exposer
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import contains
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.network import Network, Stack
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import Ruleset
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.reading import Reading
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.model import Socket

from .small import RULES, STACK, filter_table, numbers, ruleset

LINKS = [
    {"ifname": "lo", "ifindex": 1},
    {
        "ifname": "va",
        "ifindex": 3,
        "addr_info": [
            {"local": "10.1.0.1", "prefixlen": 24, "secondary": True},
            {"local": "10.1.0.7", "prefixlen": 24},
            {"local": "fe80::9", "prefixlen": 64, "tentative": True},
            {"local": "fe80::a1", "prefixlen": 64},
        ],
    },
    {"ifname": "br0", "ifindex": 4, "addr_info": [{"local": "10.2.0.1"}]},
    {"ifname": "port0", "ifindex": 5, "master": "br0"},
    {"ifname": "va.5", "ifindex": 6, "link": "va"},
]
ROUTES = [
    {"dst": "10.1.0.0/24", "dev": "va", "scope": "link"},
    {"dst": "10.2.0.0/24", "dev": "br0", "scope": "link"},
    {"dst": "192.0.2.0/24", "gateway": "10.1.0.9", "dev": "va"},
    {"dst": "10.3.0.0/24", "dev": "port0", "scope": "link"},
    *({"type": "local", "dst": dst, "dev": "lo", "table": "local"} for dst in ("10.1.0.1", "10.1.0.7", "10.2.0.1")),
    {"type": "local", "dst": "198.51.100.0/24", "dev": "lo", "table": "local"},
    {"type": "local", "dst": "default", "dev": "lo", "table": "100"},
]


def network(rules: str = RULES, routes: Iterable[dict[str, Any]] = ROUTES, **sysctls: str) -> Network:
    """Return the host as it is parsed; sysctls of IPv4 are named ``va__rp_filter``."""
    settings = {(4, *name.split("__")): value for name, value in sysctls.items()}
    stack = StackReadings(Reading(json.dumps(LINKS)), {4: Reading(rules)}, settings)  # type: ignore[arg-type]
    return parse_network(json.dumps(LINKS), {4: json.dumps(list(routes)), 6: "[]"}, stack)


def test_addresses_are_known_by_interface_the_primary_first_and_networks_of_own_addresses_as_a_whole() -> None:
    known = network()
    assert known.stack.primary("va", 4, numbers("10.2.0.1")[0]) == numbers("10.1.0.7")[0]
    assert known.stack.primary("va", 6, numbers("fe80::9")[0]) == numbers("fe80::a1")[0]
    assert known.stack.indexes["br0"] == 4
    assert (known.addresses[4], known.ranges[4]) == (
        tuple(numbers(text)[0] for text in ("10.1.0.1", "10.1.0.7", "10.2.0.1")),
        numbers("198.51.100.0/24"),
    )
    assert contains(known.local[4], numbers("198.51.100.9")[0])
    assert known.stack.below == {"br0": ("port0",), "va.5": ("va",)}


def test_sources_come_by_the_interface_of_their_route_and_neither_from_nowhere_nor_from_the_host_itself() -> None:
    known = network()
    asked = {"10.1.0.2": "va", "192.0.2.9": "va", "10.2.0.9": "br0", "10.1.0.1": "", "203.0.113.1": "", "10.3.0.1": ""}
    found = {
        text: "".join(name for name, sources in known.ways[4].items() if contains(sources, numbers(text)[0]))
        for text in asked
    }
    assert found == asked
    assert contains(known.stack.stray[4], numbers("203.0.113.1")[0])
    assert contains(network(va__accept_local="1").ways[4]["va"], numbers("10.1.0.1")[0])
    assert not contains(known.stack.near[4]["va"], numbers("192.0.2.9")[0])
    assert known.stack.way_to(4, numbers("192.0.2.9")[0]) == "va"


SETTINGS = [
    ({}, (frozenset(), frozenset(), frozenset())),
    ({"va__route_localnet": "1"}, (frozenset(["va"]), frozenset(), frozenset())),
    ({"all__route_localnet": "1"}, (frozenset(["lo", "va", "br0", "port0", "va.5"]), frozenset(), frozenset())),
    ({"va__rp_filter": "2"}, (frozenset(), frozenset(["va"]), frozenset())),
    ({"br0__forwarding": "1", "all__forwarding": "0"}, (frozenset(), frozenset(), frozenset(["br0"]))),
]


@pytest.mark.case("FW4")
@pytest.mark.parametrize(("sysctls", "expected"), SETTINGS)
def test_of_the_settings_of_an_interface_and_of_all_the_larger_counts(
    sysctls: dict[str, str], expected: tuple[frozenset[str], ...]
) -> None:
    stack = network(**sysctls).stack
    assert (stack.localnet, stack.strict, stack.forwards[4]) == expected


BLACK = {"action": "blackhole"}
TO = {"priority": 100, "src": "all", "dst": "10.1.0.2", **BLACK}
ODD = [
    ("as the kernel makes them", [], 0),
    ("behind the host's own", [{"priority": 100, "src": "all", "fwmark": "0x7", "table": "100"}], 0),
    ("before the host's own", [{"priority": 0, "src": "all", "fwmark": "0x7", "table": "100"}], 1),
    ("a black hole", [{"priority": 100, "src": "10.1.0.0", "srclen": 24, "action": "blackhole"}], 1),
    ("one for what comes from elsewhere", [{"priority": 100, "src": "10.9.0.0", "srclen": 24, **BLACK}], 0),
    ("one for what another interface passes on", [{"priority": 100, "src": "all", "iif": "va", **BLACK}], 0),
    ("one for what the host sends", [{"priority": 100, "src": "all", "iif": "lo", **BLACK}], 1),
    ("one for all but these", [{"priority": 100, "src": "10.9.0.0", "srclen": 24, "not": None, **BLACK}], 1),
    ("one for a mark", [{"priority": 100, "src": "all", "fwmark": "0x80000", "fwmask": "0xff0000", **BLACK}], 0),
    ("one for no mark", [{"priority": 100, "src": "all", "fwmark": "0x0", **BLACK}], 1),
    ("one for a destination", [TO], 0),
    ("one before the host's own", [{**TO, "priority": 0}], 1),
    ("one behind another table", [{"priority": 90, "src": "all", "table": "100"}, TO], 1),
    ("one behind the main table", [{**TO, "priority": 40000}], 1),
    ("of a VRF", [{"priority": 1000, "src": "all", "l3mdev": None}], 1),
]


@pytest.mark.parametrize(("more", "count"), [row[1:] for row in ODD], ids=[row[0] for row in ODD])
def test_an_ip_rule_that_may_lead_packets_another_way_is_told(more: list[dict[str, Any]], count: int) -> None:
    assert len(network(json.dumps([*json.loads(RULES), *more])).stack.doubts) == count


def test_an_ip_rule_that_throws_answers_away_shuts_out_whom_they_are_for() -> None:
    rules = json.dumps([*json.loads(RULES), TO])
    shut = numbers("10.1.0.2")[0]
    assert not contains(network(rules).ways[4]["va"], shut)
    assert contains(network(rules).stack.stray[4], shut)
    assert len(network(rules, va__forwarding="1").stack.doubts) == 1


def test_a_rule_for_a_mark_counts_where_rules_set_one_of_its_bits() -> None:
    marked = {"priority": 100, "src": "all", "fwmark": "0x80000", "fwmask": "0xff0000", "action": "unreachable"}
    known = network(json.dumps([*json.loads(RULES), marked]))
    waiting = listeners_of([Socket("tcp", 4, "0.0.0.0", 80, 1, 0)])[0]
    verdicts = {
        bits: Exposer(ruleset(filter_table(f"-A INPUT -j MARK --set-xmark {bits}", policy="ACCEPT")), known)
        .outside(waiting, 4)
        .verdict(numbers("10.1.0.2"))
        for bits in ("0x40000/0x40000", "0x80000/0x80000")
    }
    assert verdicts == {"0x40000/0x40000": "open", "0x80000/0x80000": "unknown"}


BOUND = [
    ("tcp", "va", {}, "open"),
    ("udp", "va", {}, "open"),
    ("tcp", "", {}, "filtered"),
    ("udp", "", {}, "unknown"),
    ("tcp", "br0", {}, "open"),
    ("tcp", "va", {"va__rp_filter": "2"}, "filtered"),
]


@pytest.mark.parametrize(("proto", "device", "sysctls", "expected"), BOUND)
@pytest.mark.parametrize("source", ["198.51.100.9", "203.0.113.7"], ids=["no route", "unreachable"])
def test_a_socket_of_a_device_answers_neighbours_to_whom_no_route_leads(
    proto: str, device: str, sysctls: dict[str, str], expected: str, source: str
) -> None:
    routes = [each for each in ROUTES if each["dst"] != "198.51.100.0/24"]
    routes += [{"type": "unreachable", "dst": "203.0.113.0/24"}, {"dst": "203.0.0.0/16", "dev": "va"}]
    known = network(routes=routes, **sysctls)
    waiting = listeners_of([Socket(proto, 4, "0.0.0.0", 80, 1, 0, device=device)])[0]
    assert Exposer(Ruleset(), known).outside(waiting, 4).verdict(numbers(source)) == expected


def test_a_test_of_the_way_back_stops_those_to_whom_no_route_leads() -> None:
    waiting = listeners_of([Socket("tcp", 4, "0.0.0.0", 80, 1, 0, device="va")])[0]
    rules = ruleset("*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m rpfilter --invert -j DROP\nCOMMIT\n")
    exposure = Exposer(rules, network()).outside(waiting, 4)
    assert [exposure.verdict(numbers(text)) for text in ("203.0.113.7", "10.1.0.2")] == ["filtered", "open"]


def test_a_redirect_leads_to_an_address_of_the_scope_that_was_asked_for() -> None:
    near, far = numbers("fe80::a1")[0], numbers("fd01::1")[0]
    stack = Stack(owned={"va": {6: (far, near)}, "vb": {6: (near, near + 1)}})
    asked = [("va", near), ("va", far), ("vb", near), ("vb", far), ("vc", near)]
    assert [stack.primary(name, 6, address) for name, address in asked] == [near, far, near, near, None]


def test_without_the_rule_of_the_own_addresses_or_without_any_answer_that_is_told_too() -> None:
    assert len(network("[]").stack.doubts) == 1
    assert "line 1" in network("junk").stack.doubts[0]


def test_sysctls_are_read_by_interface_and_what_cannot_be_read_is_left_out() -> None:
    conf = "/proc/sys/net/ipv4/conf"
    files = {
        f"{conf}/va/rp_filter": "2\n",
        f"{conf}/va/forwarding": SourceDenied("x"),
        "/proc/sys/net/ipv4/fwmark_reflect": "1",
    }
    found = collect_stack(FakeHost(commands=dict(STACK), files=files))
    assert (found.sysctls, found.reflects) == ({(4, "va", "rp_filter"): "2"}, True)
