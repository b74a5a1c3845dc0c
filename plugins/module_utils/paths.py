# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Comparing paths that are written with slashes, and what they lead to."""

from __future__ import annotations

from typing import NamedTuple

Identity = tuple[int, int]  # device and inode: what a name leads to, whatever it is called


def is_within(path: str, folder: str) -> bool:
    """Return whether a path is a folder or lies in it; both have slashes."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def below(folder: str, path: str) -> str:
    """Given a folder and a path at or in it, return the way from the one to the other; empty for the folder itself."""
    return path[len(folder.rstrip("/")) :].strip("/")


def joined(folder: str, way: str) -> str:
    """Given a folder and a way that leads down from it, return where it leads."""
    return f"{folder.rstrip('/')}/{way.strip('/')}".rstrip("/") or "/"


class Place(NamedTuple):
    """A folder or file as its file system knows it: the same by whatever path or mount it is reached."""

    filesystem: str
    path: str

    def is_within(self, other: Place) -> bool:
        """Return whether this is the other place or lies in it."""
        return self.filesystem == other.filesystem and is_within(self.path, other.path)
