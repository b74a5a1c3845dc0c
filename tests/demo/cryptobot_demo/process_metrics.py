# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``process_*`` metrics of the Prometheus Python client.  Like the client's, they exist on Linux only."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

Sample = tuple[str, str, str, float]


def process_samples(pid: int, proc: Path = Path("/proc")) -> Iterator[Sample]:
    """Given a process id, yield name, help text, type and value of each ``process_*`` metric.

    Units are bytes and seconds; nothing is yielded where there is no ``/proc``.
    """
    if not (proc / str(pid) / "stat").exists():
        return
    fields = _stat_fields((proc / str(pid) / "stat").read_text())
    ticks = os.sysconf("SC_CLK_TCK")
    page = os.sysconf("SC_PAGE_SIZE")
    yield "process_virtual_memory_bytes", "Virtual memory size in bytes.", "gauge", float(fields[20])
    yield "process_resident_memory_bytes", "Resident memory size in bytes.", "gauge", float(fields[21]) * page
    yield (
        "process_start_time_seconds",
        "Start time of the process since unix epoch in seconds.",
        "gauge",
        _boot_time(proc) + float(fields[19]) / ticks,
    )
    yield (
        "process_cpu_seconds_total",
        "Total user and system CPU time spent in seconds.",
        "counter",
        (float(fields[11]) + float(fields[12])) / ticks,
    )
    yield "process_open_fds", "Number of open file descriptors.", "gauge", float(_count(proc / str(pid) / "fd"))
    yield (
        "process_max_fds",
        "Maximum number of open file descriptors.",
        "gauge",
        float(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
    )


def _stat_fields(text: str) -> list[str]:
    """Given ``/proc/PID/stat``, return the fields after the command's name, which may hold spaces (proc(5))."""
    return text.rpartition(")")[2].split()


def _boot_time(proc: Path) -> float:
    for line in (proc / "stat").read_text().splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    raise ValueError(f"{proc}/stat has no btime line")


def _count(folder: Path) -> int:
    return len(os.listdir(folder))
