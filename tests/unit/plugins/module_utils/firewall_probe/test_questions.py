# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One connection of a known peer: what the rules make of it, and who gets it, redirects and addresses included."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import subtract
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.network import ANY_SOURCE, Stack
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_probe.questions import Questions

from ..firewall.audits import MAYBE, NOT_SEEN, OPEN_ALL, audit, opening, socket
from ..firewall.small import HOST, filter_table, numbers, ruleset

OWN, PEER, OTHER, OWN_6, PEER_6 = "203.0.113.10", "203.0.113.7", "198.51.100.9", "2001:db8::10", "2001:db8::7"
SSH = opening("-p tcp --dport 22 -j ACCEPT")
SSHD = socket(port=22)
NAT = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8000\nCOMMIT\n"

# (rules, sockets, address, port, peer: verdict, a word of the rule, who listens)
ASKED: list[tuple[Any, list[Any], str, int, str, str, str, str]] = [
    (SSH, [SSHD], OWN, 22, PEER, "open", "--dport 22", "tcp 0.0.0.0:22"),
    (SSH, [], OWN, 22, PEER, "open", "--dport 22", ""),
    (SSH, [SSHD], OWN, 23, PEER, "filtered", "policy drop", ""),
    (SSH, [socket(port=23)], OWN, 23, PEER, "filtered", "policy drop", ""),
    (opening(f"-s {PEER} -j ACCEPT"), [SSHD], OWN, 22, PEER, "open", PEER, "tcp 0.0.0.0:22"),
    (opening(f"-s {PEER} -j ACCEPT"), [SSHD], OWN, 22, OTHER, "filtered", "policy drop", ""),
    (opening(f"-p tcp --dport 22 {MAYBE} -j ACCEPT"), [SSHD], OWN, 22, PEER, "unknown", "time", ""),
    (OPEN_ALL, [SSHD], OWN, 22, PEER, "open", "no rule", "tcp 0.0.0.0:22"),
    (OPEN_ALL, [socket("127.0.0.1", 22)], OWN, 22, PEER, "open", "no rule", ""),
    (OPEN_ALL, [socket(OWN, 22)], OWN, 22, PEER, "open", "no rule", f"tcp {OWN}:22"),
    (OPEN_ALL, [socket("203.0.113.11", 22)], OWN, 22, PEER, "open", "no rule", ""),
    (OPEN_ALL, [socket(port=22, proto="udp")], OWN, 22, PEER, "open", "no rule", ""),
    (OPEN_ALL, [SSHD], OWN_6, 22, PEER_6, "open", "no rule", ""),
    (OPEN_ALL, [socket("::", 22, v6only=True)], OWN_6, 22, PEER_6, "open", "no rule", "tcp [::]:22"),
    (OPEN_ALL, [socket("::", 22, v6only=True)], OWN, 22, PEER, "open", "no rule", ""),
    (OPEN_ALL, [SSHD], OTHER, 22, PEER, "unknown", "no address of this host", ""),
    (NOT_SEEN, [SSHD], OWN, 22, PEER, "unknown", "not root", ""),
    (ruleset(NAT), [socket()], OWN, 80, PEER, "open", "", "tcp 0.0.0.0:8000"),
    (ruleset(NAT), [], OWN, 80, PEER, "open", "", ""),
    (ruleset(NAT + filter_table()), [socket()], OWN, 80, PEER, "filtered", "policy drop", ""),
]


@pytest.mark.parametrize(("rules", "sockets", "address", "port", "peer", "verdict", "word", "listener"), ASKED)
def test_a_connection_is_followed_to_whoever_listens(
    rules: Any, sockets: list[Any], address: str, port: int, peer: str, verdict: str, word: str, listener: str
) -> None:
    arrival = Questions(audit(rules, sockets)).ask(address, port, peer)
    assert (arrival.verdict, arrival.listener) == (verdict, listener)
    assert word in arrival.rule


CONTAINER = numbers("172.17.0.0/16")
ROUTER = HOST._replace(
    stack=Stack(
        forwards={4: frozenset({"eth0"})},
        routes={4: {"docker0": CONTAINER, "eth0": subtract(ANY_SOURCE[4], CONTAINER)}},
    )
)
DNAT = NAT.replace("-j REDIRECT --to-ports 8000", "-j DNAT --to-destination 172.17.0.2:81")

# A port that NAT leads to a container, and the policies of what comes in and of what is passed on.
LED = [
    ("DROP", "ACCEPT", ("open", "", "172.17.0.2 port 81")),
    ("DROP", "DROP", ("filtered", "", "")),
    ("ACCEPT", "DROP", ("filtered", "", "")),
]


@pytest.mark.parametrize(("comes_in", "passes", "arrival"), LED)
def test_what_nat_leads_to_another_host_is_followed_there(comes_in: str, passes: str, arrival: tuple[str, ...]) -> None:
    rules = ruleset(f"{DNAT}*filter\n:INPUT {comes_in} [0:0]\n:FORWARD {passes} [0:0]\nCOMMIT\n")
    found = Questions(audit(rules, [socket(port=80)], network=ROUTER)).ask(OWN, 80, PEER)
    assert (found.verdict, found.listener, found.elsewhere if found.verdict == "open" else "") == arrival


def test_a_socket_of_another_interface_gets_nothing() -> None:
    bound = [socket(port=22, device="eth1"), socket(port=23, device="eth0")]
    asked = Questions(audit(OPEN_ALL, bound))
    assert [asked.ask(OWN, port, PEER).listener for port in (22, 23)] == ["", asked.ask(OWN, 23, PEER).listener]
    assert asked.ask(OWN, 23, PEER).listener


def test_a_peer_that_no_route_leads_to_gets_nothing() -> None:
    nowhere = HOST._replace(ways={4: {"eth0": ()}, 6: {"eth0": ()}})
    arrival = Questions(audit(OPEN_ALL, [SSHD], network=nowhere)).ask(OWN, 22, PEER)
    assert (arrival.verdict, "route" in arrival.rule) == ("filtered", True)


def test_where_routes_or_sockets_cannot_be_seen_it_is_not_known() -> None:
    blind = HOST._replace(unavailable="no ip")
    assert Questions(audit(OPEN_ALL, [SSHD], network=blind)).ask(OWN, 22, PEER) == ("unknown", "no ip", "", "")
    unread = audit(OPEN_ALL, unavailable={"sockets": "no ss"})
    assert Questions(unread).ask(OWN, 22, PEER).verdict == "unknown"
    assert "no ss" in Questions(unread).ask(OWN, 22, PEER).rule
