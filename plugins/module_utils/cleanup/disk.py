# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a platform's disk can do for a cleanup: how a folder is held, listed, inspected and emptied."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from typing import NamedTuple

from ..paths import Identity, Place
from .model import FolderEntry


class NoOwners(Exception):
    """The system does not tell of a file which account it belongs to."""


class OpenFolder(NamedTuple):
    """An open folder: the descriptor or handle that holds it, what it is, and the mount that it was reached by.

    ``path`` is how it is reached where the system has no way from a folder to the names in it.
    """

    descriptor: int
    identity: Identity
    mount: str
    path: str = ""


Located = Callable[[OpenFolder], frozenset[Place]]
Placed = Callable[[Iterable[str], bool], dict[Place, str]]


class Disk(NamedTuple):
    """The disk of a platform.

    ``opened_root`` opens a path for a block, unless a link or a protected folder is on the way; ``opened_below`` a
    folder below a root, unless a link or another file system is on the way. Both raise OSError or NotEntered. The rest
    is done in an open folder and raises OSError: ``listed`` gives its names, ``inspect`` what is known of the last of
    some parts, ``delete`` and ``remove_folder`` take a name away. ``owner`` gives the number of an account, and raises
    KeyError where there is no such account, NoOwners where there are no such numbers.

    ``located`` tells where the data of an open folder really is, and ``placed`` the same of paths, each with the path
    it was found by; where asked to, with all that is mounted below them. Both raise CoreError where that cannot be
    told. ``refuses`` says why nothing can be deleted directly in an open folder, or is empty; ``untold`` what keeps a
    name from being deleted there that nobody can see before.
    """

    opened_root: Callable[[str, Collection[Identity]], AbstractContextManager[OpenFolder]]
    opened_below: Callable[[OpenFolder, tuple[str, ...]], AbstractContextManager[OpenFolder]]
    listed: Callable[[OpenFolder], list[str]]
    inspect: Callable[[OpenFolder, tuple[str, ...]], FolderEntry]
    delete: Callable[[OpenFolder, str], None]
    remove_folder: Callable[[OpenFolder, str], None]
    owner: Callable[[str], int]
    located: Located
    placed: Placed
    refuses: Callable[[OpenFolder], str]
    untold: Callable[[OpenFolder], str]
