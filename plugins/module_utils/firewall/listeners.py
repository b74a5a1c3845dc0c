# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The listening sockets of a host as an operator sees them: one entry per protocol, address and port."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Optional

from ..sockets.model import Socket
from .model.intervals import BITS
from .model.network import LOOPBACK_ADDRESS, Network

DHCP_CLIENT_PORTS = (68, 546)  # RFC 2131, section 4.1; RFC 8415, section 7.2: a client must use these


class Listener(NamedTuple):
    """All sockets of one protocol, address, port and device (several share a port with SO_REUSEPORT).

    ``bound`` is, for each family that it serves beyond loopback, its one address, or None for all addresses of the
    host. ``inside`` is, for each family that it serves at all, the address at which the host itself reaches it.
    ``services`` are the Windows services that its processes host, None where that could not be learned. ``device`` is
    the interface that it is bound to, or empty.
    """

    proto: str
    address: str
    port: int
    bound: Mapping[int, Optional[int]]
    inside: Mapping[int, int]
    pids: tuple[int, ...] = ()
    exes: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    services: Optional[tuple[str, ...]] = ()
    device: str = ""

    def __str__(self) -> str:
        address = f"{self.address}%{self.device}" if self.device else self.address
        return f"{self.proto} {f'[{address}]' if ':' in self.address else address}:{self.port}"

    def owner(self) -> str:
        """Return who it is, as far as that is known: unit or executable, and process ids."""
        name = ", ".join(self.units or self.services or self.exes) or (
            f"a process of {', '.join(self.users)}" if self.users else "unknown"
        )
        return f"{name} (pid {', '.join(map(str, self.pids[:4]))})" if self.pids else name

    def addresses(self, family: int, network: Network) -> tuple[int, ...]:
        """Return the addresses beyond loopback at which peers of that family can reach it."""
        if family not in self.bound:
            return ()
        only = self.bound[family]
        return network.addresses[family] if only is None else (only,)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "proto": self.proto,
            "address": self.address,
            "port": self.port,
            "families": sorted(self.inside),
            "loopback_only": bool(self.inside) and not self.bound,
            "pids": list(self.pids),
            "exe": list(self.exes),
            "user": list(self.users),
            "unit": list(self.units or self.services or ()),
        }


def listeners_of(sockets: Iterable[Socket], *, owners_known: bool = True) -> tuple[Listener, ...]:
    """Given the sockets of a host, return its listeners in the order of protocol, port and address.

    Where not all owners are known, a process without services may host some all the same.
    """
    groups: dict[tuple[str, int, str, str], list[Socket]] = {}
    for socket in sockets:
        groups.setdefault((socket.proto, socket.port, socket.address, socket.device), []).append(socket)
    found = tuple(_listener(group) for _key, group in sorted(groups.items()))
    return found if owners_known else tuple(each if each.services else each._replace(services=None) for each in found)


def _listener(group: list[Socket]) -> Listener:
    first = group[0]
    bound, inside = _reach(first.address, dual=any(not socket.v6only for socket in group))
    return Listener(
        first.proto,
        first.address,
        first.port,
        bound,
        inside,
        tuple(sorted({pid for socket in group for pid in socket.pids})),
        exes=_distinct(group, "exe"),
        users=_distinct(group, "user"),
        units=_distinct(group, "unit"),
        services=tuple(sorted({service for socket in group for service in socket.services})),
        device=first.device,
    )


def _distinct(group: list[Socket], field: str) -> tuple[str, ...]:
    return tuple(sorted({getattr(socket, field) for socket in group} - {""}))


def _reach(text: str, *, dual: bool) -> tuple[dict[int, Optional[int]], dict[int, int]]:
    """Given the address of a socket, return its address beyond loopback and the one for the host itself, by family.

    A socket of all IPv6 addresses takes IPv4 peers too unless it is known not to (ipv6(7), IPV6_V6ONLY). One of a
    multicast address gets nothing that is sent to the host itself.
    """
    address = ipaddress.ip_address(text)
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    if address.is_multicast:
        return {}, {}
    if not address.is_unspecified:
        own = {address.version: int(address)}
        return ({} if address.is_loopback else dict(own)), own
    families = tuple(BITS) if address.version == 6 and dual else (address.version,)
    return dict.fromkeys(families), {family: LOOPBACK_ADDRESS[family] for family in families}


def is_client(listener: Listener, ephemeral: tuple[int, int]) -> bool:
    """Given the range that the kernel takes ports from for clients, return whether a listener is a client's socket.

    UDP has no listening state: a resolver that waits for one answer looks like a server. A UDP socket on a port of that
    range, or on a port that DHCP clients must use, counts as a client's unless the policy names the port.
    """
    if listener.proto != "udp":
        return False
    return ephemeral[0] <= listener.port <= ephemeral[1] or listener.port in DHCP_CLIENT_PORTS
