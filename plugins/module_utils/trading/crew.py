# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which processes answer at the port of the trade service: each has a memory of its own, so all are asked. Pure.

A process takes connections of a port only where it holds the listening socket. A parent whose children hold it looks
after them and takes none, as those of uvicorn and gunicorn do; one that is seen to wait for connections is a worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Optional

from ..processes.model import Process
from ..registry import EMPTY
from ..services.listeners import takers
from ..services.workers import is_worker, workers_asked
from ..sockets.model import Socket, SocketTable

VOUCH = "declare trading.workers where you know how many processes answer"
AS_ROOT = f"Run it as root (become), or {VOUCH}."
AT_HOME = f"Ask the trade service at its own port on its own host (services, trading.url), or {VOUCH}."
UNTOLD = (
    "Look at each of them by hand, or serve trade by one process; trading.when_unknown says whether it may be "
    "restarted all the same."
)
SEE_WHY = (
    "Find out why not all of its processes answer; one that hangs is ended by a restart, once its orders are done."
)


class PortSnapshot(NamedTuple):
    """What is seen of a host at one moment: its listening ``sockets``, ``own``, the processes of the declared trade
    service (None: none is declared on this host), and all ``processes``; ``unavailable`` says why any of them is
    missing. ``uid`` is the account of a service of one process, where it is known. ``one_owner``: the system names one
    holder of each socket, whoever shares it (Windows).
    """

    own: Optional[Sequence[Process]] = None
    sockets: Optional[SocketTable] = None
    unavailable: str = ""
    processes: Mapping[int, Process] = EMPTY
    uid: Optional[int] = None
    one_owner: bool = False


class Crew(NamedTuple):
    """The processes that take questions: all of ``workers``, where ``why`` is empty; else it says why others may as
    well, and ``cure`` what helps. ``parents`` hold the port and only look after workers, as far as is known.
    ``inodes`` are the listening sockets, ``asked`` is how many workers the command line asks for (0: it does not say).
    """

    workers: frozenset[int] = frozenset()
    parents: frozenset[int] = frozenset()
    inodes: frozenset[int] = frozenset()
    asked: int = 0
    why: str = ""
    cure: str = ""


def crew_of(snapshot: PortSnapshot, name: str, address: str, port: int) -> Crew:
    """Given what is seen of a host, the name of the trade service and where it is asked, return who answers there."""
    if snapshot.own is None:
        return Crew(why=f"{name} is no service of this host, so nothing tells how many processes answer", cure=AT_HOME)
    unread = snapshot.unavailable if snapshot.sockets is None else snapshot.sockets.unread.get("tcp", "")
    if snapshot.sockets is None or unread:
        return Crew(why=f"which processes answer cannot be seen: {unread}", cure=AS_ROOT)
    found = takers(snapshot.sockets.sockets, address, port)
    if not found:
        return Crew(why=f"no process of this host is seen to listen on port {port}", cure=AT_HOME)
    if not snapshot.own:
        what = f"the processes of {name} cannot be seen"
        return Crew(why=f"{what}: {snapshot.unavailable}" if snapshot.unavailable else what, cure=AS_ROOT)
    asked = max(workers_asked(process.command) for process in snapshot.own)
    return _held(snapshot, found, name, port)._replace(asked=asked)


def _held(snapshot: PortSnapshot, found: Sequence[Socket], name: str, port: int) -> Crew:
    own = {process.pid: process for process in snapshot.own or ()}
    holders = frozenset(pid for entry in found for pid in entry.pids)
    if any(not entry.pids for entry in found):
        # Its account holds the port, and it has no other process that could.
        if not holders and len(own) == 1 and {entry.uid for entry in found} == {snapshot.uid}:
            return Crew(frozenset(own))
        unavailable = snapshot.sockets.unavailable if snapshot.sockets else ""
        return Crew(why=f"nobody shows who holds port {port}{unavailable and ': '}{unavailable}", cure=AS_ROOT)
    if holders.isdisjoint(own):
        who = f"{found[0].exe or 'a process'} (pid {min(holders)})"
        why = f"port {port} is held by {who}, no process of {name}: it may hand questions on to any of several"
        return Crew(why=why, cure=AT_HOME)
    return _crew(snapshot, holders, frozenset(entry.inode for entry in found))


def _crew(snapshot: PortSnapshot, holders: frozenset[int], inodes: frozenset[int]) -> Crew:
    table = snapshot.processes
    if snapshot.one_owner:
        helpers = (process for process in table.values() if process.parent in holders & table.keys())
        holders |= {process.pid for process in helpers if is_worker(table[process.parent], process)}
    parents = frozenset(table[pid].parent for pid in holders if pid in table) & holders
    return Crew(holders - parents, parents, inodes)


def untold(crew: Crew, port: int) -> Crew:
    """Return a crew of several of which the system does not tell who took a connection."""
    why = f"{len(crew.workers)} processes answer on port {port}, and this system does not tell which of them did"
    return crew._replace(why=why, cure=UNTOLD)
