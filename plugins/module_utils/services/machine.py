# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of a host once and looked at for every service: the same record on all platforms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional

from ..clock import Clock
from ..errors import CoreError
from ..host import Host
from ..processes.collect import take_census
from ..processes.model import Census, Details, Process
from ..sockets.collect import listening
from ..sockets.model import SocketTable
from .declared import Service
from .parse import Journal, Unit

NOT_ASKED = "it was not asked"


@dataclass(frozen=True)
class Wish:
    """What to read: the declared services, patterns of unit names, the events of the last ``window`` seconds (0: none),
    and whether the listening sockets too.
    """

    services: Sequence[Service]
    patterns: Sequence[str] = ()
    window: float = 0.0
    sockets: bool = True


@dataclass(frozen=True)
class Units:
    """The units of a host by name, and the ids that each pattern matched.

    ``problem`` says why there are none to see, ``problems`` why single ones, by name, cannot be seen, and
    ``unmatched`` why patterns could not be compared with anything, ``unclimbed`` why not all that starts them is known.
    """

    by_name: Mapping[str, Unit] = field(default_factory=dict)
    matched: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problem: str = ""
    problems: Mapping[str, str] = field(default_factory=dict)
    unmatched: str = ""
    unclimbed: str = ""


def _nothing(_pid: int) -> Details:
    return Details()


@dataclass(frozen=True)
class Machine:
    """A host at one moment: times as in Snapshot. ``hidden`` says why processes may be missing, ``lacks`` by rule why
    this platform has nothing to judge.
    """

    now: float
    uptime: float
    boot_id: str
    units: Units
    processes: Mapping[int, Process]
    details: Callable[[int], Details] = _nothing
    hidden: str = ""
    journal: Journal = field(default_factory=lambda: Journal.unavailable(NOT_ASKED))
    sockets: Optional[SocketTable] = None
    sockets_problem: str = ""
    lacks: Mapping[str, str] = field(default_factory=dict)

    @property
    def clock(self) -> Clock:
        """The clock that all ages are told by."""
        return Clock(self.now, self.uptime)


def count_processes(host: Host) -> Census:
    """Return the processes of a host; where they cannot be listed, none, and why."""
    try:
        return take_census(host)
    except CoreError as error:
        return Census(0.0, "", {}, _nothing, f"the processes cannot be listed: {error}")


def read_sockets(host: Host, wish: Wish) -> tuple[Optional[SocketTable], str]:
    """Return the listening sockets if they are wished for; where there are none to see, why."""
    if not wish.sockets:
        return None, NOT_ASKED
    try:
        return listening(host), ""
    except CoreError as error:
        return None, f"the listening sockets cannot be read: {error}"
