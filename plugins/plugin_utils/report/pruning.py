# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Old runs make room: the oldest go, by their number and by their size, and only what a run of ours wrote.

A folder is one of ours by its name, by what is in it and by what its report says of itself. One that holds anything
else is left alone as it is: somebody keeps something there. What goes is renamed first, so that a reader finds a whole
report or none; what a killed run left under such a name goes when it is too old to be alive.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ansible_collections.cryptobot.maintenance.plugins.module_utils.publish import PARTIAL as HALF

FILES = ("report.json", "report.html", "cryptobot.prom")
LATEST = "latest"
DEAD_AFTER = 86_400.0  # seconds: no report takes a day
_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
_OWN = re.compile(rf"(?:{'|'.join(map(re.escape, FILES))})(?:\.\d+{re.escape(HALF)})?")
_HEAD = 400  # bytes of a report that hold its id
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Run(NamedTuple):
    """A folder of a run: its id, which sorts by time, the place it is in, and how many bytes it holds."""

    id: str
    place: Path
    size: int = 0


def prune(places: list[Path], own: Run, keep: int, most: int) -> None:
    """Remove the oldest runs of the place of ``own`` but for ``keep``, and then the oldest of all places while they
    hold more than ``most`` bytes together. ``own`` stays whatever its size is, and what ``latest`` names in a place.
    """
    runs = sorted(run for place in places for run in _runs(place))
    spared = {(own.place, own.id), *((place, _latest(place)) for place in places)}
    old = [run for run in runs if (run.place, run.id) not in spared]
    here = sum(run.place == own.place for run in runs)
    total = sum(run.size for run in runs)
    for run in old:
        mine = run.place == own.place
        if ((mine and here > keep) or total > most) and _remove(run):
            here, total = here - mine, total - run.size
    for place in places:
        _bury(place)


def size_of(folder: Path) -> int:
    """Given the folder of a run, return how many bytes are in it."""
    return sum(path.lstat().st_size for path in folder.iterdir())


def is_dead(path: Path) -> bool:
    """Return whether nobody can be at work on a path any more."""
    try:
        return time.time() - path.lstat().st_mtime > DEAD_AFTER
    except FileNotFoundError:
        return False


def _runs(place: Path) -> Iterator[Run]:
    """Yield the runs of a place that are ours and no other's."""
    for path in place.iterdir() if place.is_dir() else ():
        with contextlib.suppress(OSError):  # no folder, or gone in the meantime
            if _RUN_ID.fullmatch(path.name):
                with _opened(path) as folder:
                    if _is_ours(folder) and _names(folder, path.name):
                        yield Run(path.name, path.parent, size_of(path))


def _latest(place: Path) -> str:
    try:
        return os.readlink(place / LATEST)
    except OSError:
        return ""


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, _FOLDER)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_ours(folder: int) -> bool:
    """Given an open folder, return whether it holds nothing but files that a report writes."""
    names = os.listdir(folder)
    modes = (os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode for name in names)
    return all(_OWN.fullmatch(name) for name in names) and all(map(stat.S_ISREG, modes))


def _names(folder: int, run: str) -> bool:
    """Return whether the report in an open folder says that it is that of a run."""
    descriptor = os.open(FILES[0], _FILE, dir_fd=folder)
    try:
        head = os.read(descriptor, _HEAD)
    finally:
        os.close(descriptor)
    return re.match(rb'\{\s*"schema":\s*\d+,\s*"run":\s*\{\s*"id":\s*"%b"' % run.encode(), head) is not None


def _remove(run: Run) -> bool:
    """Take a run away, first from its readers and then from the disk. Return whether it is gone for them."""
    half = run.place / f"{run.id}{HALF}"
    try:
        os.rename(run.place / run.id, half)
    except OSError:
        return False
    _empty(half)
    return True


def _empty(half: Path) -> None:
    """Remove what is ours in a folder that nobody reads, and the folder if that was all."""
    with contextlib.suppress(OSError):
        with _opened(half) as folder:
            for name in filter(_OWN.fullmatch, os.listdir(folder)):
                os.unlink(name, dir_fd=folder)
        os.rmdir(half)


def _bury(place: Path) -> None:
    """Remove what killed runs left half made or half removed."""
    for path in place.glob(f"*{HALF}"):
        if _RUN_ID.fullmatch(path.name[: -len(HALF)]) and is_dead(path):
            _empty(path)
