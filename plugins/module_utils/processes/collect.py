# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who reads the processes of a platform, and the few questions that are asked of a single one.

On Linux one process is a few small files; macOS and Windows list all of them at once, so there a single question costs
as much as all: ask ``collect_census`` where more than one answer is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from ..errors import CoreError
from ..host import Host
from . import linux
from .model import Accounts, Census, Process


# Imported on its platform only: the core travels as source, and compiling what is not used would cost each run.
def _collect_macos(host: Host) -> Census:
    from .macos import collect_macos

    return collect_macos(host)


def _collect_windows(host: Host) -> Census:
    from .windows import collect_windows

    return collect_windows(host)


COLLECTORS: dict[str, Callable[[Host], Census]] = {
    "linux": linux.collect_linux,
    "darwin": _collect_macos,
    "windows": _collect_windows,
}

# What a platform can answer without listing all processes.
_TABLE: dict[str, Callable[[Host], dict[int, Process]]] = {"linux": linux.process_table}
_ONE: dict[str, Callable[[Host, int], Optional[Process]]] = {"linux": linux.read_process}
_ACCOUNTS: dict[str, Callable[[Host, int], Optional[Accounts]]] = {"linux": linux.read_accounts}
_UPTIME: dict[str, Callable[[Host], float]] = {"linux": linux.uptime}


def collect_census(host: Host) -> Census:
    """Return the processes of a host. Raise CoreError where they cannot be listed."""
    collect = COLLECTORS.get(host.platform)
    if collect is None:
        raise CoreError(f"the processes of a {host.platform} host cannot be read by this release")
    return collect(host)


def process_table(host: Host) -> dict[int, Process]:
    """Return the processes of a host by pid. Raise CoreError where they cannot be listed."""
    read = _TABLE.get(host.platform)
    return read(host) if read else dict(collect_census(host).processes)


def read_process(host: Host, pid: int) -> Optional[Process]:
    """Return one process, or None where there is none of that pid (also one that this account may not see)."""
    read = _ONE.get(host.platform)
    return read(host, pid) if read else collect_census(host).processes.get(pid)


def rights_of_several(host: Host, pid: int) -> str:
    """Return the rights of which accounts a process mixes, as a set-user-ID program does; empty where it does not, or
    where the platform does not tell.
    """
    read = _ACCOUNTS.get(host.platform)
    accounts = read(host, pid) if read else None
    return accounts.several if accounts else ""


def account_of(host: Host, pid: int) -> Optional[int]:
    """Return the account (effective uid) of a process; None where the platform does not tell everybody."""
    read = _ACCOUNTS.get(host.platform)
    accounts = read(host, pid) if read else None
    return accounts.uids[1] if accounts else None


def uptime(host: Host) -> float:
    """Return the seconds since the boot, in the clock in which processes and units begin."""
    read = _UPTIME.get(host.platform)
    return read(host) if read else collect_census(host).uptime
