# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The listening sockets of a Linux host with their owners, put together from the tables of its kernel."""

from __future__ import annotations

from dataclasses import replace

from ...errors import SourceDenied, SourceMissing
from ...host import Host
from ..parse import Socket, SocketTable, parse_sockets, parse_unit
from .diagnosis import parse_v6only
from .gather import Holders, Tables, find_holders, read_tables


def gather_linux(host: Host) -> SocketTable:
    """Return the listening sockets of a Linux host. Raise SourceMissing, SourceDenied or ParseError."""
    sockets = parse_tables(read_tables(host))
    holders = find_holders(host, {entry.inode for entry in sockets})
    owned = [_with_owner(host, entry, tuple(holders.pids.get(entry.inode, ()))) for entry in sockets]
    return SocketTable(tuple(owned), blind_reason(host, owned, holders))


def parse_tables(tables: Tables) -> list[Socket]:
    """Given the kernel's tables, return the listening sockets in a stable order, without owners."""
    v6only: dict[int, bool] = {}
    for dump in tables.diagnosis:
        v6only.update(parse_v6only(dump))
    found = [entry for (proto, family), text in tables.texts.items() for entry in parse_sockets(proto, family, text)]
    found.sort(key=lambda entry: (entry.proto, entry.port, entry.family, entry.address, entry.inode))
    return [replace(entry, v6only=v6only.get(entry.inode)) if entry.family == 6 else entry for entry in found]


def _with_owner(host: Host, entry: Socket, pids: tuple[int, ...]) -> Socket:
    user = host.account(entry.uid)
    if not pids:
        return replace(entry, user=user)
    return replace(entry, user=user, pids=pids, exe=executable(host, pids[0]), unit=unit_of(host, pids[0]))


def executable(host: Host, pid: int) -> str:
    """Return the path of a process's executable; empty where it has none, has ended, or does not show it."""
    try:
        return host.link(f"/proc/{pid}/exe")
    except (SourceMissing, SourceDenied):
        return ""


def unit_of(host: Host, pid: int) -> str:
    """Return the systemd unit that a process belongs to; empty where it belongs to none or has ended."""
    try:
        return parse_unit(host.read(f"/proc/{pid}/cgroup"))
    except (SourceMissing, SourceDenied):
        return ""


def blind_reason(host: Host, sockets: list[Socket], holders: Holders) -> str:
    """Return why owners of sockets are missing; empty where none is, or where only the kernel itself can own them."""
    missing = sum(1 for entry in sockets if not entry.pids)
    if not missing or (host.is_admin() and not holders.denied):
        return ""
    why = f"{holders.denied} processes do not let this account look at their files" if holders.denied else "not root"
    return f"the owners of {missing} of {len(sockets)} listening sockets cannot be seen: {why}"
