# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers of Windows into records: pure, and raising ParseError with the object that is not as expected."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Union

from ...errors import ParseError
from ...evidence import Event
from ...fields import Fields, fields_of
from ...printable import printable
from ...units import human_bytes
from ..records import Absent, Blind, Counted, CpuShares, LeftOut, Memory, Mount, Mounted, Queue, Usage, kill

KB, MB = 1 << 10, 1 << 20
# A process may have 16 777 216 handles; Windows has no limit for all processes together ("Pushing the Limits of
# Windows: Handles", M. Russinovich).
HANDLES_OF_A_PROCESS = 1 << 24
LOCAL_DISK = 3  # Win32_Volume, DriveType
DRIVE_TYPES = {2: "a removable disk", 4: "a disk of the network", 5: "a disc", 6: "a disk in memory"}
NO_IOWAIT = Absent("Windows does not count processor time spent waiting for storage")
NO_STEAL = Absent("Windows does not count processor time that the hypervisor gave to others")


def the_one(source: str, objects: Sequence[Any]) -> Fields:
    """Given what a query answered, return its only object. Raise ParseError where there is none, or are several."""
    found = fields_of(source, objects)
    if len(found) != 1:
        raise ParseError(f"the query {source!r}", 0, "", f"expected one object, got {len(found)}")
    return found[0]


def parse_volumes(objects: Sequence[Any]) -> tuple[Mount, ...]:
    """Given Win32_Volume, return the local volumes that can be reached by a path: a letter, or a folder of another."""
    return sorted_out(objects).mounts


def sorted_out(objects: Sequence[Any]) -> Mounted:
    """Given Win32_Volume, return the volumes of ``parse_volumes``, and all others with why they are left out."""
    volumes = [(each, _why_not(each)) for each in fields_of("volumes", objects)]
    mounts = (_mount(each, each.text("Name"), each.text("DeviceID"), "Capacity") for each, why in volumes if not why)
    left_out = (LeftOut(printable(each.text("Name")), why) for each, why in volumes if why)
    return Mounted(tuple(mounts), tuple(sorted(left_out)))


def _why_not(volume: Fields) -> str:
    """Return why a volume is not looked at, or an empty text."""
    kind = volume.whole("DriveType", LOCAL_DISK)
    if kind != LOCAL_DISK:
        return f"it is {DRIVE_TYPES.get(kind, f'of drive type {kind}')}"
    return "it is mounted nowhere (EFI, recovery)" if volume.text("Name").startswith("\\\\?\\") else ""


def parse_disks(objects: Sequence[Any]) -> tuple[Mount, ...]:
    """Given Win32_LogicalDisk, return the disks that have a letter."""
    disks = fields_of("disks", objects)
    return tuple(_mount(each, f"{each.text('DeviceID')}\\", each.text("DeviceID"), "Size") for each in disks)


def _mount(volume: Fields, name: str, device: str, size: str) -> Mount:
    if not name.strip("\\"):
        raise volume.wrong("Name", "expected the path of a volume")
    path = name.rstrip("\\")
    path = f"{path}\\" if path.endswith(":") else path
    return Mount(printable(path), device, volume.text("FileSystem") or "unknown", _usage(volume, size))


def _usage(volume: Fields, size: str) -> Union[Usage, Blind]:
    if volume.raw.get(size) is None or volume.raw.get("FreeSpace") is None:
        return Blind("Windows does not say how full it is: it is locked, offline or not formatted")
    total, free = volume.whole(size), volume.whole("FreeSpace")
    if not 0 <= free <= total:
        return Blind(f"Windows says that {free} of its {total} bytes are free")
    return Usage(size=total, used=total - free, available=free, inodes=0, inodes_available=0)


def parse_memory(objects: Sequence[Any]) -> Memory:
    """Given Win32_OperatingSystem, return the memory that is scarcer: of the machine, or what may be promised at all.

    Windows promises no more than memory and page files together (the commit limit); beyond it allocations fail,
    however much of the memory itself is free.
    """
    system = the_one("system", objects)
    machine = Memory(system.whole("TotalVisibleMemorySize") * KB, system.whole("FreePhysicalMemory") * KB)
    promised = Memory(
        system.whole("TotalVirtualMemorySize") * KB,
        system.whole("FreeVirtualMemory") * KB,
        "commit limit (memory and page files)",
    )
    if machine.total <= 0:
        raise system.wrong("TotalVisibleMemorySize", "expected a number above 0")
    if promised.total <= 0:
        raise system.wrong("TotalVirtualMemorySize", "expected a number above 0")
    return min(machine, promised, key=lambda memory: memory.available / memory.total)


def parse_page_files(objects: Sequence[Any]) -> Union[Counted, Absent]:
    """Given Win32_PageFileUsage, return how much of the page files is in use."""
    files = fields_of("page_files", objects)
    size = sum(each.whole("AllocatedBaseSize") for each in files) * MB
    used = sum(each.whole("CurrentUsage") for each in files) * MB
    return Counted(used, size, "page files") if size else Absent("this host has no page file")


def parse_queue(objects: Sequence[Any]) -> Queue:
    """Given the counter of Win32_PerfRawData_PerfOS_System and the number of processors, return the queue."""
    queue = the_one("queue", objects)
    processors = queue.whole("Processors")
    if processors < 1:
        raise queue.wrong("Processors", "expected a number above 0")
    return Queue(queue.whole("ProcessorQueueLength"), processors)


def parse_handles(objects: Sequence[Any]) -> Counted:
    """Given the process that has the most handles open, return them against what one process may have."""
    most = the_one("handles", objects)
    name = printable(most.text("Name"))
    what = f"handles of {name} (pid {most.text('Id')}), which has the most (Windows limits them for each process)"
    return Counted(most.whole("Handles"), HANDLES_OF_A_PROCESS, what)


def parse_cpu(objects: Sequence[Any]) -> CpuShares:
    """Given two readings of each processor, return the share of the time between in which they were busy.

    The raw counter PercentProcessorTime counts idle time (PERF_100NSEC_TIMER_INV). Raise ParseError where a reading
    lacks, or no time is between them.
    """
    first, second = _reading(objects, 1), _reading(objects, 2)
    both = first.keys() & second.keys()
    elapsed = sum(second[name][1] - first[name][1] for name in both)
    if elapsed <= 0:
        raise ParseError("the query 'cpu'", len(objects), "", "expected two readings of the same processors")
    idle = sum(max(0, second[name][0] - first[name][0]) for name in both)
    return CpuShares(min(1.0, max(0.0, 1 - idle / elapsed)), NO_IOWAIT, NO_STEAL)


def _reading(objects: Sequence[Any], number: int) -> dict[str, tuple[int, int]]:
    """Return idle time and time of each processor in one reading."""
    found = (each for each in fields_of("cpu", objects) if each.whole("Reading") == number)
    return {each.text("Name"): (each.whole("Idle"), each.whole("At")) for each in found}


def parse_exhaustions(objects: Sequence[Any]) -> tuple[tuple[Event, ...], tuple[str, ...]]:
    """Given events 2004, return when memory was exhausted and who held most of it, oldest first, and what is missing.

    An event that is not understood costs itself only.
    """
    events, odd = [], []
    for each in fields_of("exhaustions", objects):
        try:
            events.append(_exhaustion(each))
        except ParseError as error:
            odd.append(str(error))
    return tuple(sorted(events)), tuple(odd)


def _exhaustion(event: Fields) -> Event:
    when = event.when("When")
    if when is None:
        raise event.wrong("When", "expected a date")
    name, charge = printable(event.text("Name")), event.text("CommitCharge")
    if not name:
        return kill(when, "a process that the event does not name")
    held = f", {human_bytes(int(charge))}" if re.fullmatch(r"\d+", charge) else ""
    return kill(when, f"{name} (pid {event.text('Id')}{held})")
