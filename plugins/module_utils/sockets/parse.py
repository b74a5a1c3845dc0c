# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The records of sockets, which all platforms share, and the kernel's socket tables of Linux as text. Pure.

Formats: proc(5) for ``/proc/net/tcp`` and its relatives and for ``/proc/PID/cgroup``.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Optional

from ..errors import ParseError

LISTENING = {"tcp": "0A", "udp": "07"}  # TCP_LISTEN; an unconnected UDP socket is in state TCP_CLOSE
_UNITS = (".service", ".scope", ".socket")


@dataclass(frozen=True)
class Socket:
    """A socket that waits for peers.

    ``proto`` is tcp or udp, ``family`` 4 or 6, ``address`` the numeric address (``0.0.0.0`` and ``::`` are all of
    them), ``v6only`` whether an IPv6 socket refuses IPv4 peers (None: could not be learned, or an IPv4 socket).
    ``uid`` and ``user`` made the socket (-1 and empty where that is not known; Windows has no numbers for accounts, and
    names the account of the process). ``pids`` are the processes that hold it, smallest first; ``exe`` (its path, or
    its name where the path is hidden), ``unit`` and ``services`` are those of the first. ``unit`` is what the system's
    service manager calls it: the systemd unit, the launchd label, or the Windows service; where one process hosts
    several Windows services, ``services`` has them all and ``unit`` is empty. Without ``pids`` nothing is known of
    processes. ``inode`` is 0 where the platform has none.
    """

    proto: str
    family: int
    address: str
    port: int
    inode: int
    uid: int
    v6only: Optional[bool] = None
    pids: tuple[int, ...] = ()
    exe: str = ""
    user: str = ""
    unit: str = ""
    services: tuple[str, ...] = ()


@dataclass(frozen=True)
class SocketTable:
    """The listening sockets of a host. ``blind`` says why the owners of some could not be seen; empty: all could.

    ``unread`` says by protocol why sockets of it may be missing from the table; ``blind`` then names these reasons too.
    """

    sockets: tuple[Socket, ...]
    blind: str = ""
    unread: Mapping[str, str] = field(default_factory=dict)


def parse_address(family: int, text: str) -> str:
    """Given an address in the kernel's notation (32-bit words of the host's byte order, in hex), return it as usual.

    Raise ValueError where it has another length or other characters.
    """
    words = [int(text[place : place + 8], 16) for place in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    if family == 4:
        return str(IPv4Address(packed))
    address = IPv6Address(packed)
    # Python 3.13 writes these so by itself, older ones as ::ffff:7f00:1.
    return f"::ffff:{address.ipv4_mapped}" if address.ipv4_mapped else str(address)


def parse_sockets(proto: str, family: int, text: str) -> tuple[Socket, ...]:
    """Given a socket table of /proc/net (``proto`` tcp or udp, ``family`` 4 or 6), return the sockets that listen.

    Raise ParseError naming the line that is of another form.
    """
    source = f"/proc/net/{proto}{'6' if family == 6 else ''}"
    found = []
    for number, line in enumerate(text.splitlines()[1:], start=2):
        try:
            row = _parse_row(proto, family, line.split())
        except (ValueError, IndexError, struct.error) as error:
            raise ParseError(source, number, line, str(error)) from error
        found += [row] if row else []
    return tuple(found)


def _parse_row(proto: str, family: int, fields: list[str]) -> Optional[Socket]:
    if fields[3] != LISTENING[proto]:
        return None
    address, port = fields[1].split(":")
    return Socket(proto, family, parse_address(family, address), int(port, 16), int(fields[9]), int(fields[7]))


def parse_inode(link: str) -> Optional[int]:
    """Given what a link in /proc/PID/fd says, return the inode of the socket it stands for, or None."""
    return int(link[8:-1]) if link.startswith("socket:[") else None


def parse_unit(text: str) -> str:
    """Given /proc/PID/cgroup, return the systemd unit of the system that the process belongs to; empty: none.

    Control groups of both kinds are understood. Sub-groups that a unit makes for itself count as the unit.
    """
    paths = {controllers: path for _id, controllers, path in (line.split(":", 2) for line in text.splitlines())}
    # Beside a tree of the first kind the other one may be there without units in it: both are asked.
    return _first_unit(paths.get("name=systemd", "")) or _first_unit(paths.get("", ""))


def _first_unit(path: str) -> str:
    for part in path.split("/"):
        name = part[1:] if part.startswith("_") else part  # systemd puts _ before names the kernel keeps for itself
        if name.endswith(_UNITS):
            return name
    return ""
