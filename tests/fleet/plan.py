# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a fleet shall be: names, releases, layers, groups and addresses, checked before anything is made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from . import base, layers
from .errors import FleetError

# No dot: the network namespaces of a fleet are called FLEET.HOST. Together they must fit into a
# host name (64 bytes on Linux), for nspawn's machine name is made of both.
_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")
_GROUP = re.compile(r"[a-z][a-z0-9_]*")
MOST_HOSTS = 200

PREFIX = "10.77.0"
PREFIX6 = "fd77::"
GATEWAY = f"{PREFIX}.1"
GATEWAY6 = f"{PREFIX6}1"
FIRST_HOST = 11


@dataclass(frozen=True)
class HostPlan:
    """One host: its name, Debian release, layers from the lowest up, and addresses in the fleet's own network."""

    name: str
    release: str
    layers: tuple[str, ...]
    address: str
    address6: str


@dataclass(frozen=True)
class FleetPlan:
    """A fleet: its name, its hosts in order, and the inventory groups with their host names."""

    name: str
    hosts: tuple[HostPlan, ...]
    groups: Mapping[str, tuple[str, ...]]

    def host(self, name: str) -> HostPlan:
        """Return the host of that name. Raise FleetError when the fleet has none."""
        for host in self.hosts:
            if host.name == name:
                return host
        known = ", ".join(host.name for host in self.hosts)
        raise FleetError(f"fleet {self.name} has no host {name!r}; it has: {known}")

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FleetPlan:
        """Given what as_dict returned, possibly through JSON, return the plan."""
        hosts = tuple(HostPlan(**{**host, "layers": tuple(host["layers"])}) for host in data["hosts"])
        groups = {group: tuple(names) for group, names in data["groups"].items()}

        return cls(data["name"], hosts, groups)


def make(
    name: str,
    hosts: Sequence[str],
    *,
    layers_of: Mapping[str, Sequence[str]],
    release_of: Mapping[str, str],
    groups: Mapping[str, Sequence[str]],
) -> FleetPlan:
    """Given names, and what each host name maps to, return the plan. Raise FleetError naming what is wrong."""
    check_name("fleet", name)
    _check_hosts(hosts)
    for group, members in groups.items():
        _check_group(group, members, hosts)
    planned = (
        HostPlan(host, _release(release_of[host]), _chain(layers_of[host]), *addresses(index))
        for index, host in enumerate(hosts)
    )

    return FleetPlan(name, tuple(planned), {group: tuple(members) for group, members in groups.items()})


def check_name(kind: str, name: str) -> None:
    """Raise FleetError unless the name can be one of a fleet or a host."""
    if not _NAME.fullmatch(name):
        raise FleetError(f"{kind} name {name!r}: expected a-z first, then up to 29 of a-z, 0-9 and -")


def addresses(index: int) -> tuple[str, str]:
    """Given a host's position in the fleet, from 0, return its IPv4 and IPv6 addresses."""
    number = FIRST_HOST + index

    return f"{PREFIX}.{number}", f"{PREFIX6}{number}"


def _check_hosts(hosts: Sequence[str]) -> None:
    if not 1 <= len(hosts) <= MOST_HOSTS:
        raise FleetError(f"{len(hosts)} hosts: expected 1 to {MOST_HOSTS}")
    for host in hosts:
        check_name("host", host)
        if hosts.count(host) > 1:
            raise FleetError(f"host {host!r} is named more than once")


def _check_group(group: str, members: Sequence[str], hosts: Sequence[str]) -> None:
    if not _GROUP.fullmatch(group):
        raise FleetError(f"group {group!r}: expected a-z first, then a-z, 0-9 and _")
    for member in members:
        if member not in hosts:
            raise FleetError(f"group {group}: no such host {member!r}; expected some of: {', '.join(hosts)}")


def _release(name: str) -> str:
    if name not in base.RELEASES:
        raise FleetError(f"release {name!r} is not known; expected one of: {', '.join(base.RELEASES)}")

    return name


def _chain(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        layers.packages(name)

    return tuple(names)
