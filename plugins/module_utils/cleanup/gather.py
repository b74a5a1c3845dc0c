# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands in the folders of the rules, what is protected there, and what is in use. With walk.py the only I/O."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable

from .disk import Disk, NoOwners, NotEntered
from .records import Entry, Identity, Obstacle, Rule, Scan
from .sealed import Sealed, entered, located
from .walk import Bounds, Walk


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


def scan(rule: Rule, disk: Disk, sealed: Sealed, bounds: Bounds) -> Scan:
    """Given a rule, return what stands in its folder."""
    try:
        uid = None if rule.owner is None else disk.owner(rule.owner)
        with entered(disk, rule.path, sealed) as root:
            entries: list[Entry] = []
            spared = sealed.spared(located(disk, root))
            walk = Walk(disk, root, rule.path, rule.recurse, bounds, sealed.identities, entries.append, spared)
            walk.run()
            untold = disk.untold(root)
    except FileNotFoundError:
        return Scan(rule, problem=f"{rule.path} does not exist", missing=True)
    except NotEntered as reason:
        return Scan(rule, problem=f"{rule.path} is not entered: {reason}")
    except NoOwners:
        return Scan(
            rule, problem=f"its owner is to be {rule.owner!r}, and this system does not tell the owner of a file"
        )
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
        untold=untold,
    )


def usage(path: str, disk: Disk, bounds: Bounds) -> tuple[dict[str, int], list[Obstacle], str]:
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
        with disk.opened_root(path, ()) as root:
            walk = Walk(disk, root, path, True, bounds, (), add)
            walk.run()
    except OSError as error:
        return {}, [Obstacle(path, error.strerror or str(error))], ""
    except NotEntered as reason:
        return {}, [Obstacle(path, str(reason))], ""
    return sizes, walk.unread, walk.bound


def free_space(scans: Iterable[Scan]) -> dict[str, int]:
    """Return the bytes that are free for ordinary accounts on the file system of each rule's folder, by its path."""
    free: dict[str, int] = {}
    for scan_of in scans:
        try:
            free[scan_of.rule.path] = shutil.disk_usage(scan_of.rule.path).free
        except OSError:
            continue
    return free
