# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folders of macOS beside what POSIX tells: where they really are, and what the system keeps in them."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable
from contextlib import suppress

from ...paths import Place
from ...reading import reading
from ..disk import Folder
from ..folders import posix_disk
from ..records import NO_UNLINK
from .places import mac_key

GET_PATH = 102  # sys/fcntl.h: F_GETPATH_NOFIRMLINK, the path on the volume itself, whatever firmlinks lead there
MAX_PATH = 1024  # sys/syslimits.h: PATH_MAX
EVENTS_ONLY = 0x8000  # fcntl.h: O_EVTONLY, which asks for no right to read
# Flags of chflags(2) on macOS, by what they mean for whoever would delete.
_KEPT = (
    (0x00080000, "the system protects it (restricted)"),
    (0x00000002 | 0x00020000, "it is immutable (uchg or schg)"),
    (0x00000004 | 0x00040000, "it may only be appended to (uappnd or sappnd)"),
    (0x00000010 | 0x00100000, NO_UNLINK),
    (0x00000080, "it is in a data vault of the system"),
    (0x40000000, "its content is kept elsewhere (dataless), and deleting it here would delete it there"),
)


def kept(descriptor: int, name: str, status: os.stat_result) -> str:
    """Return why a name must stay, by its flags, or an empty text."""
    del descriptor, name  # they are in what lstat(2) tells
    flags = getattr(status, "st_flags", 0)
    return next((reason for mask, reason in _KEPT if flags & mask), "")


def untold(folder: Folder) -> str:
    """Return what nobody can see before: nothing."""
    del folder
    return ""


def _place(descriptor: int) -> Place:
    path = importlib.import_module("fcntl").fcntl(descriptor, GET_PATH, bytes(MAX_PATH))
    return Place(str(os.fstat(descriptor).st_dev), mac_key(os.fsdecode(path.rstrip(b"\0"))))


def located(folder: Folder) -> frozenset[Place]:
    """Return where an open folder is on its volume. Raise CoreError."""
    with reading(folder.path or "the folder of a rule"):
        return frozenset({_place(folder.descriptor)})


def placed(paths: Iterable[str], with_mounts: bool) -> dict[Place, str]:
    """Return where paths are on their volumes, symlinks followed. What is not there, or may not be asked for, is not
    told: its path and identity guard it. There are no bind mounts, so what is mounted below is another volume.
    """
    del with_mounts
    found = {}
    for path in paths:
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | EVENTS_ONLY | os.O_NONBLOCK)
            try:
                found[_place(descriptor)] = path
            finally:
                os.close(descriptor)
    return found


MAC_DISK = posix_disk(located, placed, kept, untold)
