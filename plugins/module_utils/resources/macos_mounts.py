# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What mount and df of macOS print: which mounts hold data, which are left out, and how full they are. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import ParseError
from .model import LeftOut, Usage

DATA = "/System/Volumes/Data"  # since macOS 10.15 everything that is not the system itself

# Kinds that hold no data of their own (mount(8), autofs(5)), or cannot be written.
PSEUDO = frozenset({"autofs", "cd9660", "devfs", "fdesc", "lifs", "mtmfs", "nullfs", "udf", "volfs"})

# The system's own volumes beside DATA (preboot, update, swap, the recovery of Apple silicon), and disk images that it
# mounts for itself (cryptexes, simulators).
_SYSTEM_PLACES = re.compile(
    r"(/System/Volumes/(?!Data$).*|/dev(/.*)?|/private/var/(vm|run)(/.*)?|/Library/Developer/CoreSimulator/.*"
    r"|/Volumes/(\.timemachine|com\.apple\.TimeMachine\.localsnapshots)/.*)"
)
_MOUNT = re.compile(r"(?P<source>.+?) on (?P<path>/.*) \((?P<kind>[^,()]+)(?P<flags>[^()]*)\)")
_APFS_VOLUME = re.compile(r"/dev/(disk\d+)s\d+(s\d+)?")  # the container is the disk; a second "s" is a snapshot

_DF = re.compile(
    r"(?P<source>\S.*?)\s+(?P<size>\d+)\s+(?P<used>\d+)\s+(?P<available>-?\d+)\s+(?:\d+%|-)"
    r"\s+(?P<iused>\d+)\s+(?P<ifree>\d+)\s+(?:\d+%|-)\s+(?P<path>/.*)"
)


class MountLine(NamedTuple):
    """A line of mount(8)."""

    source: str
    path: str
    kind: str
    flags: frozenset[str]

    @property
    def writable(self) -> bool:
        """Whether it can be written."""
        return not self.flags & {"read-only", "sealed"}

    @property
    def container(self) -> str:
        """What it shares its space with: the volumes of an APFS container have one space; all others their own."""
        match = _APFS_VOLUME.fullmatch(self.source) if self.kind == "apfs" else None
        return match.group(1) if match else self.source


def parse_mount(text: str) -> tuple[MountLine, ...]:
    """Given what mount(8) prints, return its lines. Raise ParseError naming the first of another form."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        match = _MOUNT.fullmatch(line)
        if match is None:
            raise ParseError("mount", number, line, "expected 'source on path (kind, flags)'")
        flags = frozenset(flag.strip() for flag in match.group("flags").split(",") if flag.strip())
        found.append(MountLine(match.group("source"), match.group("path"), match.group("kind"), flags))
    if not found:
        raise ParseError("mount", 1, text, "expected at least the mount of /")
    return tuple(found)


def data_mounts(lines: Sequence[MountLine]) -> tuple[MountLine, ...]:
    """Given all mounts, return those that hold data and can be written, each APFS container once: at its data volume,
    or else at its shortest path.
    """
    return sorted_out(lines)[0]


def sorted_out(lines: Sequence[MountLine]) -> tuple[tuple[MountLine, ...], tuple[LeftOut, ...]]:
    """Given all mounts, return those of ``data_mounts``, and all others with why they are left out."""
    by_container: dict[str, MountLine] = {}
    left_out = []
    for line in sorted(lines, key=lambda line: (line.path != DATA, len(line.path), line.path)):
        reason = _why_not(line)
        if not reason and by_container.setdefault(line.container, line) is not line:
            reason = f"its space is that of {by_container[line.container].path}"
        if reason:
            left_out.append(LeftOut(line.path, reason))
    return tuple(sorted(by_container.values(), key=lambda line: line.path)), tuple(sorted(left_out))


def _why_not(line: MountLine) -> str:
    """Return why a mount is not looked at, or an empty text."""
    if line.kind in PSEUDO:
        return f"{line.kind} holds no data of its own, or cannot be written"
    if _SYSTEM_PLACES.fullmatch(line.path):
        return "the system keeps it for itself"
    return "" if line.writable else "it can only be read"


def parse_usage(text: str, mount: MountLine) -> Usage:
    """Given what `df -ki PATH` prints (blocks of 1024 bytes, then inodes), return the usage of that mount.

    What a volume of an APFS container uses includes what the others of it use, because they share what is left. Raise
    ParseError where the mount is not among the lines.
    """
    for line in text.splitlines():
        match = _DF.fullmatch(line.rstrip())
        if match and match.group("path") == mount.path:
            return _usage(match, shared=mount.container != mount.source)
    raise ParseError("df -ki", len(text.splitlines()), text[-120:], f"no line with nine columns for {mount.path}")


def _usage(match: re.Match[str], *, shared: bool) -> Usage:
    size, used, available = (int(match.group(name)) * 1024 for name in ("size", "used", "available"))
    free = max(0, available)
    inodes_free = int(match.group("ifree"))
    return Usage(
        size=size,
        used=max(0, size - free) if shared else used,
        available=free,
        inodes=int(match.group("iused")) + inodes_free,
        inodes_available=inodes_free,
    )
