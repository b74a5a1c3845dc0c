# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mounts of Linux: which hold data and how full they are, which are left out, and which are missing.

None of them holds up the rest: a call into a file system whose server is gone is waited for in a thread of its own.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Optional, TypeVar, Union

from ..errors import CoreError, ParseError, SourceDenied, SourceMissing, ToolTimeout
from ..host import Host
from ..mounts import TABLE, MountPoint, Mounts, parse_mountinfo, unescape
from .model import LeftOut, Mount, Mounted, Unavailable, Usage

# Kinds of file system that hold no data of their own, or cannot be written: prometheus/node_exporter,
# collector/filesystem_linux.go, and ramfs and fuse's control interfaces.
PSEUDO = frozenset(
    {
        *("autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs"),
        *("fuse.gvfsd-fuse", "fuse.lxcfs", "fuse.portal", "fusectl", "hugetlbfs", "iso9660", "mqueue", "nsfs", "proc"),
        *("procfs", "pstore", "ramfs", "rpc_pipefs", "securityfs", "selinuxfs", "squashfs", "sysfs", "tracefs"),
    }
)

# Where the system and container engines keep mounts of their own. A disk at an engine's folder, or at a folder directly
# in it, was put there by an operator. /dev/shm is judged: PostgreSQL fails when it is full.
_SYSTEM_PLACES = re.compile(
    r"/(dev(?!/shm$)|proc|sys|run/(credentials|host|user|docker|containerd))(/.*)?"
    r"|/var/lib/(docker|containers|kubelet)/[^/]+/.+"
)
HIDDEN = "a later mount hides it"


def by_file_system(points: Sequence[MountPoint]) -> tuple[tuple[tuple[MountPoint, ...], ...], tuple[LeftOut, ...]]:
    """Given all mounts, return those of each file system that holds data and can be written, and the rest with reasons.

    The first mount of a file system is the one that stands for it: that of its root where there is one, else the
    shortest path. A single file that is mounted can be told from a folder only by looking, so the others follow.
    """
    groups: dict[str, list[MountPoint]] = {}
    left_out = []
    visible = _visible(points)
    for point in sorted(points, key=lambda point: (point.root != "/", len(point.path), point.path)):
        reason = "" if visible(point) else HIDDEN
        reason = reason or _why_not(point)
        if reason:
            left_out.append(LeftOut(point.path, reason))
        else:
            groups.setdefault(point.device, []).append(point)
    found = sorted((tuple(group) for group in groups.values()), key=lambda group: (len(group[0].path), group[0].path))
    return tuple(found), tuple(left_out)


def _visible(points: Sequence[MountPoint]) -> Callable[[MountPoint], bool]:
    """Return what tells whether a mount can be reached by its path."""
    mounts = Mounts(points)
    if mounts.at("/") is not None:
        return lambda point: mounts.at(point.path) == point
    last = {point.path: point for point in points}  # in a chroot the mount of the root is not among them
    return lambda point: last[point.path] == point


def _why_not(point: MountPoint) -> str:
    """Return why a mount is not looked at, or an empty text."""
    if point.kind in PSEUDO:
        return f"{point.kind} holds no data of its own, or cannot be written"
    if point.kind == "overlay" and point.path != "/":
        return "an overlay is a view of another file system"
    if _SYSTEM_PLACES.fullmatch(point.path):
        return "the system or a container engine keeps it for itself"
    return "" if point.writable else "it can only be read"


def parse_fstab(text: str) -> tuple[tuple[str, bool], ...]:
    """Given /etc/fstab (fstab(5)), return the path of each mount that a boot makes, and whether it is for writing."""
    wanted = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 2:
            raise ParseError("/etc/fstab", number, line, "expected a source and a path")
        options = set(words[3].split(",")) if len(words) > 3 else set()
        if words[1].startswith("/") and not options & {"noauto", "x-systemd.automount"}:
            wanted.append((unescape(words[1]), "ro" not in options))
    return tuple(wanted)


def lost_mounts(
    wanted: Sequence[tuple[str, bool]], writable: Mapping[str, bool], real: Callable[[str], str]
) -> dict[str, str]:
    """Given what /etc/fstab wants, and of each mounted path whether it can be written, return what is wrong by path.

    ``real`` gives the path that a written one leads to: symlinks and doubled slashes are no difference. A file system
    that the kernel made read-only after an error is the case that nobody notices in time.
    """
    wrong = {}
    for path, for_writing in wanted:
        clean = real(path)
        if clean not in writable:
            wrong[clean] = "is not mounted"
        elif for_writing and not writable[clean]:
            wrong[clean] = "can only be read now"
    return wrong


T = TypeVar("T")
MOUNT_SECONDS = 5.0


def within(seconds: float, what: str, call: Callable[[], T]) -> T:
    """Return what ``look`` returns, or raise ToolTimeout after ``seconds``.

    It runs in a thread of its own that is left behind then: a call into a network file system whose server is gone
    cannot be interrupted.
    """
    answer: list[Union[T, CoreError]] = []

    def work() -> None:
        try:
            answer.append(call())
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


def collect_mounts(host: Host) -> Mounted:
    """Return the mounts that hold data and can be written, each with its usage or with why that is not known, and all
    others with why they are left out.
    """
    groups, left_out = by_file_system(parse_mountinfo(host.read(TABLE)))
    mounts = []
    more = list(left_out)
    for group in groups:
        mount, others = _of_file_system(group)
        mounts.extend([mount] if mount else [])
        more.extend(others)
    return Mounted(tuple(mounts), tuple(sorted(more)))


def _of_file_system(points: Sequence[MountPoint]) -> tuple[Optional[Mount], list[LeftOut]]:
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


def _usage_of(path: str) -> Union[Usage, Unavailable, None]:
    try:
        return within(MOUNT_SECONDS, f"looking at {path}", lambda: read_usage(path))
    except CoreError as error:
        return Unavailable(str(error))


def collect_lost_mounts(host: Host) -> dict[str, str]:
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
