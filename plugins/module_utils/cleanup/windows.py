# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""NTFS: paths as they are written and compared, attributes, folders by path and handle, and what is in use.

Never through a reparse point or into another volume, whatever is swapped: a path is looked up name by name. Each folder
is held open before it is looked at, so that nobody can put a junction in its place, and is let go only when the one
below it is held. Of the many ways to write a path only one is taken: a drive and long names. Whatever hides where a
path ends is refused: shares and devices, short names (8.3), names that Windows cuts off silently, streams.

Sources: "Naming Files, Paths, and Namespaces", "Maximum Path Length Limitation", "File Attribute Constants" and
"Reparse Point Tags" of Microsoft's documentation.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress

from ..errors import InputError, SourceDenied
from ..folders import NotEntered
from ..host import Host
from ..paths import Identity, Place
from ..reading import reading
from . import windows_system as system
from .disk import Disk, NoOwners, OpenFolder
from .model import FILE, FOLDER, LINK, OTHER, FolderEntry, InUse
from .places import Places, full_path
from .windows_system import EXTENDED

_FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f]')
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)
_SHORT = re.compile(r"[^.]{1,6}~[0-9]{1,5}(?:\.[^.]{0,3})?")
_ROOTED = re.compile(r"([A-Za-z]:|)\\(.*)", re.DOTALL)


def windows_absolute(name: str, path: str) -> str:
    r"""Given a path of the inventory in either kind of slashes, return it as ``C:\folder\folder``.

    Raise InputError where it has no drive, leads up again, or is written so that it hides where it ends.
    """
    clean = windows_guarded(name, path)
    if clean.startswith("\\"):
        raise InputError(name, path, r"an absolute path with its drive, such as C:\CryptoBot\logs")
    return clean


def windows_guarded(name: str, path: str) -> str:
    r"""Given a path that is to be protected, return it as ``C:\folder``, or without a drive where it names none.

    Raise InputError as windows_absolute does.
    """
    plain = path.replace("/", "\\")
    if plain.startswith(EXTENDED) and plain[5:6] == ":":
        plain = plain[len(EXTENDED) :]
    found = _ROOTED.fullmatch(plain)
    if found is None or plain.startswith("\\\\"):
        expected = r"an absolute path without '..' on a drive of this host, such as C:\CryptoBot\logs"
        raise InputError(name, path, expected)
    parts = [part for part in found.group(2).split("\\") if part not in ("", ".")]
    for part in parts:
        _check_part(name, path, part)
    return f"{found.group(1).upper()}\\" + "\\".join(parts)


def _check_part(name: str, path: str, part: str) -> None:
    if part == ".." or _FORBIDDEN.search(part):
        raise InputError(name, path, "an absolute path without '..', wildcards or streams")
    if part.endswith((".", " ")) or _DEVICE.fullmatch(part):
        raise InputError(name, path, f"a path that Windows takes as it is written; it does not so with {part!r}")
    if _SHORT.fullmatch(part):
        raise InputError(name, path, f"the long name instead of the short one (8.3), {part!r}")


def windows_key(path: str) -> str:
    """Return a path as Windows compares it: cases and kinds of slashes do not count."""
    return path.replace("\\", "/").lower()


WINDOWS = Places(
    sealed=(
        *(r"\Windows", r"\Program Files", r"\Program Files (x86)", r"\Program Files (Arm)", r"\ProgramData\Microsoft"),
        *(r"\ProgramData\Package Cache", r"\ProgramData\Packages", r"\ProgramData\ssh", r"\$Recycle.Bin", r"\Boot"),
        *(r"\System Volume Information", r"\Recovery", r"\EFI", r"\$WinREAgent", r"\$SysReset", r"\Config.Msi"),
        *(r"\Documents and Settings", r"\MSOCache", r"\Users\Default", r"\Users\All Users"),
    ),
    roots=("\\", r"\Users", r"\ProgramData"),
    homes=(r"\Users",),
    absolute=windows_absolute,
    guarded=windows_guarded,
    key=windows_key,
    variables=("SystemRoot", "ProgramFiles", "ProgramFiles(x86)", "ProgramW6432"),
    home_roots=("appdata", "appdata/local", "appdata/locallow", "appdata/roaming", "appdata/local/microsoft"),
)
READ_ONLY, SYSTEM, REPARSE_POINT = 0x1, 0x4, 0x400
OFFLINE = 0x1000 | 0x40000 | 0x400000  # offline, recall on open, recall on data access

_TAGS = {
    0xA0000003: "a junction or mount point",
    0xA000000C: "a symlink",
    0x80000013: "a deduplicated file",
    0xA000001D: "a link of the subsystem for Linux",
    0x8000001B: "an alias of an app",
}
OF_NO_KNOWN_KIND = "the system does not tell what it is"


def entry_of(parts: tuple[str, ...], status: os.stat_result) -> FolderEntry:
    """Given the parts that lead to a name and its status by lstat, return it.

    Its owner is not known: Windows has no numbers for accounts. The space it takes is its size.
    """
    kind = kind_of(status)
    return FolderEntry(
        parts=parts,
        kind=kind,
        identity=(status.st_dev, status.st_ino),
        links=status.st_nlink,
        uid=None,
        size=status.st_size,
        allocated=status.st_size if kind == FILE else 0,
        mtime=status.st_mtime,
        ctime=status.st_ctime,
        atime=status.st_atime,
        guard=guard_of(kind, status),
    )


def kind_of(status: os.stat_result) -> str:
    """Return what kind of name it is: a folder that is a reparse point counts as a link, whatever it leads to."""
    mode = status.st_mode
    if stat.S_ISLNK(mode) or (stat.S_ISDIR(mode) and _is_reparse_point(status)):
        return LINK
    return FOLDER if stat.S_ISDIR(mode) else FILE if stat.S_ISREG(mode) else OTHER


def guard_of(kind: str, status: os.stat_result) -> str:
    """Return why a name must stay and is not entered, or an empty text."""
    attributes = _attributes(status)
    if _is_reparse_point(status):
        return f"it is {_TAGS.get(_tag(status), 'a reparse point')} (reparse tag {_tag(status):#x})"
    if attributes & OFFLINE:
        return "its content is kept elsewhere (offline), and deleting it here may delete it there"
    if status.st_ino == 0:  # what lstat falls back to where a name may not be opened at all
        return OF_NO_KNOWN_KIND
    if kind == FILE and attributes & READ_ONLY:
        return "it has the read-only attribute"
    return "it has the system attribute" if kind == FILE and attributes & SYSTEM else ""


def _is_reparse_point(status: os.stat_result) -> bool:
    return bool(_attributes(status) & REPARSE_POINT or _tag(status))


def _attributes(status: os.stat_result) -> int:
    return int(getattr(status, "st_file_attributes", 0))


def _tag(status: os.stat_result) -> int:
    return int(getattr(status, "st_reparse_tag", 0))


_DRIVES = tuple(f"{before}{letter}:" for before in ("//?/", "") for letter in "abcdefghijklmnopqrstuvwxyz")


def _open(path: str, name: str) -> OpenFolder:
    handle = system.hold(path)
    try:
        entry = entry_of((name,), system.lstat(path))
        _check(entry)
        return OpenFolder(handle, entry.identity, str(entry.identity[0]), path)
    except BaseException:
        system.release(handle)
        raise


def _check(entry: FolderEntry) -> None:
    """Raise NotEntered for anything but a plain folder."""
    if entry.kind != FOLDER or entry.guard:
        raise NotEntered(f"{entry.parts[-1]} in it is no plain folder: {entry.guard or 'it is a file'}")


@contextmanager
def opened_root(path: str, sealed: Collection[Identity]) -> Iterator[OpenFolder]:
    """Hold a rule's folder for a block. Raise OSError, or NotEntered for a link or a protected folder on the way."""
    drive, *names = path.rstrip("\\").split("\\")
    folder = _open(f"{drive}\\", drive)
    try:
        for name in names:
            folder = _step(folder, name)
            if folder.identity in sealed:
                raise NotEntered(f"{name} in it is protected")
        yield folder
    finally:
        system.release(folder.descriptor)


@contextmanager
def opened_below(root: OpenFolder, parts: tuple[str, ...]) -> Iterator[OpenFolder]:
    """Hold a folder below a root for a block. Raise OSError, or NotEntered for a link or another volume."""
    folder = _open(root.path, root.path)
    try:
        for name in parts:
            folder = _step(folder, name)
            if folder.mount != root.mount:
                raise NotEntered("another volume is mounted there")
        yield folder
    finally:
        system.release(folder.descriptor)


def _step(folder: OpenFolder, name: str) -> OpenFolder:
    inner = _open(full_path(folder.path, (name,)), name)
    system.release(folder.descriptor)
    return inner


def listed(folder: OpenFolder) -> list[str]:
    """Return the names in a folder that is held. Raise OSError."""
    return system.names(folder.path)


def inspect(folder: OpenFolder, parts: tuple[str, ...]) -> FolderEntry:
    """Given a folder that is held and the parts that lead to a name in it, return what is there. Raise OSError."""
    return entry_of(parts, system.lstat(full_path(folder.path, parts[-1:])))


def delete(folder: OpenFolder, name: str) -> None:
    """Delete a file in a folder that is held, unless any process has it open. Raise OSError."""
    path = full_path(folder.path, (name,))
    system.claim(path)
    system.unlink(path)


def remove_folder(folder: OpenFolder, name: str) -> None:
    """Remove an empty folder in a folder that is held. Raise OSError."""
    system.rmdir(full_path(folder.path, (name,)))


def owner(account: str) -> int:
    """Raise NoOwners: an account has no number here, and no owner is told of a file."""
    raise NoOwners


def located(folder: OpenFolder) -> frozenset[Place]:
    """Return where a folder that is held really is: a drive may be a folder of another (SUBST), or a share.

    Raise CoreError.
    """
    with reading(folder.path):
        final = system.final(folder.path)
    if not windows_key(final).startswith(_DRIVES):
        raise SourceDenied(folder.path, f"it is {final}, which is on no drive of this host")
    return frozenset({_place(final)})


def placed(paths: Iterable[str], with_mounts: bool) -> dict[Place, str]:
    """Return where paths really are. What is mounted in a folder is another volume, and never entered from it."""
    del with_mounts
    found = {}
    for path in paths:
        with suppress(OSError):  # what cannot be asked for is guarded by its path and its identity
            found[_place(system.final(path))] = path
    return found


def _place(final: str) -> Place:
    return Place("", "/" + windows_key(final).rpartition("?/")[2].strip("/"))


def refuses(folder: OpenFolder) -> str:
    """Return why nothing can be deleted directly in a folder: no attribute of Windows says so."""
    del folder
    return ""


def untold(folder: OpenFolder) -> str:
    """Return what nobody can see before, or an empty text: files that others have open show at their turn."""
    del folder
    return ""


NTFS = Disk(opened_root, opened_below, listed, inspect, delete, remove_folder, owner, located, placed, refuses, untold)


def in_use_windows(host: Host) -> InUse:
    """Return that each file is asked for at its turn, or why it cannot be."""
    if not system.can_claim():
        return InUse(unseen="this Python has no _winapi, by which a file is asked for alone before it is deleted")
    return InUse(at_its_turn=True)
