# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where data really is on Linux, whatever path leads to it: a file system, and the path within that.

Bind mounts, a file system that is mounted twice, subvolumes of btrfs, overlays and shares show one folder at several
paths. The table of mounts (proc_pid_mountinfo(5)) names for each mount the device and which folder of it is shown, so
each path can be translated to what all of them have in common.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Optional

from .errors import ParseError, SourceMissing
from .paths import Place, below, is_within, joined

TABLE = "/proc/self/mountinfo"
_OCTAL = re.compile(r"\\([0-7]{3})")
_LAYER = re.compile(r"(?:lowerdir\+?|datadir\+|upperdir)=(.*)", re.DOTALL)
_SHARE = re.compile(r"(?://(?P<smb>[^/]+)|(?P<server>[^/]+):)(?P<path>/.*)", re.DOTALL)


class MountPoint(NamedTuple):
    """A line of mountinfo. ``device`` is its "major:minor", the same for every mount of one file system; ``root`` the
    folder, or file, of that file system which is shown at ``path``; ``settings`` those of the file system itself.
    """

    number: int
    parent: int
    device: str
    root: str
    path: str
    kind: str
    source: str
    writable: bool
    settings: str = ""


def parse_mountinfo(text: str) -> tuple[MountPoint, ...]:
    """Given /proc/self/mountinfo (proc_pid_mountinfo(5)), return its mounts in order. Raise ParseError."""
    return tuple(_parse_mount(number, line) for number, line in enumerate(text.splitlines(), 1))


def _parse_mount(number: int, line: str) -> MountPoint:
    try:
        before, after = line.split(" - ", 1)
        own, parent, device, root, path, options = before.split()[:6]
        kind, source, superblock = after.split(" ", 2)
        numbers = int(own), int(parent)
    except ValueError:
        raise ParseError(TABLE, number, line, "expected ten fields around ' - '") from None
    writable = "ro" not in options.split(",") and "ro" not in superblock.split(",")
    shown = unescape(root), unescape(path)
    return MountPoint(*numbers, device, *shown, kind, unescape(source), writable, unescape(superblock))


def unescape(text: str) -> str:
    """Undo the octal escapes for space, tab, newline and backslash."""
    return _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), text)


class Mounts:
    """The mounts of a host. ``real`` gives the path that symlinks lead to."""

    def __init__(self, points: Iterable[MountPoint], real: Callable[[str], str] = os.path.realpath) -> None:
        self._points = tuple(points)
        self._numbered = {point.number: point for point in self._points}
        self._real = real

    def at(self, path: str) -> Optional[MountPoint]:
        """Return the mount by which a path without symlinks is reached; None where the table does not tell.

        From the root down, one mount at a time: a longer path in the table may be hidden by a mount above it.
        """
        tops = [point for point in self._points if point.path == "/" and self._is_top(point)]
        found = tops[-1] if tops else None
        for _step in self._points:
            over = [p for p in self._points if found and self._covers(found, p, path)]
            if not over:
                break
            found = min(reversed(over), key=lambda point: len(point.path))
        return found

    def _is_top(self, point: MountPoint) -> bool:
        return point.parent == point.number or point.parent not in self._numbered

    @staticmethod
    def _covers(above: MountPoint, point: MountPoint, path: str) -> bool:
        return point.parent == above.number != point.number and is_within(path, point.path)

    def visible_below(self, folder: str) -> tuple[MountPoint, ...]:
        """Return the mounts that can be reached in a folder."""
        return tuple(p for p in self._points if is_within(p.path, folder) and self.at(p.path) == p)

    def places(self, path: str, number: Optional[int] = None) -> frozenset[Place]:
        """Return where the data of a path without symlinks is. A view of other folders has one place for each.

        ``number`` is the mount that it was reached by, where that is known. Raise SourceMissing where the table does
        not tell.
        """
        point = self.at(path) if number is None else self._numbered.get(number)
        if point is None or not is_within(path, point.path):
            raise SourceMissing(f"the mount of {path}")
        return frozenset(self._of(point, joined(point.root, below(point.path, path)), frozenset()))

    def _of(self, point: MountPoint, inner: str, passed: frozenset[int]) -> Iterator[Place]:
        """Yield the places of what a mount shows; ``passed`` are the views that led here, so that none is its own."""
        yield Place(point.device, inner)
        share = _SHARE.fullmatch(point.source)
        if share:  # the same share may be mounted twice as two devices
            yield Place(f"{share['smb'] or share['server']}:", joined(share["path"], inner))
        for layer in _layers(point) if point.number not in passed else ():
            path = self._real(joined(layer, inner))
            under = self.at(path)
            if under is not None:
                yield from self._of(under, joined(under.root, below(under.path, path)), passed | {point.number})


def _layers(point: MountPoint) -> Iterator[str]:
    """Yield the folders of this host that a mount shows: layers of an overlay, the origin of a view made by FUSE."""
    if point.kind == "overlay":
        layers = filter(None, map(_LAYER.fullmatch, re.split(r"(?<!\\),", point.settings)))
        folders = [folder for layer in layers for folder in re.split(r"(?<!\\):+", layer[1])]
    else:
        is_view = point.kind == "ecryptfs" or point.kind.startswith("fuse")
        folders = [point.source] if is_view and not is_within(point.source, "/dev") else []
    for folder in folders:
        if folder.startswith("/"):
            yield re.sub(r"\\(.)", r"\1", folder)
