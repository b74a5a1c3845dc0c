# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Linux beside what POSIX tells: where the data of a folder is, what the system keeps in it, and what is in use.

The places that no rule may touch are those of hier(7), and those of Apple, in case a disk of one is mounted.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Callable, Iterable
from functools import cache

from ..errors import SourceDenied, SourceMissing
from ..host import Host
from ..mounts import TABLE, Mounts, parse_mountinfo
from ..paths import Place
from ..processes.linux_files import files_in_use
from ..reading import reading
from .disk import OpenFolder
from .folders import posix_disk
from .model import InUse
from .places import Places, posix_absolute

EMPTY_PATH, NO_FOLLOW = 0x1000, 0x100  # fcntl.h: AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW
IMMUTABLE, APPEND = 0x10, 0x20  # linux/stat.h: STATX_ATTR_*
KEPT = {IMMUTABLE: "it is immutable (chattr +i)", APPEND: "it may only be appended to (chattr +a)"}
SECONDS = 30.0


def _same(path: str) -> str:
    return path


LINUX = Places(
    sealed=(
        *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/run", "/sbin", "/sys"),
        *("/usr", "/var/lib/dpkg", "/var/lib/rpm", "/var/lib/postgresql", "/var/lib/pgsql", "/var/lib/mysql"),
        *("/var/lib/redis", "/Applications", "/Library", "/System", "/private/etc", "/private/var/db"),
    ),
    roots=(
        *("/", "/home", "/media", "/mnt", "/opt", "/private", "/private/var", "/root", "/srv", "/Users", "/var"),
        "/var/lib",
    ),
    homes=("/home", "/Users"),
    absolute=posix_absolute,
    guarded=posix_absolute,
    key=_same,
)


class _Statx(ctypes.Structure):
    """struct statx of statx(2), as far as it is read; the rest is room for what the kernel writes."""

    _fields_ = (
        ("mask", ctypes.c_uint32),
        ("block_size", ctypes.c_uint32),
        ("attributes", ctypes.c_uint64),
        ("between", ctypes.c_char * 40),
        ("known", ctypes.c_uint64),
        ("rest", ctypes.c_char * 256),
    )


@cache
def _statx() -> Callable[[int, bytes], tuple[int, int]]:
    """Return the call with room for one answer. It is made for each name of a cleanup, so nothing is made twice."""
    call, answer = getattr(ctypes.CDLL(None), "statx", None), _Statx()  # glibc 2.28, musl 1.2.5
    if call is None:
        return lambda _descriptor, _name: (0, 0)
    call.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)
    room = ctypes.addressof(answer)

    def ask(descriptor: int, name: bytes) -> tuple[int, int]:
        if call(descriptor, name, EMPTY_PATH | NO_FOLLOW, 0, room):
            return 0, 0
        return answer.attributes, answer.known

    return ask


def attributes(descriptor: int, name: str) -> tuple[int, int]:
    """Return the attributes of a name in an open folder, or of the folder itself, and which of them are known at all:
    not every file system has them, nor tells.
    """
    return _statx()(descriptor, os.fsencode(name))


def kept(descriptor: int, name: str, status: os.stat_result) -> str:
    """Return why a name must stay, by its attributes, or an empty text."""
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return ""
    found, known = attributes(descriptor, name)
    if not found & known & (IMMUTABLE | APPEND):
        return ""
    return next(reason for bit, reason in KEPT.items() if found & known & bit)


def untold(folder: OpenFolder) -> str:
    """Return what nobody can see before, or an empty text."""
    _found, known = attributes(folder.descriptor, "")
    return "" if known & IMMUTABLE else "its file system does not tell which files are immutable"


def _mounts() -> Mounts:
    with reading(TABLE), open(TABLE, encoding="utf-8", errors="surrogateescape") as lines:
        return Mounts(parse_mountinfo(lines.read()))


def located(folder: OpenFolder) -> frozenset[Place]:
    """Return where the data of an open folder is, by the mount that it was opened by. Raise CoreError."""
    with reading("/proc/self/fd"):
        path = os.readlink(f"/proc/self/fd/{folder.descriptor}")
    number = folder.mount.rpartition("mnt_id:")[2].strip()
    if not number.isdigit():
        raise SourceDenied(path, "the kernel does not tell by which mount it was opened")
    return _mounts().places(path, int(number))


def placed(paths: Iterable[str], with_mounts: bool) -> dict[Place, str]:
    """Return where the data of paths is, symlinks followed, each with its path. Raise CoreError."""
    mounts = _mounts()
    found: dict[Place, str] = {}
    for path in paths:
        with reading(path):  # a link that becomes something else meanwhile is an error of realpath
            real = os.path.realpath(path)
        below = [point.path for point in mounts.visible_below(real)] if with_mounts else []
        found.update((place, path) for each in (real, *below) for place in _places(mounts, each))
    return found


def _places(mounts: Mounts, path: str) -> frozenset[Place]:
    try:
        return mounts.places(path)
    except SourceMissing as error:  # of what is protected nothing may be unknown
        raise SourceDenied(path, f"{TABLE} does not tell where it is") from error


LINUX_DISK = posix_disk(located, placed, kept, untold)


def in_use_linux(host: Host) -> InUse:
    """Return the files and folders that processes have open or mapped."""
    return InUse(*files_in_use(SECONDS))
