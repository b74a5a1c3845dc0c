# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""macOS beside what POSIX tells: where a folder really is, what the system keeps in it, and what is in use.

Since macOS 10.15 the system is one volume and the data another, joined by firmlinks: /Users and
/System/Volumes/Data/Users are the same folder. /tmp, /var and /etc are symlinks of the system into /private.
"""

from __future__ import annotations

import importlib
import os
import unicodedata
from collections.abc import Iterable
from contextlib import suppress

from ..asking import ask
from ..errors import CoreError, ParseError
from ..host import Host
from ..paths import Identity, Place, is_within
from ..processes.macos_files import _add
from ..reading import reading
from .disk import OpenFolder
from .folders import posix_disk
from .model import NO_UNLINK, InUse
from .places import Places, posix_absolute

HOMEBREW = ("/opt/homebrew", "/usr/local")

OF_HOMEBREW = (
    *("bin", "sbin", "Cellar", "Caskroom", "Homebrew", "Library", "etc", "lib", "share", "Frameworks"),
    *("var/postgres", "var/mysql", "var/db", "var/homebrew"),
)
DATA_VOLUME = "/System/Volumes/Data"
IN_PRIVATE = ("/etc", "/tmp", "/var")  # noqa: S108 - names to be recognised; nothing is put there


def mac_absolute(name: str, path: str) -> str:
    """Given a path of the inventory, return it by the name that leads there without a symlink of the system.

    Raise InputError where it is relative or leads up again.
    """
    clean = posix_absolute(name, path)
    if is_within(mac_key(clean), mac_key(DATA_VOLUME)):
        clean = clean[len(DATA_VOLUME) :] or "/"
    if any(is_within(mac_key(clean), prefix) for prefix in IN_PRIVATE):
        return f"/private{clean}"
    return clean


def mac_key(path: str) -> str:
    """Return a path as the file system compares it: APFS takes cases and ways to compose a letter as the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


MACOS = Places(
    sealed=(
        *("/Applications", "/Library", "/System", "/Network", "/bin", "/sbin", "/dev", "/cores", "/.vol"),
        # /usr is the system's but for /usr/local, which is the site's, and Homebrew's on Intel
        *(f"/usr/{name}" for name in ("X11", "X11R6", "bin", "lib", "libexec", "sbin", "share", "standalone")),
        *("/private/etc", "/private/var/db", "/private/var/root", "/private/var/vm", "/private/var/protected"),
        *(f"{brew}/{name}" for brew in HOMEBREW for name in OF_HOMEBREW),
        *(f"{brew}/var/postgresql@{release}" for brew in HOMEBREW for release in range(10, 20)),
        "/opt/homebrew/opt",
    ),
    roots=(
        *("/", "/opt", "/opt/homebrew", "/opt/homebrew/var", "/private", "/private/var", "/private/var/folders"),
        *("/Users", "/Volumes", "/usr", "/usr/local", "/usr/local/opt", "/usr/local/var"),
    ),
    homes=("/Users", "/Volumes"),
    absolute=mac_absolute,
    guarded=mac_absolute,
    key=mac_key,
    home_roots=("library", "library/application support", "library/containers", "library/group containers"),
)
SECONDS = 60.0

# -F: one field a line, named by its first letter: descriptor, type, device, inode. -n -P: no names of hosts, ports.
ARGV = ("lsof", "-n", "-P", "-w", "-F", "ftDi")


def parse_in_use(text: str) -> frozenset[Identity]:
    """Given what ``lsof -F ftDi`` printed, return the device and inode of each regular file and folder.

    Raise ParseError where the text is not of that form.
    """
    found: set[Identity] = set()
    fields: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line[:1] in ("p", "f"):
            _add(found, fields, number)
            fields = {}
        elif line[:1] in ("t", "D", "i"):
            fields[line[0]] = line[1:]
        elif line:
            raise ParseError("lsof", number, line, "expected a field p, f, t, D or i")
    _add(found, fields, 0)
    return frozenset(found)


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


def untold(folder: OpenFolder) -> str:
    """Return what nobody can see before: nothing."""
    del folder
    return ""


def _place(descriptor: int) -> Place:
    path = importlib.import_module("fcntl").fcntl(descriptor, GET_PATH, bytes(MAX_PATH))
    return Place(str(os.fstat(descriptor).st_dev), mac_key(os.fsdecode(path.rstrip(b"\0"))))


def located(folder: OpenFolder) -> frozenset[Place]:
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


def in_use_macos(host: Host) -> InUse:
    """Return the files and folders that processes have open; to root lsof shows those of all processes."""
    try:
        # 1: some files could not be looked at, or a process ended meanwhile; what was seen is listed all the same. -w
        # keeps warnings away, so what it says beside are errors
        answer = ask(host, ARGV, nothing=(1,), timeout=SECONDS)
        found = parse_in_use(answer.text)
    except CoreError as error:
        return InUse(unseen=f"lsof does not tell ({error})")
    if not found:
        return InUse(unseen="lsof shows no open file at all")
    unseen = [] if host.is_admin() else ["the processes of other accounts are shown to root only"]
    return InUse(found, "; ".join([*unseen, *answer.complaints[:2]]))
