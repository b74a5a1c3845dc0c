# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A disk with the manners of NTFS for the tests: real files below a folder, attributes and refusals from tables.

A path of Windows, ``C:`` and names, is the file ``C/...`` below that folder. Nothing is deleted in a folder that is not
held, and nothing that is read-only or open.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils import handles
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup import windows_system as system

READ_ONLY, SYSTEM, OFFLINE, REPARSE = 0x1, 0x4, 0x1000, 0x400
JUNCTION, DEDUPLICATED, CLOUD = 0xA0000003, 0x80000013, 0x9000001A
ACCESS_DENIED, SHARING_VIOLATION, DIR_NOT_EMPTY = 5, 32, 145


class WindowsError(PermissionError):
    """What CPython raises there: an errno, and the number that Windows gave."""

    def __init__(self, winerror: int, text: str) -> None:
        super().__init__(errno.EACCES, text)
        self.winerror = winerror


class Ntfs:
    """``attributes`` and ``tags`` by path, ``open`` files of others and those of them whose deletion is ``shared``,
    ``volumes`` by path, ``held`` folders, and the ``finals`` of drives that are something else.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.attributes: dict[str, int] = {}
        self.tags: dict[str, int] = {}
        self.open: set[str] = set()
        self.shared: set[str] = set()
        self.volumes: dict[str, int] = {}
        self.untold: set[str] = set()
        self.held: dict[int, str] = {}
        self.handles = 1000
        self.finals: dict[str, str] = {}

    def place(self, path: str) -> Path:
        """Return where a path of Windows really is: upper and lower case are the same there."""
        place = self.root
        for name in path.replace(":", "").split("\\"):
            there = os.listdir(place) if place.is_dir() else []
            place = place / next((other for other in there if other.lower() == name.lower()), name)
        return place

    def put(self, path: str, days: float = 30.0, content: bytes = b"x" * 5000) -> Path:
        """Make a file that is so many days old."""
        place = self.place(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        at = place.stat().st_mtime - days * 86400
        os.utime(place, (at, at))
        return place

    def junction(self, path: str) -> None:
        """Let a folder be a junction."""
        self.place(path).mkdir(parents=True, exist_ok=True)
        self.attributes[path], self.tags[path] = REPARSE, JUNCTION

    def hold(self, path: str) -> int:
        self.place(path).stat()
        self.handles += 1
        self.held[self.handles] = path
        return self.handles

    def release(self, handle: int) -> None:
        del self.held[handle]

    def claim(self, path: str) -> None:
        if path in self.open:
            raise WindowsError(SHARING_VIOLATION, "The process cannot access the file")

    def final(self, path: str) -> str:
        drive = path[:2]
        return self.finals.get(drive, f"\\\\?\\{drive}") + path[2:]

    def lstat(self, path: str) -> Any:
        status = self.place(path).lstat()
        names = ("st_mode", "st_ino", "st_dev", "st_nlink", "st_size", "st_mtime", "st_ctime", "st_atime")
        shown = {name: getattr(status, name) for name in names}
        for above, device in self.volumes.items():
            shown["st_dev"] = device if path.startswith(above) else shown["st_dev"]
        if path in self.untold:
            shown["st_ino"] = 0
        extra = {"st_file_attributes": self.attributes.get(path, 0x20), "st_reparse_tag": self.tags.get(path, 0)}
        return SimpleNamespace(**shown, st_uid=0, **extra)

    def names(self, path: str) -> list[str]:
        return sorted(os.listdir(self.place(path)))

    def unlink(self, path: str) -> None:
        assert any(path.startswith(folder) for folder in self.held.values()), "the folder is not held"
        if path in self.open - self.shared:
            raise WindowsError(SHARING_VIOLATION, "The process cannot access the file")
        if self.attributes.get(path, 0) & READ_ONLY:
            raise WindowsError(ACCESS_DENIED, "Access is denied")
        self.place(path).unlink()

    def rmdir(self, path: str) -> None:
        self.place(path).rmdir()


CALLS = ("hold", "final", "release", "claim", "lstat", "names", "unlink", "rmdir")


def mounted(monkeypatch: pytest.MonkeyPatch, root: Path) -> Ntfs:
    """Let the calls of Windows go to a disk below a folder."""
    disk = Ntfs(root)
    for name in CALLS:
        monkeypatch.setattr(system, name, getattr(disk, name))
    monkeypatch.setattr(handles, "WINAPI", object())
    return disk
