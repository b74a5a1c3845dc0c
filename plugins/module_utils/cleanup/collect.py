# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands in the folders of the rules, bounded in names, depth and time, and what is protected and free there."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from ..folders import NotEntered
from ..paths import Identity
from ..restores import is_own
from .disk import Disk, NoOwners, OpenFolder
from .model import FOLDER, LINK, NO_UNLINK, OTHER, CleanupRule, FolderEntry, Obstacle, Scan, Usage
from .places import full_path
from .sealed import Sealed, entered, located

MAX_DEPTH = 100  # each folder on the way down holds a descriptor


@dataclass
class Bounds:
    """How much a whole run may still look at: names, and the moment (monotonic) at which it must stop."""

    names: int
    deadline: float

    def used_up(self) -> str:
        """Return which bound is used up, or an empty text."""
        if self.names <= 0:
            return "the bound of names was reached (max_entries)"
        return "the time for looking was used up (scan_seconds)" if time.monotonic() > self.deadline else ""


@dataclass
class Walk:
    """One walk: ``each`` is called with every name found, and neither what is ``sealed`` by its identity nor what is
    ``spared`` by the parts that lead to it is entered. ``whole`` enters what a restore keeps, too, for its size. The
    rest tells what was not looked into.
    """

    disk: Disk
    root: OpenFolder
    path: str
    recurse: bool
    bounds: Bounds
    sealed: Collection[Identity]
    each: Callable[[FolderEntry], None]
    spared: Collection[tuple[str, ...]] = ()
    whole: bool = False
    unread: list[Obstacle] = field(default_factory=list)
    not_entered: list[Obstacle] = field(default_factory=list)
    bound: str = ""

    def run(self) -> None:
        """Walk. What cannot be read is noted, nothing is raised."""
        self._walk_folder(self.root, ())

    def _walk_folder(self, folder: OpenFolder, parts: tuple[str, ...]) -> None:
        try:
            names = self.disk.listed(folder)
        except OSError as error:
            self._cannot_read(parts, error.strerror or str(error))
            return
        for name in names:
            self.bound = self.bound or self.bounds.used_up()
            if self.bound:
                return
            self.bounds.names -= 1
            self._walk_name(folder, parts, name)

    def _walk_name(self, folder: OpenFolder, parts: tuple[str, ...], name: str) -> None:
        try:
            entry = self.disk.inspect(folder, (*parts, name))
        except FileNotFoundError:
            return  # it has just gone
        except OSError as error:
            self._cannot_read((*parts, name), error.strerror or str(error))
            return
        if (
            entry.identity in self.sealed or entry.parts in self.spared
        ):  # counts as something special, which no rule covers
            self.each(entry._replace(kind=OTHER))
            self.not_entered.append(Obstacle(self._full(entry.parts), "it is protected"))
            return
        if is_own(name) and not self.whole:
            self.each(entry._replace(kind=OTHER))  # the state before a restore, which that restore removes in its time
            return
        self.each(entry)
        if entry.guard not in ("", NO_UNLINK) and self.recurse and entry.kind in (FOLDER, LINK):
            self.not_entered.append(Obstacle(self._full(entry.parts), entry.guard))
        elif entry.kind == FOLDER and self.recurse:
            self._descend(folder, entry)

    def _descend(self, folder: OpenFolder, entry: FolderEntry) -> None:
        if len(entry.parts) > MAX_DEPTH:
            self._cannot_read(entry.parts, f"it lies deeper than {MAX_DEPTH} folders")
            return
        try:
            with self.disk.opened_below(folder, entry.parts[-1:]) as inner:
                if inner.identity == entry.identity:
                    self._walk_folder(inner, entry.parts)
                else:
                    self.not_entered.append(Obstacle(self._full(entry.parts), "another folder took its place"))
        except NotEntered as reason:
            self.not_entered.append(Obstacle(self._full(entry.parts), str(reason)))
        except FileNotFoundError:
            return
        except OSError as error:
            self._cannot_read(entry.parts, error.strerror or str(error))

    def _full(self, parts: tuple[str, ...]) -> str:
        return full_path(self.path, parts)

    def _cannot_read(self, parts: tuple[str, ...], reason: str) -> None:
        self.unread.append(Obstacle(self._full(parts), reason))


def identities(paths: Iterable[str]) -> frozenset[Identity]:
    """Return what the paths lead to, symlinks followed. What does not exist or cannot be looked at protects nothing."""
    found = set()
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            continue
        found.add((status.st_dev, status.st_ino))
    return frozenset(found)


def named_by(variables: Iterable[str]) -> list[str]:
    """Return what variables of the environment name; those that are not set name nothing."""
    return [os.environ[name] for name in variables if os.environ.get(name)]


def scan(rule: CleanupRule, disk: Disk, sealed: Sealed, bounds: Bounds) -> Scan:
    """Given a rule, return what stands in its folder."""
    try:
        uid = None if rule.owner is None else disk.owner(rule.owner)
        with entered(disk, rule.path, sealed) as root:
            entries: list[FolderEntry] = []
            spared = sealed.spared(located(disk, root))
            walk = Walk(disk, root, rule.path, rule.recurse, bounds, sealed.identities, entries.append, spared)
            walk.run()
            untold = disk.untold(root)
    except FileNotFoundError:
        return Scan(rule, unavailable=f"{rule.path} does not exist", missing=True)
    except NotEntered as reason:
        return Scan(rule, unavailable=f"{rule.path} is not entered: {reason}")
    except NoOwners:
        return Scan(
            rule, unavailable=f"its owner is to be {rule.owner!r}, and this system does not tell the owner of a file"
        )
    except KeyError:
        return Scan(rule, unavailable=f"the owner {rule.owner!r} is no account of this host")
    except OSError as error:
        return Scan(rule, unavailable=f"{rule.path} cannot be opened: {error.strerror or error}")
    return Scan(
        rule,
        entries=tuple(entries),
        uid=uid,
        unread=tuple(walk.unread),
        not_entered=tuple(walk.not_entered),
        bound=walk.bound,
        untold=untold,
    )


def usage(path: str, disk: Disk, bounds: Bounds) -> Usage:
    """Return the bytes that each name directly in a folder takes with all below it, and what could not be read.

    A file with several names counts once, where it was met first.
    """
    sizes: dict[str, int] = {}
    met: set[Identity] = set()

    def add(entry: FolderEntry) -> None:
        if entry.links < 2 or entry.identity not in met:
            sizes[entry.parts[0]] = sizes.get(entry.parts[0], 0) + entry.allocated
            met.add(entry.identity) if entry.links > 1 else None

    try:
        with disk.opened_root(path, ()) as root:
            walk = Walk(disk, root, path, True, bounds, (), add, whole=True)
            walk.run()
    except OSError as error:
        return Usage({}, [Obstacle(path, error.strerror or str(error))])
    except NotEntered as reason:
        return Usage({}, [Obstacle(path, str(reason))])
    return Usage(sizes, walk.unread, walk.bound)


def free_space(scans: Iterable[Scan]) -> dict[str, int]:
    """Return the bytes that are free for ordinary accounts on the file system of each rule's folder, by its path."""
    free: dict[str, int] = {}
    for scan_of in scans:
        try:
            free[scan_of.rule.path] = shutil.disk_usage(scan_of.rule.path).free
        except OSError:
            continue
    return free
