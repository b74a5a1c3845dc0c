# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of every ruleset: which sockets wait on the server, who knocks, at which addresses and ports. Pure.

The server has two networks, by va (10.1.0.0/24, fd01::/64) and by vb (10.2.0.0/24, fd02::/64), and its default route
leads by va. Each source is on the cable by which the server answers it. ``bridged`` labs have va below a bridge br0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

LOCALHOST = {4: "127.0.0.1", 6: "::1"}
SERVER = {4: ("10.1.0.1", "10.2.0.1"), 6: ("fd01::1", "fd02::1")}
LINK_LOCAL = {"va": "fe80::a1", "vb": "fe80::b1"}  # the server's, each on its own link
GATEWAYS = {4: ("10.1.0.2", "10.2.0.2"), 6: ("fd01::2", "fd02::2")}
# To whom copies of packets go: nobody, for a client that hears its own answers twice may refuse them by a reset.
MONITOR = {4: "10.1.0.250", 6: "fd01::1:250"}
CABLES = {"va": "ca", "vb": "cb"}  # the server's end and the client's
MACS = {"va": "02:00:00:00:0a:01", "ca": "02:00:00:00:0a:02", "vb": "02:00:00:00:0b:01", "cb": "02:00:00:00:0b:02"}


class Source(NamedTuple):
    """Who knocks: an address of the client, the server's device it comes by, and whether a gateway stands between."""

    family: int
    address: str
    device: str
    routed: bool = False


SOURCES = (
    Source(4, "10.1.0.2", "va"),
    Source(4, "10.1.0.3", "va"),
    Source(4, "10.1.0.130", "va"),
    Source(4, "10.2.0.2", "vb"),
    Source(4, "10.2.0.66", "vb"),
    Source(4, "192.0.2.7", "va", routed=True),
    Source(4, "198.51.100.9", "va", routed=True),
    Source(4, "172.16.5.5", "vb", routed=True),
    Source(6, "fd01::2", "va"),
    Source(6, "fd01::1:3", "va"),
    Source(6, "fd02::2", "vb"),
    Source(6, "2001:db8:5::7", "va", routed=True),
    Source(6, "2001:db8:9::9", "vb", routed=True),
    Source(6, "fe80::c", "va"),
    Source(6, "fe80::c", "vb"),
)
ROUTED = {4: {"vb": ("172.16.0.0/12",)}, 6: {"vb": ("2001:db8:9::/48",)}}  # the rest goes by the default route


class Waiting(NamedTuple):
    """A socket of the server. ``mapped`` is one of IPv6 that is bound to an address of IPv4."""

    proto: str
    address: str
    port: int
    device: str = ""  # SO_BINDTODEVICE
    v6only: bool = False
    scope: str = ""  # the interface of a link-local address
    uid: int = 0  # who made it

    def __str__(self) -> str:
        place = f"[{self.address}]" if ":" in self.address else self.address
        only = " v6only" if self.v6only and self.address == "::" else ""
        device = self.device or self.scope
        return f"{self.proto} {place}{'%' if device else ''}{device}:{self.port}{only}"

    @property
    def families(self) -> tuple[int, ...]:
        """The families whose peers it takes."""
        if ":" not in self.address or self.address.startswith("::ffff:"):
            return (4,)
        return (6,) if self.v6only or self.address != "::" else (4, 6)

    def bridged(self) -> Waiting:
        """Return it where va is a port of a bridge: what was bound to va is bound to the bridge."""
        names = {"va": "br0"}
        return self._replace(device=names.get(self.device, self.device), scope=names.get(self.scope, self.scope))


def _waiting(proto: str) -> Iterator[Waiting]:
    yield Waiting(proto, "0.0.0.0", 8000)
    yield Waiting(proto, "::", 8000, v6only=True)
    yield Waiting(proto, "::", 22 if proto == "tcp" else 53)
    yield Waiting(proto, "::", 8002)
    yield Waiting(proto, "10.1.0.1", 8001)
    yield Waiting(proto, "127.0.0.1", 8001)
    yield Waiting(proto, "::1", 8001)
    yield Waiting(proto, "fd01::1", 8001)
    yield Waiting(proto, "fe80::a1", 8001, scope="va")
    yield Waiting(proto, "0.0.0.0", 8003, device="va")
    yield Waiting(proto, "0.0.0.0", 8003, device="vb")
    yield Waiting(proto, "::", 8004, device="vb")
    yield Waiting(proto, "::ffff:10.1.0.1", 8005)
    yield Waiting(proto, "127.0.0.1", 6379)


WAITING = (*_waiting("tcp"), *_waiting("udp"))
PORTS = (22, 53, 80, 443, 6379, 8000, 8001, 8002, 8003, 8004, 8005)  # what rules name and knocks go to
HOST = "host"  # the name of the source that the server itself is


class Knock(NamedTuple):
    """One attempt: from ``source`` (empty: whatever the kernel takes) by ``device`` to an address and port."""

    proto: str
    family: int
    source: str
    device: str
    target: str
    port: int


class Pair(NamedTuple):
    """What has a verdict: a socket, a family and a source (an address, or ``host``)."""

    socket: str
    family: int
    source: str


def knocks_from(source: Source, ports: Iterable[int], *, loopback: bool = False) -> list[Knock]:
    """Given a source, return its knocks at every address of the server that it can send to.

    ``loopback``: at 127.0.0.1 too, which a neighbour can send to, and nobody behind a gateway.
    """
    targets = [*SERVER[source.family]]
    if source.family == 6 and not source.routed:
        targets.append(LINK_LOCAL[source.device])
    if source.family == 4 and loopback and not source.routed:
        targets.append(LOCALHOST[4])
    return [
        Knock(proto, source.family, source.address, CABLES[source.device], target, port)
        for proto in ("tcp", "udp")
        for target in targets
        for port in ports
    ]


def knocks_inside(ports: Iterable[int]) -> list[Knock]:
    """Return the knocks of the server at its own addresses."""
    targets = [(family, address, "") for family in (4, 6) for address in (LOCALHOST[family], *SERVER[family])]
    targets += [(6, address, device) for device, address in LINK_LOCAL.items()]
    return [
        Knock(proto, family, "", device, address, port)
        for proto in ("tcp", "udp")
        for family, address, device in targets
        for port in ports
    ]
