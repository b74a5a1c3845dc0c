# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of mounts of Linux into records: which hold data, and which are missing. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import ParseError

# Kinds of file system that hold no data of their own, or cannot be written: prometheus/node_exporter,
# collector/filesystem_linux.go, and ramfs and fuse's control interfaces.
PSEUDO = frozenset(
    {
        *("autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs"),
        *("fuse.gvfsd-fuse", "fuse.lxcfs", "fuse.portal", "fusectl", "hugetlbfs", "iso9660", "mqueue", "nsfs", "proc"),
        *("procfs", "pstore", "ramfs", "rpc_pipefs", "securityfs", "selinuxfs", "squashfs", "sysfs", "tracefs"),
    }
)
# Where the system and container engines keep mounts of their own; /dev/shm is judged, PostgreSQL fails when it is full.
_SYSTEM_PLACES = re.compile(
    r"/(dev(?!/shm$)|proc|sys|run/(credentials|host|user|docker|containerd)|var/lib/(docker|containers|kubelet))(/.*)?"
)
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class MountEntry:
    """A line of mountinfo; ``device`` is its "major:minor", the same for every mount of one file system."""

    device: str
    path: str
    kind: str
    source: str
    writable: bool


def parse_mountinfo(text: str) -> tuple[MountEntry, ...]:
    """Given /proc/self/mountinfo (proc_pid_mountinfo(5)), return its mounts in order."""
    return tuple(_parse_mount(number, line) for number, line in enumerate(text.splitlines(), 1))


def _parse_mount(number: int, line: str) -> MountEntry:
    try:
        before, after = line.split(" - ", 1)
        _id, _parent, device, _root, path, options = before.split()[:6]
        kind, source, superblock = after.split(" ", 2)
    except ValueError:
        raise ParseError("/proc/self/mountinfo", number, line, "expected ten fields around ' - '") from None
    writable = "ro" not in options.split(",") and "ro" not in superblock.split(",")
    return MountEntry(device, _unescape(path), kind, _unescape(source), writable)


def _unescape(text: str) -> str:
    """Undo the octal escapes for space, tab, newline and backslash."""
    return _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), text)


def data_mounts(entries: tuple[MountEntry, ...]) -> tuple[MountEntry, ...]:
    """Given all mounts, return those that hold data and can be written, each file system once, at its shortest path.

    A mount that a later one hides by the same path is not reachable and is left out. Overlays are views of another
    file system, except as a container's root, where nothing else shows it.
    """
    visible = {entry.path: entry for entry in entries}
    by_device: dict[str, MountEntry] = {}
    for entry in sorted(visible.values(), key=lambda entry: (len(entry.path), entry.path)):
        if _holds_data(entry):
            by_device.setdefault(entry.device, entry)
    return tuple(by_device.values())


def _holds_data(entry: MountEntry) -> bool:
    if entry.kind == "overlay" and entry.path != "/":
        return False
    return entry.writable and entry.kind not in PSEUDO and _SYSTEM_PLACES.fullmatch(entry.path) is None


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
            wanted.append((_unescape(words[1]), "ro" not in options))
    return tuple(wanted)


def lost_mounts(wanted: tuple[tuple[str, bool], ...], entries: tuple[MountEntry, ...]) -> dict[str, str]:
    """Given what /etc/fstab wants and what is mounted, return what is wrong by path.

    A file system that the kernel made read-only after an error is the case that nobody notices in time.
    """
    visible = {entry.path: entry.writable for entry in entries}
    wrong = {}
    for path, writable in wanted:
        clean = path.rstrip("/") or "/"
        if clean not in visible:
            wrong[clean] = "is not mounted"
        elif writable and not visible[clean]:
            wrong[clean] = "can only be read now"
    return wrong
