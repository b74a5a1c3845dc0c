# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of mounts of Linux into records: which hold data, which are left out, and which are missing. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from ...errors import ParseError
from ...mounts import MountPoint, Mounts, unescape
from ..records import LeftOut

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
    seen = _visible(points)
    for point in sorted(points, key=lambda point: (point.root != "/", len(point.path), point.path)):
        reason = "" if seen(point) else HIDDEN
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
