# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which process took a connection: on Linux the socket's inode in the kernel's tables, and who holds that."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress

from ...errors import CoreError, SourceMissing
from ...host import Host
from ..ends import Ends, plain
from ..parse import parse_address, parse_inode
from .gather import MAX_TABLE

_EVENTPOLL = "anon_inode:[eventpoll]"


def taken_by(host: Host, ends: Collection[Ends], pids: Iterable[int]) -> dict[Ends, tuple[int, ...]]:
    """Given connections and the processes that may have them, return who holds the server's end of each.

    One that nobody has accepted yet is left out, and of one that another process holds no process is known. Raise
    CoreError where the tables, or the files of one of the processes, cannot be read.
    """
    inodes = _inodes(host, set(ends))
    holders: dict[int, list[int]] = {}
    for pid in pids if inodes else ():
        for inode in sockets_of(host, pid).values():
            holders.setdefault(inode, []).append(pid)
    return {end: tuple(dict.fromkeys(holders.get(inode, ()))) for end, inode in inodes.items()}


def _inodes(host: Host, wanted: set[Ends]) -> dict[Ends, int]:
    found = dict(parse_connections(4, host.read("/proc/net/tcp", MAX_TABLE), wanted))
    if len(found) < len(wanted):  # a socket of IPv6 may have taken it, of an IPv4 peer too
        with suppress(SourceMissing):  # a kernel without IPv6
            found.update(parse_connections(6, host.read("/proc/net/tcp6", MAX_TABLE), wanted))
    return found


def parse_connections(family: int, text: str, wanted: Collection[Ends]) -> dict[Ends, int]:
    """Given /proc/net/tcp (or tcp6), return the inodes of those of the wanted connections that are accepted."""
    ports = {f":{end.server_port:04X}" for end in wanted}
    found = {}
    for fields in (line.split() for line in text.splitlines()[1:]):
        if len(fields) > 9 and fields[1][-5:] in ports and fields[9] != "0":
            (server, server_port), (client, client_port) = (_place(family, place) for place in fields[1:3])
            end = Ends(server, server_port, client, client_port)
            found.update({end: int(fields[9])} if end in wanted else {})
    return found


def _place(family: int, text: str) -> tuple[str, int]:
    address, port = text.split(":")
    return plain(parse_address(family, address)), int(port, 16)


def sockets_of(host: Host, pid: int) -> dict[str, int]:
    """Return the inodes of the sockets that a process holds, by descriptor; one that has ended holds none."""
    found = {name: parse_inode(link) for name, link in _links(host, pid).items()}
    return {name: inode for name, inode in found.items() if inode is not None}


def _links(host: Host, pid: int) -> dict[str, str]:
    links: dict[str, str] = {}
    try:
        for name in host.entries(f"/proc/{pid}/fd"):
            links.update(_link(host, pid, name))
    except SourceMissing:  # it has ended
        return {}
    return links


def _link(host: Host, pid: int, name: str) -> Mapping[str, str]:
    try:
        return {name: host.link(f"/proc/{pid}/fd/{name}")}
    except SourceMissing:  # closed meanwhile
        return {}


def waits_for(host: Host, pid: int, inodes: Collection[int]) -> bool:
    """Return whether a process is seen to wait for connections to one of these sockets, by epoll(7).

    Event loops do. That another way of waiting is not seen proves nothing.
    """
    try:
        links = _links(host, pid)
        polled = [host.read(f"/proc/{pid}/fdinfo/{name}") for name, link in links.items() if link == _EVENTPOLL]
    except CoreError:
        return False
    targets = {words[1] for text in polled for words in map(str.split, text.splitlines()) if words[:1] == ["tfd:"]}
    return any(parse_inode(links.get(name, "")) in inodes for name in targets)
