# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Network namespaces: one per host, and a switch with the bridge that joins them.

The bridge is in a namespace of its own, so a fleet's addresses exist nowhere else on the machine:
nothing of it reaches another fleet, the machine's own network, or beyond. The switch holds the
gateway address, and the controller's connections start there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from . import plan, shell
from .plan import FleetPlan, HostPlan

NAMESPACES = Path("/run/netns")
MARK = "cbfleet-"


def switch(fleet: str) -> str:
    """Return the name of the namespace with the fleet's bridge."""
    return MARK + fleet


def namespace(fleet: str, host: str) -> str:
    """Return the name of a host's network namespace."""
    return f"{switch(fleet)}.{host}"


def path(name: str) -> Path:
    """Return the file that stands for a namespace."""
    return NAMESPACES / name


def port(index: int) -> str:
    """Return the switch's end of the link to the host at that position of the fleet."""
    return f"port{index}"


def switch_commands() -> list[str]:
    """Return the `ip -batch` lines that make the bridge."""
    return [
        "link set lo up",
        "link add br0 type bridge forward_delay 0",
        f"addr add {plan.GATEWAY}/24 dev br0",
        f"addr add {plan.GATEWAY6}/64 dev br0 nodad",
        "link set br0 up",
    ]


def link_commands(index: int, host_namespace: str) -> list[str]:
    """Return the `ip -batch` lines, for the switch, that plug a host in."""
    return [
        f"link add {port(index)} type veth peer name eth0 netns {host_namespace}",
        f"link set {port(index)} master br0 up",
    ]


def host_commands(host: HostPlan) -> list[str]:
    """Return the `ip -batch` lines, for the host's namespace, that give it its addresses and routes."""
    return [
        "link set lo up",
        f"addr add {host.address}/24 dev eth0",
        f"addr add {host.address6}/64 dev eth0 nodad",
        "link set eth0 up",
        f"route add default via {plan.GATEWAY}",
        f"route add default via {plan.GATEWAY6}",
    ]


def make(fleet: FleetPlan) -> None:
    """Make the switch and every host's namespace, all connected."""
    name = switch(fleet.name)
    shell.run(["ip", "netns", "add", name])
    _batch(name, switch_commands())
    for index, host in enumerate(fleet.hosts):
        own = namespace(fleet.name, host.name)
        shell.run(["ip", "netns", "add", own])
        _batch(name, link_commands(index, own))
        _batch(own, host_commands(host))


def plug(fleet: FleetPlan, host: HostPlan, state: str) -> None:
    """Set the host's link `up` or `down` on the switch's side. An unplugged host answers nothing, not even a reset."""
    _batch(switch(fleet.name), [f"link set {port(fleet.hosts.index(host))} {state}"])


def of_fleet(fleet: str, names: Sequence[str]) -> list[str]:
    """Given the names of all namespaces, return those of the fleet, the hosts' before the switch."""
    own = switch(fleet)

    return sorted((name for name in names if name == own or name.startswith(own + ".")), reverse=True)


def fleets(names: Sequence[str]) -> set[str]:
    """Given the names of all namespaces, return the fleets that some of them belong to."""
    return {name[len(MARK) :].partition(".")[0] for name in names if name.startswith(MARK)}


def existing() -> list[str]:
    """Return the names of all network namespaces of the machine."""
    return [entry.name for entry in NAMESPACES.iterdir()] if NAMESPACES.is_dir() else []


def remove(fleet: str) -> None:
    """Remove the fleet's namespaces; bridge and links go with them."""
    for name in of_fleet(fleet, existing()):
        shell.run(["ip", "netns", "delete", name])


def inside(name: str, argv: Sequence[object]) -> list[str]:
    """Given a command, return the one that runs it in the namespace; everything but the network stays the machine's."""
    return ["nsenter", f"--net={path(name)}", "--", *map(str, argv)]


def _batch(name: str, commands: Sequence[str]) -> None:
    shell.run(["ip", "-netns", name, "-batch", "-"], stdin="\n".join(commands) + "\n")
