# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands in the folders of the rules, what is protected there, and what is in use. With walk.py the only I/O."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Optional

from ..resources.linux.open_files import OpenFiles, mapped_files
from .folders import NotEntered, opened_root
from .records import Entry, Identity, InUse, Obstacle, Rule, Scan
from .rules import SEALED
from .walk import Bounds, Walk

OPEN_FILES_SECONDS = 30.0


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


def sealed_identities(protected: Sequence[str]) -> frozenset[Identity]:
    """Return what no run may enter or delete, by identity: a second name or a symlink does not get around it."""
    return identities((*SEALED, *protected))


def scan(rule: Rule, sealed: Collection[Identity], bounds: Bounds) -> Scan:
    """Given a rule, return what stands in its folder."""
    try:
        uid = _uid(rule.owner)
        with opened_root(rule.path, sealed) as root:
            entries: list[Entry] = []
            walk = Walk(root, rule.path, rule.recurse, bounds, sealed, entries.append)
            walk.run()
    except FileNotFoundError:
        return Scan(rule, problem=f"{rule.path} does not exist", missing=True)
    except NotEntered as reason:
        return Scan(rule, problem=f"{rule.path} is not entered: {reason}")
    except KeyError:
        return Scan(rule, problem=f"the owner {rule.owner!r} is no account of this host")
    except OSError as error:
        return Scan(rule, problem=f"{rule.path} cannot be opened: {error.strerror or error}")
    return Scan(
        rule,
        entries=tuple(entries),
        uid=uid,
        unread=tuple(walk.unread),
        not_entered=tuple(walk.not_entered),
        bound=walk.bound,
    )


def _uid(owner: Optional[str]) -> Optional[int]:
    """Return the number of an account, or None for None. Raise KeyError."""
    if owner is None:
        return None
    pwd = importlib.import_module("pwd")  # only systems with such numbers have this module
    return int(owner) if owner.isdigit() else int(pwd.getpwnam(owner).pw_uid)


def usage(path: str, bounds: Bounds) -> tuple[dict[str, int], list[Obstacle], str]:
    """Return the bytes that each name directly in a folder takes with all below it, what could not be read, and the
    bound that ended the look. A file with several names counts once, where it was met first.
    """
    sizes: dict[str, int] = {}
    met: set[Identity] = set()

    def add(entry: Entry) -> None:
        if entry.links < 2 or entry.identity not in met:
            sizes[entry.parts[0]] = sizes.get(entry.parts[0], 0) + entry.allocated
            met.add(entry.identity) if entry.links > 1 else None

    try:
        with opened_root(path, ()) as root:
            walk = Walk(root, path, True, bounds, (), add)
            walk.run()
    except OSError as error:
        return {}, [Obstacle(path, error.strerror or str(error))], ""
    except NotEntered as reason:
        return {}, [Obstacle(path, str(reason))], ""
    return sizes, walk.unread, walk.bound


def _in_use_linux() -> InUse:
    walk = OpenFiles(OPEN_FILES_SECONDS)
    found = {(file.device, file.inode) for file in walk}
    return InUse(frozenset(found) | mapped_files(), walk.unseen)


IN_USE: dict[str, Callable[[], InUse]] = {"linux": _in_use_linux}


def free_space(scans: Iterable[Scan]) -> dict[str, int]:
    """Return the bytes that are free for ordinary accounts on the file system of each rule's folder, by its path."""
    free: dict[str, int] = {}
    for scan_of in scans:
        try:
            status = os.statvfs(scan_of.rule.path)
        except OSError:
            continue
        free[scan_of.rule.path] = status.f_bavail * status.f_frsize
    return free
