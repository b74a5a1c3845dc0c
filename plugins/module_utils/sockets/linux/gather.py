# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the socket tables of a Linux kernel and who holds which socket."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from ...errors import CoreError, SourceDenied, SourceMissing
from ...host import Host
from ..parse import parse_inode
from .diagnosis import NETLINK_SOCK_DIAG, listeners_request

TABLES = (("tcp", 4), ("tcp", 6), ("udp", 4), ("udp", 6))
MAX_TABLE = 64 << 20  # a row is 150 bytes: some 400,000 connections


@dataclass
class Holders:
    """Who holds which socket: ``pids`` by inode, and how many processes did not let themselves be looked at."""

    pids: dict[int, list[int]] = field(default_factory=dict)
    denied: int = 0


@dataclass(frozen=True)
class Tables:
    """The kernel's tables as it gave them: text by protocol and family, and the answers about IPv6 sockets."""

    texts: dict[tuple[str, int], str]
    diagnosis: tuple[bytes, ...] = ()


def read_tables(host: Host) -> Tables:
    """Return the socket tables of a Linux host. Raise SourceMissing or SourceDenied where it has none."""
    texts = {("tcp", 4): host.read("/proc/net/tcp", MAX_TABLE)}
    for proto, family in TABLES[1:]:
        try:
            texts[proto, family] = host.read(f"/proc/net/{proto}{'6' if family == 6 else ''}", MAX_TABLE)
        except SourceMissing:  # a kernel without IPv6 has no tables for it
            continue
    return Tables(texts, _diagnosis(host))


def _diagnosis(host: Host) -> tuple[bytes, ...]:
    """Return the kernel's answers about IPv6 sockets, or nothing where it gives none: v6only then stays unknown."""
    try:
        return tuple(host.ask_kernel(NETLINK_SOCK_DIAG, listeners_request(proto)) for proto in ("tcp", "udp"))
    except CoreError:
        return ()


def find_holders(host: Host, inodes: Collection[int]) -> Holders:
    """Given the inodes of sockets, return which processes hold them, as far as this account may see."""
    holders = Holders()
    for pid in sorted(int(name) for name in host.entries("/proc") if name.isdigit()):
        try:
            links = [_link(host, f"/proc/{pid}/fd/{name}") for name in host.entries(f"/proc/{pid}/fd")]
        except SourceMissing:  # it ended meanwhile
            continue
        except SourceDenied:
            holders.denied += 1
            continue
        for inode in {parse_inode(link) for link in links}.intersection(inodes):
            holders.pids.setdefault(inode or 0, []).append(pid)
    return holders


def _link(host: Host, path: str) -> str:
    try:
        return host.link(path)
    except SourceMissing:  # closed meanwhile
        return ""
