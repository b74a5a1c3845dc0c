# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The listening sockets of a Linux kernel, who holds which of them, and which process took a connection.

Formats: proc(5) for ``/proc/net/tcp`` and its relatives and for ``/proc/PID/cgroup``. The kernel's socket diagnosis
(sock_diag(7)) is the one place that says whether an IPv6 socket also takes IPv4 peers, and which device it is bound to.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple, Optional

from ..errors import CoreError, ParseError, SourceDenied, SourceMissing
from ..finding import EMPTY
from ..host import Host
from ..netlink import HEADER, messages
from ..processes.linux import executable, pids, unit_of
from ..processes.linux_files import links_of
from .model import Ends, Socket, SocketTable, plain

LISTENING = {"tcp": "0A", "udp": "07"}  # TCP_LISTEN; an unconnected UDP socket is in state TCP_CLOSE


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


NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY = 4, 20
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
INET_DIAG_SKV6ONLY = 11
_PROTOCOLS = {"tcp": (socket.IPPROTO_TCP, 1 << 10), "udp": (socket.IPPROTO_UDP, 1 << 7)}  # with the bit of the state
_REQUEST = struct.Struct("=BBBxI48x")  # family, protocol, extensions, states, any socket
_MESSAGE = struct.Struct("=4x36xI8x16xI")  # inet_diag_msg of linux/inet_diag.h: of it idiag_if and the inode, its last
_ATTRIBUTE = struct.Struct("=HH")


def listeners_request(proto: str, family: int = 6) -> bytes:
    """Given tcp or udp and 4 or 6, return the request for all its sockets that wait for peers."""
    protocol, states = _PROTOCOLS[proto]
    body = _REQUEST.pack(socket.AF_INET6 if family == 6 else socket.AF_INET, protocol, 0, states)
    return HEADER.pack(HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + body


def parse_diagnosis(dump: bytes) -> dict[int, tuple[Optional[bool], int]]:
    """Given the kernel's answer, return by inode whether the socket takes IPv6 peers only, and its device's number."""
    answer = {}
    for kind, payload in messages(dump):
        if kind == SOCK_DIAG_BY_FAMILY and len(payload) >= _MESSAGE.size:
            device, inode = _MESSAGE.unpack_from(payload)
            values = [bool(value[0]) for name, value in _attributes(payload) if name == INET_DIAG_SKV6ONLY and value]
            answer[inode] = (values[0] if values else None, device)
    return answer


def _attributes(payload: bytes) -> Iterator[tuple[int, bytes]]:
    place = _MESSAGE.size
    while place + _ATTRIBUTE.size < len(payload):
        length, name = _ATTRIBUTE.unpack_from(payload, place)
        if length <= _ATTRIBUTE.size:
            return
        yield name, payload[place + _ATTRIBUTE.size : place + length]
        place += (length + 3) & ~3


def parse_tables(tables: Tables) -> list[Socket]:
    """Given the kernel's tables, return the listening sockets in a stable order, without owners."""
    diagnosed: dict[int, tuple[Optional[bool], int]] = {}
    for dump in tables.diagnosis:
        diagnosed.update(parse_diagnosis(dump))
    read = [entry for (proto, family), text in tables.texts.items() for entry in parse_sockets(proto, family, text)]
    found = list(dict.fromkeys(read))
    found.sort(key=lambda entry: (entry.proto, entry.port, entry.family, entry.address, entry.inode))
    return [_diagnosed(entry, tables.devices, *diagnosed.get(entry.inode, (None, 0))) for entry in found]


def _diagnosed(entry: Socket, devices: Mapping[int, str], v6only: Optional[bool], device: int) -> Socket:
    name = devices.get(device, f"interface {device}") if device else ""
    return entry._replace(v6only=v6only if entry.family == 6 else None, device=name)


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


TABLES = (("tcp", 4), ("tcp", 6), ("udp", 4), ("udp", 6))
MAX_TABLE = 64 << 20  # a row is 150 bytes: some 400,000 connections


@dataclass
class Holders:
    """Who holds which socket: ``pids`` by inode, and how many processes did not let themselves be looked at."""

    pids: dict[int, list[int]] = field(default_factory=dict)
    denied: int = 0


class Tables(NamedTuple):
    """The kernel's tables as it gave them: text by protocol and family, answers about sockets, interfaces' names."""

    texts: dict[tuple[str, int], str]
    diagnosis: tuple[bytes, ...] = ()
    devices: Mapping[int, str] = EMPTY


def read_tables(host: Host) -> Tables:
    """Return the socket tables of a Linux host. Raise SourceMissing, SourceDenied or ParseError.

    /proc gives a table in parts, and leaves sockets out where others come and go meanwhile (seen with UDP). Where the
    kernel's diagnosis has more, the tables are read once more, and what either reading has counts.
    """
    texts, diagnosis = _texts(host), _diagnosis(host)
    if _left_out(texts, diagnosis):
        again = {table: text.partition("\n")[2] for table, text in _texts(host).items()}  # without the heads
        texts = {table: f"{text.rstrip()}\n{again.get(table, '')}" for table, text in texts.items()}
    return Tables(texts, diagnosis, _devices(host, diagnosis))


def _texts(host: Host) -> dict[tuple[str, int], str]:
    texts = {("tcp", 4): host.read("/proc/net/tcp", MAX_TABLE)}
    for proto, family in TABLES[1:]:
        try:
            texts[proto, family] = host.read(f"/proc/net/{proto}{'6' if family == 6 else ''}", MAX_TABLE)
        except SourceMissing:  # a kernel without IPv6 has no tables for it
            continue
    return texts


def _left_out(texts: Mapping[tuple[str, int], str], diagnosis: Iterable[bytes]) -> bool:
    """Return whether the kernel's diagnosis has a socket that the texts have not."""
    known = {entry.inode for table, text in texts.items() for entry in parse_sockets(*table, text)}
    return any(inode and inode not in known for dump in diagnosis for inode in parse_diagnosis(dump))


def _diagnosis(host: Host) -> tuple[bytes, ...]:
    """Return the kernel's answers about sockets; where it gives none, v6only stays unknown."""
    answers = []
    for table in TABLES:
        with suppress(CoreError):
            answers.append(host.ask_kernel(NETLINK_SOCK_DIAG, listeners_request(*table)))
    return tuple(answers)


def _devices(host: Host, diagnosis: Iterable[bytes]) -> dict[int, str]:
    """Return the interfaces by number where a socket is bound to one, as far as their names can be learned."""
    if not any(device for dump in diagnosis for _v6only, device in parse_diagnosis(dump).values()):
        return {}
    try:
        links = json.loads(host.run(["ip", "-j", "link", "show"]).stdout)
        return {int(link["ifindex"]): str(link["ifname"]) for link in links}
    except (CoreError, ValueError, KeyError, TypeError):
        return {}


def find_holders(host: Host, inodes: Collection[int]) -> Holders:
    """Given the inodes of sockets, return which processes hold them, as far as this account may see."""
    holders = Holders()
    for pid in sorted(pids(host)):
        try:
            links = links_of(host, pid).values()
        except SourceDenied:
            holders.denied += 1
            continue
        for inode in {parse_inode(link) for link in links}.intersection(inodes):
            holders.pids.setdefault(inode or 0, []).append(pid)
    return holders


def collect_linux(host: Host) -> SocketTable:
    """Return the listening sockets of a Linux host. Raise SourceMissing, SourceDenied or ParseError."""
    sockets = parse_tables(read_tables(host))
    holders = find_holders(host, {entry.inode for entry in sockets})
    owned = [_with_owner(host, entry, tuple(holders.pids.get(entry.inode, ()))) for entry in sockets]
    return SocketTable(tuple(owned), why_unavailable(host, owned, holders))


def _with_owner(host: Host, entry: Socket, pids: tuple[int, ...]) -> Socket:
    user = host.account(entry.uid)
    if not pids:
        return entry._replace(user=user)
    return entry._replace(user=user, pids=pids, exe=executable(host, pids[0]), unit=unit_of(host, pids[0]))


def why_unavailable(host: Host, sockets: list[Socket], holders: Holders) -> str:
    """Return why owners of sockets are missing; empty where none is, or where only the kernel itself can own them."""
    missing = sum(1 for entry in sockets if not entry.pids)
    if not missing or (host.is_admin() and not holders.denied):
        return ""
    why = f"{holders.denied} processes do not let this account look at their files" if holders.denied else "not root"
    return f"the owners of {missing} of {len(sockets)} listening sockets cannot be seen: {why}"


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


def sockets_of(host: Host, pid: int) -> dict[str, int]:
    """Return the inodes of the sockets that a process holds, by descriptor; one that has ended holds none."""
    found = {name: parse_inode(link) for name, link in links_of(host, pid).items()}
    return {name: inode for name, inode in found.items() if inode is not None}


def waits_for(host: Host, pid: int, inodes: Collection[int]) -> bool:
    """Return whether a process is seen to wait for connections to one of these sockets, by epoll(7).

    Event loops do. That another way of waiting is not seen proves nothing.
    """
    try:
        links = links_of(host, pid)
        polled = [host.read(f"/proc/{pid}/fdinfo/{name}") for name, link in links.items() if link == _EVENTPOLL]
    except CoreError:
        return False
    targets = {words[1] for text in polled for words in map(str.split, text.splitlines()) if words[:1] == ["tfd:"]}
    return any(parse_inode(links.get(name, "")) in inodes for name in targets)
