# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The listening sockets of macOS: lsof knows owners, netstat knows all sockets and their families.

Sources: lsof(8), "OUTPUT FOR OTHER PROGRAMS"; netstat(1) of macOS, where ``tcp46`` is a socket of both families.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Optional, TypeVar

from ..asking import ask
from ..errors import CoreError, ParseError
from ..host import Host
from ..processes.macos import LABELS, PROGRAMS, parse_labels, parse_programs
from ..processes.macos_files import lsof_files
from .address import WILDCARD, plain_address
from .model import Ends, Socket, SocketTable, plain

Place = tuple[str, int, str, int]  # protocol, family, address, port
_FAMILY = {"IPv4": 4, "IPv6": 6}
_KINDS = {"tcp4": (4, None), "tcp6": (6, True), "tcp46": (6, False), "udp4": (4, None), "udp6": (6, True)}
KINDS: Mapping[str, tuple[int, Optional[bool]]] = {**_KINDS, "udp46": (6, False)}


class Held(NamedTuple):
    """A socket that a process holds: where it listens, the kernel's address of it, and the process."""

    place: Place
    device: str
    pid: int
    command: str
    uid: int
    user: str


def place_of(socket: Socket) -> Place:
    """Return where a socket listens."""
    return socket.proto, socket.family, socket.address, socket.port


def parse_lsof(text: str) -> tuple[Held, ...]:
    """Given the output of ``lsof -F pcuLftdPnT``, return the sockets that wait for peers, once per process.

    Connected UDP sockets and those without a port are left out. Raise ParseError naming the line of another form.
    """
    held: dict[tuple[int, Place, str], Held] = {}
    for number, process, file in lsof_files(text):
        try:
            found = _held(process, file)
        except (KeyError, ValueError) as error:
            raise ParseError("lsof", number, file.get("n", ""), f"no usable {error}") from error
        if found:
            held.setdefault((found.pid, found.place, found.device), found)
    return tuple(held.values())


def _held(process: Mapping[str, str], file: Mapping[str, str]) -> Optional[Held]:
    proto, name = file.get("P", "").lower(), file["n"]
    if proto not in ("tcp", "udp") or file.get("ST", "LISTEN") != "LISTEN" or "->" in name:
        return None
    address, _colon, port = name.rpartition(":")
    if not port.isdigit():  # a UDP socket that has no port yet: *:*
        return None
    place = _place(proto, _FAMILY[file["t"]], address.strip("[]"), port)
    pid, uid = int(process["p"]), int(process.get("u", "-1"))
    return Held(place, file.get("d", ""), pid, process.get("c", ""), uid, process.get("L", ""))


def _place(proto: str, family: int, address: str, port: str) -> Place:
    return proto, family, WILDCARD[family] if address == "*" else plain_address(address)[1], int(port)


def merge_held(held: Iterable[Held]) -> tuple[Socket, ...]:
    """Given sockets once per process, return each socket once, with all processes that hold it."""
    groups: dict[tuple[Place, str], list[Held]] = {}
    for entry in held:
        groups.setdefault((entry.place, entry.device), []).append(entry)
    return tuple(_socket(sorted(group, key=lambda entry: entry.pid)) for group in groups.values())


def _socket(group: list[Held]) -> Socket:
    first = group[0]
    pids = tuple(entry.pid for entry in group)
    return Socket(*first.place, inode=0, uid=first.uid, pids=pids, exe=first.command, user=first.user)


def parse_netstat(text: str) -> tuple[Socket, ...]:
    """Given the output of ``netstat -anW -p tcp`` (or udp), return the sockets that wait for peers, without owners.

    Raise ParseError naming the line of another form.
    """
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0] not in KINDS:
            continue
        try:
            row = _row(*KINDS[fields[0]], fields)
        except (ValueError, IndexError) as error:
            raise ParseError(
                "netstat", number, line, f"expected protocol, queues, addresses, state ({error})"
            ) from error
        found += [row] if row else []
    return tuple(found)


def _row(family: int, v6only: Optional[bool], fields: list[str]) -> Optional[Socket]:
    proto, (local, peer) = fields[0][:3], fields[3:5]
    waits = peer == "*.*" and (proto == "udp" or fields[5] == "LISTEN")
    address, _dot, port = local.rpartition(".")
    if not waits or not port.isdigit():
        return None
    return Socket(*_place(proto, family, address, port), inode=0, uid=-1, v6only=v6only)


def combine(owned: Iterable[Socket], listed: Iterable[Socket]) -> tuple[Socket, ...]:
    """Given sockets with owners (lsof) and all sockets (netstat), return all, with what each of the two knows."""
    owned, listed = tuple(owned), tuple(listed)
    kinds: dict[Place, set[Optional[bool]]] = {}
    for entry in listed:
        kinds.setdefault(place_of(entry), set()).add(entry.v6only)
    placed = {place_of(entry) for entry in owned}
    known = [entry._replace(v6only=_only(kinds.get(place_of(entry), set()))) for entry in owned]
    return (*known, *(entry for entry in listed if place_of(entry) not in placed))


def _only(kinds: set[Optional[bool]]) -> Optional[bool]:
    """Return the one answer; None where there is none, or where sockets of one place differ."""
    return next(iter(kinds)) if len(kinds) == 1 else None


def parse_taken(text: str, wanted: Collection[Ends]) -> dict[Ends, tuple[int, ...]]:
    """Given the output of ``lsof -F pfnPt``, return which processes hold the server's end of the wanted connections."""
    found: dict[Ends, tuple[int, ...]] = {}
    for _number, process, file in lsof_files(text):
        ends = _ends_of(file.get("n", ""))
        if ends is not None and ends in wanted and process.get("p", "").isdigit():
            found[ends] = (*found.get(ends, ()), int(process["p"]))
    return {ends: tuple(dict.fromkeys(pids)) for ends, pids in found.items()}


def _ends_of(name: str) -> Optional[Ends]:
    (server, _colon, server_port), (client, _colon, client_port) = (
        place.rpartition(":") for place in (*name.split("->"), "", "")[:2]
    )
    if not (server_port.isdigit() and client_port.isdigit()):
        return None
    return Ends(plain(server.strip("[]")), int(server_port), plain(client.strip("[]")), int(client_port))


LSOF = ("lsof", "-nP", "-w", "-iTCP", "-sTCP:LISTEN", "-iUDP", "-FpcuLftdPnT")
NETSTAT = ("netstat", "-anW", "-p")  # and the protocol
Anything = TypeVar("Anything")


def collect_macos(host: Host) -> SocketTable:
    """Return the listening sockets of a macOS host. Raise CoreError where neither lsof nor netstat tells any.

    Only root sees the owners of other accounts' sockets; the sockets themselves everybody sees, by netstat.
    """
    owned, no_lsof = _try(lambda: _owned(host))
    listed: list[Socket] = []
    unread = {}
    for proto in ("tcp", "udp"):
        rows, unavailable = _try(partial(_listed, host, proto))
        listed += rows or ()
        if unavailable and (no_lsof or not host.is_admin()):
            unread[proto] = f"not all {proto} sockets are seen: {unavailable}"
    if not owned and listed:  # the system's own processes have some
        no_lsof = no_lsof or "lsof shows none"
    if no_lsof and len(unread) > 1:
        raise CoreError(f"{no_lsof}; {'; '.join(unread.values())}")
    sockets = combine(owned or (), listed)
    return SocketTable(sockets, "; ".join([*unread.values(), *_unavailable(host, sockets, no_lsof)]), unread)


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
        entry._replace(exe=(programs or {}).get(entry.pids[0], entry.exe), unit=(labels or {}).get(entry.pids[0], ""))
        for entry in sockets
    )


def _lsof(host: Host) -> str:
    # it ends with 1 where one of the two protocols has no socket; -w keeps warnings away, so what it says are errors
    return ask(host, LSOF, nothing=(1,)).whole("lsof")


def _unavailable(host: Host, sockets: Sequence[Socket], no_lsof: str) -> list[str]:
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
