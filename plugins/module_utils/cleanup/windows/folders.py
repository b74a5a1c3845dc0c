# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folders by path and handle (Windows): never through a reparse point or into another volume, whatever is swapped.

A path is looked up name by name. Each folder is held open before it is looked at, so that nobody can put a junction in
its place, and is let go only when the one below it is held.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress

from ...errors import SourceDenied
from ...paths import Place
from ...reading import reading
from ..disk import Disk, Folder, NoOwners, NotEntered
from ..places import full_path
from ..records import FOLDER, Entry, Identity
from . import system
from .attributes import entry_of
from .places import windows_key

_DRIVES = tuple(f"{before}{letter}:" for before in ("//?/", "") for letter in "abcdefghijklmnopqrstuvwxyz")


def _open(path: str, name: str) -> Folder:
    handle = system.hold(path)
    try:
        entry = entry_of((name,), system.lstat(path))
        _check(entry)
        return Folder(handle, entry.identity, str(entry.identity[0]), path)
    except BaseException:
        system.release(handle)
        raise


def _check(entry: Entry) -> None:
    """Raise NotEntered for anything but a plain folder."""
    if entry.kind != FOLDER or entry.guard:
        raise NotEntered(f"{entry.parts[-1]} in it is no plain folder: {entry.guard or 'it is a file'}")


@contextmanager
def opened_root(path: str, sealed: Collection[Identity]) -> Iterator[Folder]:
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
def opened_below(root: Folder, parts: tuple[str, ...]) -> Iterator[Folder]:
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


def _step(folder: Folder, name: str) -> Folder:
    inner = _open(full_path(folder.path, (name,)), name)
    system.release(folder.descriptor)
    return inner


def listed(folder: Folder) -> list[str]:
    """Return the names in a folder that is held. Raise OSError."""
    return system.names(folder.path)


def look(folder: Folder, parts: tuple[str, ...]) -> Entry:
    """Given a folder that is held and the parts that lead to a name in it, return what is there. Raise OSError."""
    return entry_of(parts, system.lstat(full_path(folder.path, parts[-1:])))


def delete(folder: Folder, name: str) -> None:
    """Delete a file in a folder that is held, unless any process has it open. Raise OSError."""
    path = full_path(folder.path, (name,))
    system.claim(path)
    system.unlink(path)


def remove_folder(folder: Folder, name: str) -> None:
    """Remove an empty folder in a folder that is held. Raise OSError."""
    system.rmdir(full_path(folder.path, (name,)))


def owner(account: str) -> int:
    """Raise NoOwners: an account has no number here, and no owner is told of a file."""
    raise NoOwners


def located(folder: Folder) -> frozenset[Place]:
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


def refuses(folder: Folder) -> str:
    """Return why nothing can be deleted directly in a folder: no attribute of Windows says so."""
    del folder
    return ""


def untold(folder: Folder) -> str:
    """Return what nobody can see before, or an empty text: files that others have open show at their turn."""
    del folder
    return ""


NTFS = Disk(opened_root, opened_below, listed, look, delete, remove_folder, owner, located, placed, refuses, untold)
