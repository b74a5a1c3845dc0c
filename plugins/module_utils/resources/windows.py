# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The resources of a Windows host: one call of PowerShell, and what its answers say."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, Optional, TypeVar, Union

from ..errors import CoreError, ParseError
from ..event_log import parse_reach
from ..evidence import Event, Evidence
from ..fields import Fields, fields_of
from ..host import Host
from ..powershell import Answers, ask
from ..printable import printable
from ..units import human_bytes
from .model import (
    FOLLOWS_ITSELF,
    LEFT_OUT,
    OF_CPU,
    Absent,
    Clock,
    Counted,
    CpuShares,
    Exhaustions,
    LeftOut,
    Measured,
    Memory,
    Mount,
    Mounted,
    Queue,
    Snapshot,
    Unavailable,
    Usage,
    attempt,
    kill,
    staleness,
)
from .windows_queries import LOG, TIME_GOOD, queries

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


def _usage(volume: Fields, size: str) -> Union[Usage, Unavailable]:
    if volume.raw.get(size) is None or volume.raw.get("FreeSpace") is None:
        return Unavailable("Windows does not say how full it is: it is locked, offline or not formatted")
    total, free = volume.whole(size), volume.whole("FreeSpace")
    if not 0 <= free <= total:
        return Unavailable(f"Windows says that {free} of its {total} bytes are free")
    return Usage(size=total, used=total - free, available=free, inodes=0, inodes_available=0)


def parse_memory(objects: Sequence[Any]) -> Memory:
    """Given Win32_OperatingSystem, return the memory that is scarcer: of the machine, or what may be promised at all.

    Windows promises no more than memory and page files together (the commit limit); beyond it allocations fail,
    however much of the memory itself is free.
    """
    system = the_one("system", objects)
    whole = Memory(system.whole("TotalVisibleMemorySize") * KB, system.whole("FreePhysicalMemory") * KB)
    promised = Memory(
        system.whole("TotalVirtualMemorySize") * KB,
        system.whole("FreeVirtualMemory") * KB,
        "commit limit (memory and page files)",
    )
    if whole.total <= 0:
        raise system.wrong("TotalVisibleMemorySize", "expected a number above 0")
    if promised.total <= 0:
        raise system.wrong("TotalVirtualMemorySize", "expected a number above 0")
    return min(whole, promised, key=lambda memory: memory.available / memory.total)


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


SOURCE = "W32Time"
LOCAL_CLOCK = 0x4C4F434C  # "LOCL": the machine's own clock, which nothing corrects
UNSYNCHRONISED_LEAP, HIGHEST_STRATUM = 3, 15  # RFC 5905, 7.3
_COUNT, _SECONDS = r"(-?\d+)\s*\(.*", r"(-?\d+[.,]\d+)s"

# The lines of `w32tm /query /status /verbose` by the form of what stands behind their colon; the words before it, and
# those in brackets, are translated. None is a text.
_LINES: tuple[Optional[str], ...] = (
    _COUNT,  # 0 leap indicator
    _COUNT,  # 1 stratum
    _COUNT,  # 2 precision
    _SECONDS,  # 3 root delay
    _SECONDS,  # 4 root dispersion
    r"0x([0-9A-Fa-f]{8}).*",  # 5 reference id
    None,  # 6 last successful synchronisation, a date in the form of the country
    None,  # 7 source
    _COUNT,  # 8 poll interval
    _SECONDS,  # 9 phase offset
    _SECONDS,  # 10 clock rate
    _COUNT,  # 11 state machine
    _COUNT,  # 12 flags of the source
    _COUNT,  # 13 server role
    _COUNT,  # 14 last error
    _SECONDS,  # 15 seconds since the last good synchronisation
)


class Service(NamedTuple):
    """The time service: ``kind`` is how it finds its source (NTP, NT5DS, AllSync, NoSync)."""

    state: str
    start_mode: str
    kind: str


def parse_service(objects: Sequence[Any]) -> Service:
    """Given Win32_Service of W32Time and its registry values, return it. Raise ParseError where there is none."""
    found = fields_of("time_service", objects)
    if not found:
        raise ParseError("the query 'time_service'", 0, "", "this host has no service W32Time")
    if not found[0].text("State"):
        raise found[0].wrong("State", "expected the state of the service W32Time")
    return Service(found[0].text("State"), found[0].text("StartMode"), found[0].text("Type"))


def parse_status(lines: Sequence[Any]) -> Clock:
    """Given what `w32tm /query /status /verbose` printed, return the clock. Raise ParseError where a line differs."""
    values = [_behind_colon(str(line)) for line in lines if str(line).strip()]
    if len(values) < len(_LINES):
        raise ParseError("w32tm /query /status", len(values), "", f"expected {len(_LINES)} lines")
    read = [_read(number, form, value) for number, (form, value) in enumerate(zip(_LINES, values), 1)]
    leap, stratum, reference = int(read[0]), int(read[1]), int(read[5], 16)
    if leap == UNSYNCHRONISED_LEAP or not 0 < stratum <= HIGHEST_STRATUM:
        why = "it has no source"
    elif reference == LOCAL_CLOCK:
        why = FOLLOWS_ITSELF
    else:
        why = staleness(float(read[15].replace(",", ".")))
    return Clock(SOURCE, not why, None if why else float(read[9].replace(",", ".")), why)


def _behind_colon(line: str) -> str:
    """Return what stands behind the first colon, also behind a full-width one."""
    return re.split("[:\uff1a]", line, maxsplit=1)[-1].strip()


def _read(number: int, form: Optional[str], value: str) -> str:
    if form is None:
        return value
    match = re.fullmatch(form, value)
    if match is None:
        raise ParseError("w32tm /query /status", number, value, "expected another form of value")
    return match.group(1)


def parse_last_word(objects: Sequence[Any]) -> Optional[bool]:
    """Given the newest event of the time service, return whether it says that there is a source; None without any."""
    events = fields_of("time_events", objects)
    return events[0].whole("Id") in TIME_GOOD if events else None


T = TypeVar("T")
NO_CONNECTIONS = Absent("Windows does not limit how many connections its firewall tracks")
NO_HELD_FILES = Absent("Windows has no list of files that were deleted while a process has them open")
DETECTOR = "Windows' Resource-Exhaustion-Detector"


def collect(host: Host, *, sample: float, scan: float, window: float, skip: Collection[str]) -> Snapshot:
    """Given a Windows host, look at its resources once.

    ``sample`` are the seconds over which processor time is measured, ``window`` those for which exhausted memory is
    looked up. ``scan`` is not needed: Windows has no list of deleted open files. ``skip`` names checks to leave out.
    """
    del scan
    begun = host.now()
    answers = _answers(host, sample, window, frozenset(skip))
    mounts, unseen, left_out = _mounts(answers)

    def measured(check: str, query: str, parse: Callable[[Sequence[Any]], T]) -> Union[T, Unavailable, Absent]:
        return LEFT_OUT if check in skip else attempt(lambda: parse(answers[query]))

    return Snapshot(
        at=begun,
        mounts=mounts,
        lost_mounts=unseen,
        left_out=left_out,
        memory=measured("memory", "system", parse_memory),
        swap=measured("swap", "page_files", parse_page_files),
        load=measured("load", "queue", parse_queue),
        cpu=_cpu(answers, sample, skip),
        open_files=measured("open_files", "handles", parse_handles),
        connections=NO_CONNECTIONS,
        clock=LEFT_OUT if "clock" in skip else attempt(lambda: _clock(answers)),
        oom=LEFT_OUT if "oom_kills" in skip else attempt(lambda: _exhaustions(answers)),
        held=NO_HELD_FILES,
        mount_table="the volumes of Windows",
    )


def _answers(host: Host, sample: float, window: float, skip: frozenset[str]) -> Answers:
    """Return the answers; where PowerShell itself does not run, that is the answer to everything."""
    asked = queries(sample, window, skip)
    try:
        return ask(host, asked)
    except CoreError as error:
        return Answers({name: {"error": str(error)} for name in asked})


def _mounts(
    answers: Answers,
) -> tuple[Measured[tuple[Mount, ...]], Union[dict[str, str], Unavailable], Union[tuple[LeftOut, ...], Unavailable]]:
    """Return the volumes, that none is missing, because Windows declares no mounts itself, and what was left out.

    Where volumes are refused, return the disks that have a letter, and why others may not have been seen.
    """
    volumes = attempt(lambda: sorted_out(answers["volumes"]))
    if isinstance(volumes, Mounted):
        return volumes.mounts, {}, volumes.left_out
    unseen = Unavailable(f"volumes that have no letter were not seen: {volumes.reason}")
    return attempt(lambda: parse_disks(answers["disks"])), unseen, unseen


def _cpu(answers: Answers, sample: float, skip: Collection[str]) -> Union[CpuShares, Unavailable, Absent]:
    if set(skip) >= OF_CPU:
        return LEFT_OUT
    return attempt(lambda: parse_cpu(answers["cpu"])) if sample > 0 else Absent("sample_seconds is 0")


def _exhaustions(answers: Answers) -> Exhaustions:
    """Return the events within the window, and how far back the log goes in which they are."""
    events, odd = parse_exhaustions(answers["exhaustions"])
    try:
        since, doubts = parse_reach("log_reach", answers["log_reach"], (LOG,))
    except CoreError as error:
        since, doubts = None, (f"how far back the {LOG} log goes is not known ({error})",)
    return Exhaustions(DETECTOR, Evidence(events, since, (*odd, *doubts)))


def _clock(answers: Answers) -> Clock:
    """Return what the time service says by itself, or where that cannot be read what its last event says.

    A service that does not run, or was told to synchronise with nothing, keeps no clock.
    """
    service = parse_service(answers["time_service"])
    if service.state != "Running" or service.kind == "NoSync":
        why = f"its state is {service.state}, its start mode {service.start_mode}, its type {service.kind}"
        return Clock(f"{SOURCE} ({why})", synchronised=False)
    try:
        return parse_status(answers["time_status"])
    except CoreError:
        last = parse_last_word(answers["time_events"])
        if last is None:
            raise
        return Clock(f"the last event of {SOURCE}", synchronised=last)
