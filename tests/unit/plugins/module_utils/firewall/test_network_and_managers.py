# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routes, on what the tools of three Debian releases printed."""

from __future__ import annotations

import json

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.stack import parse_network
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.network import (
    ANY_SOURCE,
    Route,
    ways_of,
)

from .recorded import SYSTEMS, facts
from .small import numbers

LINKS = json.dumps([{"ifname": "lo"}, {"ifname": "eth0"}, {"ifname": "wg0"}])


@pytest.mark.parametrize("system", SYSTEMS)
def test_recorded_routes_give_the_addresses_and_the_interface_of_each_source(system: str) -> None:
    network = facts(system, "nft-empty").network
    assert network.addresses[4] == (0x0A000001, 0xCB00710A)
    assert set(network.ways[4]) >= {"eth0", "eth1"}
    assert network.ways[4]["eth1"] == numbers("10.0.0.0/8")
    assert {(0x20010DB8 << 96) + 0x10, (0xFD << 120) + 1} <= set(network.addresses[6])
    assert network.filtered == ()


WAYS = [
    ("no route at all: every interface", [], {"eth0": "all", "wg0": "all"}),
    (
        "a default route takes the rest",
        [("0.0.0.0/0", "eth0", "main"), ("10.0.0.0/8", "wg0", "main")],
        {"eth0": "but 10.0.0.0/8", "wg0": "10.0.0.0/8"},
    ),
    (
        "the narrowest route wins",
        [
            ("10.0.0.0/8", "eth0", "main"),
            ("10.0.0.0/8", "eth0", "main"),
            ("10.0.0.0/9", "wg0", "main"),
            ("0.0.0.0/0", "eth0", "main"),
        ],
        {"wg0": "10.0.0.0/9"},
    ),
    (
        "another table may send a source another way",
        [("0.0.0.0/0", "eth0", "main"), ("0.0.0.0/0", "wg0", "51820")],
        {"eth0": "all", "wg0": "all"},
    ),
    (
        "a narrow route of another table does not take a source from the main one",
        [("0.0.0.0/0", "eth0", "main"), ("100.64.0.0/10", "wg0", "52")],
        {"eth0": "all", "wg0": "100.64.0.0/10"},
    ),
    (
        "a route to nowhere",
        [("0.0.0.0/0", "eth0", "main"), ("10.0.0.0/8", "", "main")],
        {"eth0": "but 10.0.0.0/8", "wg0": ""},
    ),
]


@pytest.mark.parametrize(("routes", "expected"), [way[1:] for way in WAYS], ids=[way[0] for way in WAYS])
def test_a_source_comes_by_the_interface_that_its_answer_leaves_by(
    routes: list[tuple[str, str, str]], expected: dict[str, str]
) -> None:
    found = ways_of(
        4, [Route(numbers(net), (name,) if name else (), table) for net, name, table in routes], ["eth0", "wg0"]
    )
    from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import subtract

    for name, words in expected.items():
        but = words.startswith("but ")
        meant = (
            ANY_SOURCE[4]
            if words == "all"
            else ()
            if not words
            else subtract(ANY_SOURCE[4], numbers(words[4:]))
            if but
            else numbers(words)
        )
        assert found[name] == meant


def test_link_local_routes_of_several_interfaces_lead_to_all_of_them() -> None:
    routes = [Route(numbers("fe80::/64"), (name,), "main") for name in ("eth0", "wg0")]
    ways = ways_of(6, routes, ["eth0", "wg0"])
    assert ways["eth0"] == ways["wg0"]


def test_loopback_broadcast_and_multicast_are_no_ways_and_multipath_is_several() -> None:
    routes = [
        {"type": "local", "dst": "127.0.0.0/8", "dev": "lo", "table": "local"},
        {"type": "local", "dst": "192.0.2.5", "dev": "eth0", "table": "local"},
        {"type": "broadcast", "dst": "192.0.2.255", "dev": "eth0", "table": "local"},
        {"dst": "default", "nexthops": [{"dev": "eth0"}, {"dev": "wg0"}]},
        {"type": "unreachable", "dst": "10.0.0.0/8", "dev": "lo"},
    ]
    network = parse_network(LINKS, {4: json.dumps(routes), 6: ""})
    assert (network.addresses, set(network.ways[4])) == ({4: (0xC0000205,), 6: ()}, {"eth0", "wg0"})
    assert network.ways[4]["eth0"] == network.ways[4]["wg0"]


def test_an_interface_with_an_xdp_program_is_told() -> None:
    links = json.dumps([{"ifname": "eth0", "xdp": {"mode": 1, "prog": {"id": 7}}}])
    assert parse_network(links, {}).filtered == ("eth0",)


@pytest.mark.parametrize(
    ("links", "routes"), [("no json", "[]"), ("[]", '[{"dev": "eth0"}]'), ("[]", '[{"dst": "nowhere"}]')]
)
def test_what_ip_prints_in_another_form_is_an_error(links: str, routes: str) -> None:
    with pytest.raises(ParseError, match="ip -j"):
        parse_network(links, {4: routes})
