# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking macOS for its listening sockets: lsof knows owners, netstat knows all sockets and their families."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Optional, TypeVar

from ...asking import ask
from ...errors import CoreError
from ...host import Host
from ..ends import Ends
from ..parse import Socket, SocketTable
from .parse import combine, merge_held, parse_labels, parse_lsof, parse_netstat, parse_programs, parse_taken

LSOF = ("lsof", "-nP", "-w", "-iTCP", "-sTCP:LISTEN", "-iUDP", "-FpcuLftdPnT")
NETSTAT = ("netstat", "-anW", "-p")  # and the protocol
PROGRAMS = ("ps", "-axo", "pid=,comm=")
LABELS = ("launchctl", "list")

Anything = TypeVar("Anything")


def gather_macos(host: Host) -> SocketTable:
    """Return the listening sockets of a macOS host. Raise CoreError where neither lsof nor netstat tells any.

    Only root sees the owners of other accounts' sockets; the sockets themselves everybody sees, by netstat.
    """
    owned, no_lsof = _try(lambda: _owned(host))
    listed: list[Socket] = []
    unread = {}
    for proto in ("tcp", "udp"):
        rows, problem = _try(partial(_listed, host, proto))
        listed += rows or ()
        if problem and (no_lsof or not host.is_admin()):
            unread[proto] = f"not all {proto} sockets are seen: {problem}"
    if not owned and listed:  # the system's own processes have some
        no_lsof = no_lsof or "lsof shows none"
    if no_lsof and len(unread) > 1:
        raise CoreError(f"{no_lsof}; {'; '.join(unread.values())}")
    sockets = combine(owned or (), listed)
    return SocketTable(sockets, "; ".join([*unread.values(), *_blind(host, sockets, no_lsof)]), unread)


def _try(read: Callable[[], Anything]) -> tuple[Optional[Anything], str]:
    try:
        return read(), ""
    except CoreError as error:
        return None, str(error)


def _listed(host: Host, proto: str) -> tuple[Socket, ...]:
    # netstat warns of what the kernel refuses it, and ends with 0 (inet.c of Apple's network_cmds); without any socket
    # it prints nothing at all
    return parse_netstat(ask(host, [*NETSTAT, proto]).whole(f"netstat -p {proto}"))


def _owned(host: Host) -> tuple[Socket, ...]:
    """Return the sockets that lsof sees, with the programs and labels of their processes as far as they are known."""
    sockets = merge_held(parse_lsof(_lsof(host)))
    programs, _why = _try(lambda: parse_programs(host.run(PROGRAMS).stdout))
    labels, _why = _try(lambda: parse_labels(host.run(LABELS).stdout))
    return tuple(
        replace(entry, exe=(programs or {}).get(entry.pids[0], entry.exe), unit=(labels or {}).get(entry.pids[0], ""))
        for entry in sockets
    )


def _lsof(host: Host) -> str:
    # it ends with 1 where one of the two protocols has no socket; -w keeps warnings away, so what it says are errors
    return ask(host, LSOF, nothing=(1,)).whole("lsof")


def _blind(host: Host, sockets: Sequence[Socket], no_lsof: str) -> list[str]:
    """Return why owners of sockets are missing; nothing where none is, or where only the kernel itself can own them."""
    missing = sum(1 for entry in sockets if not entry.pids)
    if not missing or (host.is_admin() and not no_lsof):
        return []
    return [f"the owners of {missing} of {len(sockets)} listening sockets cannot be seen: {no_lsof or 'not root'}"]


def taken_by(host: Host, ends: Collection[Ends], pids: Iterable[int]) -> dict[Ends, tuple[int, ...]]:
    """Given connections and the processes that may have them, return who holds the server's end of each; one that
    nobody has accepted yet is left out. Raise CoreError where lsof does not tell.
    """
    ports = sorted({end.server_port for end in ends})
    argv = ["lsof", "-nP", "-w", "-a", *(f"-iTCP:{port}" for port in ports), "-p", ",".join(map(str, pids)), "-FpfnPt"]
    return parse_taken(ask(host, argv, nothing=(1,)).whole("lsof"), ends)
