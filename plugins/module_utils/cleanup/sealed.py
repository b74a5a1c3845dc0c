# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nothing may be deleted in: protected means the data, by whatever path it is reached."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from ..errors import CoreError
from ..finding import EMPTY
from ..folders import NotEntered
from ..paths import Identity, Place, below
from .disk import Disk, OpenFolder


class Sealed(NamedTuple):
    """What is protected, by identity, and by the place of its data with the path that was declared.

    No rule's folder may lie at or in one of ``places``, or at or above one of ``roots``; what lies in such a folder is
    spared. ``doubt`` is why these cannot be told, or empty; then no folder is entered.
    """

    identities: frozenset[Identity] = frozenset()
    places: Mapping[Place, str] = EMPTY
    roots: Mapping[Place, str] = EMPTY
    doubt: str = ""

    def forbids(self, places: Iterable[Place]) -> str:
        """Given where the data of a rule's folder is, return why the folder is not entered, or an empty text."""
        if self.doubt:
            return f"what else is protected cannot be told ({self.doubt})"
        for place in places:
            for sealed, path in self.places.items():
                if place.is_within(sealed):
                    return f"what is there is the data of {path}, which is protected"
            for root, path in self.roots.items():
                if root.is_within(place):
                    return f"what is there is the whole of {path}, or more"
        return ""

    def spared(self, places: Iterable[Place]) -> frozenset[tuple[str, ...]]:
        """Given where the data of a rule's folder is, return the parts that lead from there to what is protected."""
        inner = (
            below(place.path, sealed.path) for place in places for sealed in self.places if sealed.is_within(place)
        )
        return frozenset(tuple(way.split("/")) for way in inner)


def seal(
    disk: Disk, identities: frozenset[Identity], paths: Collection[str], declared: Collection[str], roots: Iterable[str]
) -> Sealed:
    """Return what is sealed: all ``paths``, with what is mounted below those that an operator ``declared``."""
    try:
        places = {**disk.placed(paths, False), **disk.placed(declared, True)}
        return Sealed(identities, places, disk.placed(roots, False))
    except CoreError as error:
        return Sealed(identities, doubt=str(error))


@contextmanager
def entered(disk: Disk, path: str, sealed: Sealed) -> Iterator[OpenFolder]:
    """Open a rule's folder for a block. Raise OSError, or NotEntered where it must not be, by what it really is."""
    with disk.opened_root(path, sealed.identities) as root:
        reason = sealed.forbids(located(disk, root)) or disk.refuses(root)
        if reason:
            raise NotEntered(reason)
        yield root


def located(disk: Disk, root: OpenFolder) -> frozenset[Place]:
    """Return where the data of a rule's folder is. Raise NotEntered where that cannot be told."""
    try:
        return disk.located(root)
    except CoreError as error:
        raise NotEntered(f"where its data is cannot be told ({error})") from error
