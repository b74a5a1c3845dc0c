# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking at the resources of a macOS host. With its helper clock the only I/O."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar, Union

from ...asking import ask
from ...errors import CoreError, SourceMissing
from ...evidence import Evidence
from ...host import Host
from ..attempt import LEFT_OUT, OF_CPU, attempt
from ..linux.mounts import real_path
from ..linux.parse_mounts import lost_mounts, parse_fstab
from ..records import (
    Absent,
    Blind,
    Counted,
    CpuShares,
    Exhaustions,
    HeldFiles,
    Memory,
    Mount,
    Mounted,
    Observation,
    Usage,
)
from .clock import look_at_clock
from .parse import (
    parse_cpu,
    parse_jetsam,
    parse_load,
    parse_memory,
    parse_open_files,
    parse_states,
    parse_swap,
    parse_sysctl,
    report_time,
)
from .parse_lsof import parse_held
from .parse_mounts import DATA, MountLine, parse_mount, parse_usage, sorted_out

T = TypeVar("T")
SYSCTL = (
    *("sysctl", "hw.memsize", "hw.logicalcpu", "vm.swapusage", "vm.loadavg", "kern.maxfiles"),
    *("kern.num_files", "kern.memorystatus_vm_pressure_level"),
)
MOUNT_SECONDS = 5.0
REPORTS = "/Library/Logs/DiagnosticReports"
RETIRED = f"{REPORTS}/Retired"
_JETSAM = re.compile(r"/JetsamEvent-[^/]*\.ips$")
MAX_REPORTS = 50
REPORT_BYTES = 1 << 20  # the largest process is named before the list of all


def observe(host: Host, *, sample: float, scan: float, window: float, skip: Collection[str]) -> Observation:
    """Given a macOS host, look at its resources once.

    ``sample`` are the seconds over which processor time is measured (top takes whole ones), ``scan`` those that the
    search for deleted open files may take, ``window`` those for which reports of exhausted memory are looked up. What
    ``skip`` names is left out.
    """
    begun = host.now()
    values = attempt(lambda: _sysctl(host))
    mounted = attempt(lambda: _mounts(host))
    mounts = mounted.mounts if isinstance(mounted, Mounted) else mounted

    def seen(check: str, look: Callable[[], Union[T, Blind, Absent]]) -> Union[T, Blind, Absent]:
        return LEFT_OUT if check in skip else attempt(look)

    def by_sysctl(check: str, parse: Callable[[Mapping[str, str]], Union[T, Absent]]) -> Union[T, Blind, Absent]:
        return seen(check, lambda: parse(values) if isinstance(values, dict) else _reason(values))

    return Observation(
        at=begun,
        mounts=mounts,
        left_out=mounted.left_out if isinstance(mounted, Mounted) else (),
        lost_mounts=attempt(lambda: _lost_mounts(host)),
        memory=by_sysctl("memory", lambda known: _memory(host, known)),
        swap=by_sysctl("swap", lambda known: _swap(known, mounts)),
        load=by_sysctl("load", parse_load),
        open_files=by_sysctl("open_files", parse_open_files),
        connections=seen("connections", lambda: _connections(host)),
        clock=seen("clock", lambda: look_at_clock(host)),
        oom=seen("oom_kills", lambda: _exhaustions(host, begun - window)),
        held=seen("deleted_open_files", lambda: _held_files(host, scan)),
        cpu=LEFT_OUT if set(skip) >= OF_CPU else attempt(lambda: _cpu(host, sample)),
    )


def _reason(value: Union[dict[str, str], Blind, Absent]) -> Blind:
    return value if isinstance(value, Blind) else Blind("sysctl was not asked")


def _sysctl(host: Host) -> dict[str, str]:
    """Return what the kernel says; a name that this release does not know makes sysctl end with 1, not silent."""
    return parse_sysctl(host.run(SYSCTL, expect=(0, 1)).stdout)


def _mounts(host: Host) -> Mounted:
    lines, left_out = sorted_out(parse_mount(host.run(["mount"]).stdout))
    return Mounted(tuple(Mount(line.path, line.source, line.kind, _usage(host, line)) for line in lines), left_out)


def _usage(host: Host, line: MountLine) -> Union[Usage, Blind]:
    """Return how full a mount is; df is ended where the server of a network file system does not answer."""
    result = attempt(lambda: parse_usage(host.run(["df", "-ki", line.path], timeout=MOUNT_SECONDS).stdout, line))
    return result if isinstance(result, (Usage, Blind)) else Blind(result.reason)


def _lost_mounts(host: Host) -> dict[str, str]:
    """Return what /etc/fstab declares and is not there; macOS has no such file unless somebody made it."""
    try:
        wanted = parse_fstab(host.read("/etc/fstab"))
    except SourceMissing:
        return {}
    lines = parse_mount(host.run(["mount"]).stdout)
    return lost_mounts(wanted, {line.path: line.writable for line in lines}, real_path)


def _memory(host: Host, values: Mapping[str, str]) -> Memory:
    return parse_memory(values, host.run(["vm_stat"]).stdout)


def _swap(values: Mapping[str, str], mounts: Union[tuple[Mount, ...], Blind, Absent]) -> Union[Counted, Absent]:
    known = {mount.path: mount.usage for mount in mounts} if isinstance(mounts, tuple) else {}
    usage = known.get(DATA, known.get("/"))
    return parse_swap(values, usage.available if isinstance(usage, Usage) else 0)


def _connections(host: Host) -> Union[Counted, Absent]:
    info = host.run(["pfctl", "-s", "info"]).stdout
    return parse_states(info, host.run(["pfctl", "-s", "memory"]).stdout)


def _cpu(host: Host, sample: float) -> Union[CpuShares, Absent]:
    if sample <= 0:
        return Absent("sample_seconds is 0")
    seconds = max(1, math.ceil(sample))
    return parse_cpu(host.run(["top", "-l", "2", "-n", "0", "-s", str(seconds)], timeout=seconds + 20.0).stdout)


def _exhaustions(host: Host, since: float) -> Exhaustions:
    """Return the reports of exhausted memory (JetsamEvent) that were written since a time, and how far back they go.

    The system takes old reports away. None was where the folder has not changed since, or an older one is still there.
    A report that is not understood costs itself only.
    """
    names = {f"{folder}/{name}" for folder in _folders(host) for name in host.entries(folder)}
    found = sorted((name for name in names if _JETSAM.search(name)), key=lambda name: name.rpartition("/")[2])
    events, odd = [], []
    for name in found[-MAX_REPORTS:]:
        try:
            events.append(parse_jetsam(name, host.read(name, REPORT_BYTES)))
        except CoreError as error:
            odd.append(str(error))
    if len(found) > MAX_REPORTS and events and events[0].at > since:
        odd.append(f"only the newest {MAX_REPORTS} reports were read")
    begins = [host.modified(REPORTS), *(at for name in names for at in report_time(name))]
    recent = sorted(event for event in events if event.at >= since)
    return Exhaustions(f"macOS ({REPORTS})", Evidence(recent, min(begins), odd))


def _folders(host: Host) -> tuple[str, ...]:
    """Return the folders of reports: those that were sent to Apple are moved into one below."""
    return (REPORTS, RETIRED) if RETIRED.rpartition("/")[2] in host.entries(REPORTS) else (REPORTS,)


def _held_files(host: Host, seconds: float) -> HeldFiles:
    """Ask lsof, which ends with 1 where there is nothing to list, or where something could not be looked at: then it
    says so. Without root it sees the account's own only.
    """
    command = ["lsof", "-nP", "+L1", "-FpcftDisn"]
    answer = ask(host, command, nothing=(1,), timeout=max(1.0, seconds))
    unseen = [] if host.is_admin() else ["only root may see the open files of other accounts"]
    return HeldFiles(parse_held(answer.text), "; ".join([*unseen, *answer.complaints[:2]]))
