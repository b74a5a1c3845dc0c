# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How full each mounted file system is, without being held by one whose server is gone. I/O on behalf of gather.py."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from typing import Optional, TypeVar, Union

from ...errors import CoreError, SourceDenied, SourceMissing, ToolTimeout
from ...host import Host
from ..records import Blind, Mount, Usage
from .parse_mounts import MountEntry, data_mounts, lost_mounts, parse_fstab, parse_mountinfo

T = TypeVar("T")
MOUNT_SECONDS = 5.0


def within(seconds: float, what: str, look: Callable[[], T]) -> T:
    """Return what ``look`` returns, or raise ToolTimeout after ``seconds``.

    It runs in a thread of its own that is left behind then: a call into a network file system whose server is gone
    cannot be interrupted.
    """
    answer: list[Union[T, CoreError]] = []

    def work() -> None:
        try:
            answer.append(look())
        except CoreError as error:
            answer.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if not answer:
        raise ToolTimeout(what, seconds)
    if isinstance(answer[0], CoreError):
        raise answer[0]
    return answer[0]


def look_at_mounts(host: Host) -> tuple[Mount, ...]:
    """Return the mounts that hold data and can be written, each with its usage, or with why that is not known."""
    entries = data_mounts(parse_mountinfo(host.read("/proc/self/mountinfo")))
    found = (_look_at_mount(entry) for entry in entries)
    return tuple(mount for mount in found if mount is not None)


def look_for_lost_mounts(host: Host) -> dict[str, str]:
    """Return the mounts that /etc/fstab declares and that are not there, or can only be read, with what is wrong."""
    try:
        wanted = parse_fstab(host.read("/etc/fstab"))
    except SourceMissing:
        return {}  # containers have none
    return lost_mounts(wanted, parse_mountinfo(host.read("/proc/self/mountinfo")))


def _look_at_mount(entry: MountEntry) -> Optional[Mount]:
    try:
        usage = within(MOUNT_SECONDS, f"looking at {entry.path}", lambda: read_usage(entry.path))
    except CoreError as error:
        return Mount(entry.path, entry.source, entry.kind, Blind(str(error)))
    return None if usage is None else Mount(entry.path, entry.source, entry.kind, usage)


def read_usage(path: str) -> Optional[Usage]:
    """Return the usage of the file system at ``path``; None for a single file that is mounted, or one without size.

    Raise SourceDenied.
    """
    try:
        is_folder = stat.S_ISDIR(os.stat(path).st_mode)
        status = os.statvfs(path)
    except OSError as error:
        raise SourceDenied(path, error.strerror or str(error)) from error
    if not is_folder or not status.f_blocks:
        return None
    block = status.f_frsize
    return Usage(
        size=status.f_blocks * block,
        used=(status.f_blocks - status.f_bfree) * block,
        available=status.f_bavail * block,
        inodes=status.f_files,
        inodes_available=status.f_favail,
    )
