# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is observed of a host's resources, the same on every platform. Sizes are bytes, times seconds, shares 0 to 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Optional, TypeVar, Union

from ..errors import CoreError
from ..evidence import Event, Evidence
from ..finding import EMPTY
from ..processes.model import HeldFile
from ..units import human_seconds


@dataclass(frozen=True)
class Unavailable:
    """A measurement that could not be taken, and why. It is never taken for a good one."""

    reason: str


@dataclass(frozen=True)
class Absent:
    """A resource that this host does not have (no swap, no connection tracking), and how that shows."""

    reason: str


class Usage(NamedTuple):
    """How full a file system is, as statvfs(3) says. ``available`` is what an ordinary account may still use."""

    size: int
    used: int
    available: int
    inodes: int
    inodes_available: int

    @property
    def free_share(self) -> float:
        """The share of what ordinary accounts can use at all, as df(1) counts: space reserved for root is neither."""
        usable = self.used + self.available
        return self.available / usable if usable else 1.0

    @property
    def inodes_free_share(self) -> float:
        """The share of inodes left; 1 where the file system makes them as needed (btrfs reports none)."""
        return self.inodes_available / self.inodes if self.inodes else 1.0


class Mount(NamedTuple):
    """A mounted file system that holds data and can be written. ``also`` are the other paths that it is shown at."""

    path: str
    source: str
    kind: str
    usage: Union[Usage, Unavailable]
    also: tuple[str, ...] = ()


class LeftOut(NamedTuple):
    """A file system, or a second mount of one, that is not looked at, and why."""

    path: str
    reason: str


class Mounted(NamedTuple):
    """Every mount of a host: those that are looked at, and those that are left out."""

    mounts: tuple[Mount, ...]
    left_out: tuple[LeftOut, ...]


class Memory(NamedTuple):
    """``available`` is what new work can get without swapping. ``bound`` says what sets ``total``.

    ``alarm`` is the status that the kernel itself gives its memory (macOS); empty where it gives none.
    """

    total: int
    available: int
    bound: str = "machine"
    alarm: str = ""


class Counted(NamedTuple):
    """How many of a limited number of things are in use. ``what`` says of which things, where not of the usual ones."""

    used: int
    limit: int
    what: str = ""

    @property
    def share(self) -> float:
        """The share in use."""
        return self.used / self.limit if self.limit else 1.0


class Load(NamedTuple):
    """Load averages over 1, 5 and 15 minutes, and the number of processors that share the load."""

    one: float
    five: float
    fifteen: float
    processors: int


class Queue(NamedTuple):
    """What Windows has in place of load averages: how many threads are ready and wait for a processor, at a moment."""

    length: int
    processors: int


class CpuTimes(NamedTuple):
    """Processor time since boot by what it was spent on, in ticks."""

    total: int
    idle: int
    iowait: int
    steal: int


class CpuShares(NamedTuple):
    """What processor time was spent on in a sample; Absent where the system does not count it."""

    busy: float
    iowait: Union[float, Absent]
    steal: Union[float, Absent]


class Clock(NamedTuple):
    """What one source says of the system clock; ``offset`` is None where that source does not know it, ``why`` is the
    reason where it is not synchronised and the source tells.
    """

    source: str
    synchronised: bool
    offset: Optional[float] = None
    why: str = ""


def kill(when: float, process: str) -> Event:
    """Return that a process was killed for want of memory, or held most of it when it was exhausted."""
    return Event(when, "memory", process)


class OomKills(NamedTuple):
    """``total`` kills within ``scope`` since the boot named ``boot_id``, at ``booted`` (of a container: its begin).

    ``journal`` is what the kernel's log tells of the window that was asked for. ``fresh`` is whether there may have
    been nothing of this host before that boot, as of a container: unless an earlier run saw it.
    """

    total: int
    scope: str
    booted: float
    boot_id: str
    journal: Evidence
    fresh: bool = False


class Exhaustions(NamedTuple):
    """What a system noted of exhausted memory, where it does not count whom it killed for that. ``source`` notes it."""

    source: str
    evidence: Evidence


class HeldFiles(NamedTuple):
    """The deleted files that could be seen; ``unseen`` says what could not be looked at, or is empty."""

    files: tuple[HeldFile, ...]
    unseen: str = ""

    @property
    def size(self) -> int:
        """All bytes that they hold."""
        return sum(file.size for file in self.files)


Stall = Mapping[str, float]  # share of time in which work stalled, by "some_avg10" ... "full_avg300"
T = TypeVar("T")
Measured = Union[T, Unavailable, Absent]


class Snapshot(NamedTuple):
    """Everything that one look at a host gives. ``container`` names what the host runs in, or is empty.

    ``mount_table`` is what the host itself says it should have mounted, and where ``lost_mounts`` comes from.
    ``left_out`` are the mounts that are not among ``mounts``.
    """

    at: float
    mounts: Measured[tuple[Mount, ...]]
    lost_mounts: Measured[Mapping[str, str]]  # declared by the host itself: path, and what is wrong with it
    memory: Measured[Memory]
    swap: Measured[Counted]
    load: Measured[Union[Load, Queue]]
    cpu: Measured[CpuShares]
    open_files: Measured[Counted]
    connections: Measured[Counted]
    clock: Measured[Clock]
    oom: Measured[Union[OomKills, Exhaustions]]
    held: Measured[HeldFiles]
    pressure: Mapping[str, Stall] = EMPTY
    container: str = ""
    mount_table: str = "/etc/fstab"
    left_out: Union[tuple[LeftOut, ...], Unavailable] = ()


LEFT_OUT = Absent("left out by the option skip")
OF_CPU = frozenset({"cpu", "iowait", "steal"})  # the checks that share one sample of processor time


def attempt(measure: Callable[[], Union[T, Unavailable, Absent]]) -> Union[T, Unavailable, Absent]:
    """Return what ``look`` returns; an error of the core is a measurement that could not be taken."""
    try:
        return measure()
    except CoreError as error:
        return Unavailable(str(error))


FOLLOWS_ITSELF = "it follows this machine's own clock, which nothing corrects"
STALE = 86400.0  # Windows reports a clock that was not synchronised for a day (event 36); chrony and ntpd say nothing


def staleness(age: float) -> str:
    """Given how long ago a clock was last synchronised, return why that is no good, or an empty text."""
    return f"it was last synchronised {human_seconds(age)} ago" if age > STALE else ""
