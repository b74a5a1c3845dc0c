# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom the kernel of Linux killed for want of memory: its counts and its log. I/O on behalf of gather.py."""

from __future__ import annotations

from typing import Optional

from ...clock import Clock
from ...errors import SourceDenied, SourceMissing
from ...evidence import Evidence
from ...host import Host
from ...processes.linux import parse_stat
from ..records import OomKills
from .kernel_log import kernel_log
from .parse import parse_counter

NO_LOG = "a container has no kernel log of its own"
FIRST_PROCESS = "/proc/1/stat"


def look_at_kills(host: Host, container: str, now: float, since: float) -> OomKills:
    """Return the kills since the count began, and what the log tells of those since ``since``. Raise CoreError.

    A container's own group counts its own kills from the container's begin on, which is when its first process began;
    /proc/vmstat counts all of the machine since that was booted.
    """
    log = Evidence.unavailable(NO_LOG) if container else kernel_log(host, since)
    own = _of_this_group(host) if container else None
    if own is None:
        total = parse_counter("/proc/vmstat", host.read("/proc/vmstat"), "oom_kill")
        scope = "the machine that holds this container" if container else "this host"
        return OomKills(total, scope, now - host.since_boot(), host.boot_id(), log, fresh=bool(container))
    began = parse_stat(host.read(FIRST_PROCESS)).began
    booted = Clock(now, host.since_boot()).moment(began)
    if booted is None:
        raise SourceDenied(FIRST_PROCESS, "the first process began later than now, so another clock timed it")
    # a container that was started anew begins to count anew, although the machine was not booted in between
    return OomKills(own, "this container", booted, f"{host.boot_id()} {began:.2f}", log, fresh=True)


def _of_this_group(host: Host) -> Optional[int]:
    try:
        return parse_counter("memory.events", host.read("/sys/fs/cgroup/memory.events"), "oom_kill")
    except SourceMissing:
        return None
