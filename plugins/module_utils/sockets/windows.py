# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The listening sockets of Windows with their processes and services, by one powershell.exe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from ..errors import CoreError, SourceMissing
from ..fields import Fields, fields_of
from ..host import Host
from ..powershell import Answers, ask
from .address import plain_address
from .model import Socket, SocketTable
from .windows_queries import QUERIES

_WHO = {"processes": "name the processes", "services": "tell which services they host"}


class Owner(NamedTuple):
    """A process as far as sockets care: the path of its executable (or its name), services that it hosts, account."""

    exe: str = ""
    services: tuple[str, ...] = ()
    user: str = ""

    @property
    def unit(self) -> str:
        """The one service that it hosts; empty where it hosts none or several."""
        return self.services[0] if len(self.services) == 1 else ""


@dataclass
class Owners:
    """What is known of the processes by pid; ``unavailable`` says what is not known of them."""

    exes: dict[int, str] = field(default_factory=dict)
    services: dict[int, tuple[str, ...]] = field(default_factory=dict)
    users: dict[int, str] = field(default_factory=dict)
    unavailable: list[str] = field(default_factory=list)

    def of(self, pid: int) -> Owner:
        """Return what is known of one process."""
        return Owner(self.exes.get(pid, ""), self.services.get(pid, ()), self.users.get(pid, ""))


def parse_answers(answers: Answers) -> SocketTable:
    """Given the answers to QUERIES, return the sockets with owners; ``unread`` and ``unavailable`` say what is missing.

    Raise ParseError where an answer about sockets is of another form.
    """
    owners, sockets, unread = parse_owners(answers), [], {}
    for proto in ("tcp", "udp"):
        try:
            sockets += [_socket(proto, row, owners) for row in fields_of(proto, answers[proto])]
        except SourceMissing:  # what Get-NetTCPConnection says that finds nothing, also because it may not look
            unread[proto] = f"the {proto} sockets cannot be read: Windows shows none, and there always are some"
        except CoreError as error:
            unread[proto] = f"the {proto} sockets cannot be read: {error}"
    return SocketTable(tuple(sockets), "; ".join([*unread.values(), *owners.unavailable]), unread)


def _socket(proto: str, row: Fields, owners: Owners) -> Socket:
    port, pid = row.whole("LocalPort"), row.whole("OwningProcess")
    try:
        family, address = plain_address(row.text("LocalAddress"))
    except ValueError:
        raise row.wrong("LocalAddress", "expected an address") from None
    owner = owners.of(pid)
    return Socket(
        proto,
        family,
        address,
        port,
        inode=0,
        uid=-1,
        v6only=None,  # Windows does not say whether a socket takes both families
        pids=(pid,),
        exe=owner.exe,
        user=owner.user,
        unit=owner.unit,
        services=owner.services,
    )


def parse_owners(answers: Answers) -> Owners:
    """Given the answers about processes, services and accounts, return them by pid, and what has none."""
    owners = Owners()
    for name, read in _READERS.items():
        try:
            for row in fields_of(name, answers[name]):
                read(owners, row)
        except CoreError as error:
            if name in _WHO:
                owners.unavailable.append(f"nothing can {_WHO[name]} that own sockets: {error}")
    return owners


def _read_process(owners: Owners, row: Fields) -> None:
    owners.exes[row.whole("ProcessId")] = row.text("ExecutablePath") or row.text("Name")


def _read_service(owners: Owners, row: Fields) -> None:
    pid = row.whole("ProcessId", 0)  # 0: it does not run
    if pid:
        owners.services[pid] = tuple(sorted([*owners.services.get(pid, ()), row.text("Name")]))
        owners.users[pid] = row.text("StartName")


def _read_user(owners: Owners, row: Fields) -> None:
    if row.text("UserName"):
        owners.users[row.whole("Id")] = row.text("UserName")


_READERS: dict[str, Callable[[Owners, Fields], None]] = {
    "processes": _read_process,
    "services": _read_service,
    "users": _read_user,
}


def collect_windows(host: Host) -> SocketTable:
    """Return the listening sockets of a Windows host. Raise CoreError where PowerShell or both protocols do not answer.

    Owners are known to every account; the path of an executable, and the account of a process that is no service, only
    to an elevated one.
    """
    table = parse_answers(ask(host, QUERIES))
    if len(table.unread) > 1:
        raise CoreError(table.unavailable)
    return table
