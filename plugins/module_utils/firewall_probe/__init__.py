# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts of the inventory knock at each other's declared ports, and what they get is held against the packet filter."""

from __future__ import annotations

from typing import Any

from ..firewall import SPEC as FIREWALL
from ..options import common_options, option
from ..registry import declare

MOST_A_SECOND = 10

# What a host declares of itself, and what others are told of it.
OWN: dict[str, Any] = {
    "enabled": option(
        "bool",
        "Whether this host may knock at others, and others at it. Without it no packet is sent by either.",
        default=False,
        variable="cryptobot_firewall_probe",
    ),
    "host_address": option("str", "What Ansible reaches the host by, C(ansible_host). A name tells no address."),
    "addresses": option(
        "list of str",
        (
            "Further addresses of this host at which others knock, of IPv4 or IPv6. Needed where C(ansible_host) is a "
            "name, or an address that only the controller reaches the host by."
        ),
        default=[],
        example="[10.0.0.5, 'fd12:3456::5']",
        variable="cryptobot_firewall_probe_addresses",
    ),
    "policy": FIREWALL["policy"],  # its ports are what is knocked at, whoever may reach them
}

SPEC: dict[str, Any] = {
    "step": option(
        "str",
        [
            (
                "V(knock) tries, from this host, a TCP connection to each declared port of O(targets), and closes it "
                "at once. It sends no data. In check mode it only says at what it would knock."
            ),
            (
                "V(compare) holds what other hosts got when they knocked here (O(heard)) against this host's packet "
                "filter and listening sockets. It sends nothing."
            ),
        ],
        choices=["knock", "compare"],
        default="knock",
    ),
    **OWN,
    "targets": option(
        "list of dict",
        "The other hosts, as each declares itself. An address that the inventory has not for its host is refused.",
        default=[],
        options={"host": option("str", "Its name in the inventory.", required=True), **OWN},
    ),
    "heard": option(
        "dict",
        "What each other host got here. The keys are names of the inventory, the values lists of RV(knocks).",
        default={},
    ),
    "rate": option(
        "int", f"Connections that this host begins a second at most, from 1 to {MOST_A_SECOND}.", default=MOST_A_SECOND
    ),
    "wait": option(
        "float", "Seconds to wait for an answer, up to 10. Windows takes 2 to say that it refuses.", default=3.0
    ),
    "limit": option(
        "int", "Connections that this host tries at most, up to 1000. What is left out is named.", default=500
    ),
    **common_options(180),
}

AREA = declare(
    __name__,
    module="firewall_probe",
    spec=SPEC,
    procedures=("T3.2",),
    acts=True,  # it sends packets to other hosts
    plan_only=True,
    tags=("probe",),
    opt_in=True,
)
