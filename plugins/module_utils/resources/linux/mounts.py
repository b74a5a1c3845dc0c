# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How full each mounted file system is, without being held by one whose server is gone. I/O on behalf of gather.py."""

from __future__ import annotations

import os
import posixpath
import stat
import threading
from collections.abc import Callable, Sequence
from typing import Optional, TypeVar, Union

from ...errors import CoreError, SourceDenied, SourceMissing, ToolTimeout
from ...host import Host
from ...mounts import TABLE, MountPoint, parse_mountinfo
from ..records import Blind, LeftOut, Mount, Mounted, Usage
from .parse_mounts import by_file_system, lost_mounts, parse_fstab

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


def look_at_mounts(host: Host) -> Mounted:
    """Return the mounts that hold data and can be written, each with its usage or with why that is not known, and all
    others with why they are left out.
    """
    groups, left_out = by_file_system(parse_mountinfo(host.read(TABLE)))
    mounts = []
    more = list(left_out)
    for group in groups:
        mount, others = _look_at_file_system(group)
        mounts.extend([mount] if mount else [])
        more.extend(others)
    return Mounted(tuple(mounts), tuple(sorted(more)))


def _look_at_file_system(points: Sequence[MountPoint]) -> tuple[Optional[Mount], list[LeftOut]]:
    """Return how full a file system is, by the first of its mounts that is a folder with a size, and the other mounts.

    Single files that are mounted never stand for their disk.
    """
    left_out = []
    for number, point in enumerate(points):
        usage = _usage_of(point.path)
        if usage is None:
            left_out.append(LeftOut(point.path, "it is a single file, or has no size"))
            continue
        also = tuple(other.path for other in points[number + 1 :])
        left_out.extend(LeftOut(path, f"its file system is looked at at {point.path}") for path in also)
        return Mount(point.path, point.source, point.kind, usage, also), left_out
    return None, left_out


def _usage_of(path: str) -> Union[Usage, Blind, None]:
    try:
        return within(MOUNT_SECONDS, f"looking at {path}", lambda: read_usage(path))
    except CoreError as error:
        return Blind(str(error))


def look_for_lost_mounts(host: Host) -> dict[str, str]:
    """Return the mounts that /etc/fstab declares and that are not there, or can only be read, with what is wrong."""
    try:
        wanted = parse_fstab(host.read("/etc/fstab"))
    except SourceMissing:
        return {}  # containers have none
    points = parse_mountinfo(host.read(TABLE))
    return lost_mounts(wanted, {point.path: point.writable for point in points}, real_path)


def real_path(path: str) -> str:
    """Return the path that a written one leads to; where looking takes too long, as it is written but for slashes."""
    clean = "/" + posixpath.normpath(path).strip("/")
    try:
        return within(MOUNT_SECONDS, f"looking at {path}", lambda: os.path.realpath(clean))
    except (CoreError, OSError):  # a link that becomes something else meanwhile
        return clean


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
