# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The open files of processes, by /proc: which are in use, which were deleted and still take space."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Optional

from ..errors import SourceMissing
from ..host import Host

# Paths of what is open that are no files of a file system: shared memory, devices of the graphics card and the like.
_NO_FILES = ("/memfd:", "/SYSV", "/dev/", "/drm", "/i915", "/anon_hugepage", "/[aio]")
DELETED = " (deleted)"


class OpenFile(NamedTuple):
    """A file, folder or program that a process has open: which one, by whom, and what of it is left on the disk."""

    device: int
    inode: int
    path: str
    pid: int
    size: int
    deleted: bool


class OpenFiles:
    """One walk over the processes. After it, ``unseen`` says what could not be looked at, or is empty."""

    def __init__(self, seconds: float, root: str = "/proc") -> None:
        self._root, self._deadline = root, time.monotonic() + seconds
        self._denied = 0
        self._late = False

    @property
    def unseen(self) -> str:
        """What the walk could not look at."""
        if self._late:
            return "the time for looking at open files was used up"
        return f"{self._denied} processes of other accounts could not be looked at" if self._denied else ""

    def __iter__(self) -> Iterator[OpenFile]:
        for pid in _pids(self._root):
            if time.monotonic() > self._deadline:
                self._late = True
                return
            yield from self._of_process(pid)

    def _of_process(self, pid: int) -> Iterator[OpenFile]:
        folder = f"{self._root}/{pid}"
        try:
            links = [f"{folder}/fd/{number}" for number in os.listdir(f"{folder}/fd")]
        except FileNotFoundError:
            return  # it has ended
        except OSError:
            self._denied += 1
            return
        for link in (*links, f"{folder}/cwd", f"{folder}/exe"):
            found = _open_file(link, pid)
            if found is not None:
                yield found


def _pids(root: str) -> list[int]:
    return [int(name) for name in os.listdir(root) if name.isdigit()]


def process_name(pid: int, root: str = "/proc") -> str:
    """Return the name of a process, or a question mark once it has ended."""
    try:
        with open(f"{root}/{pid}/comm", encoding="utf-8", errors="replace") as stream:
            return stream.read().strip()
    except OSError:
        return "?"


def _open_file(link: str, pid: int) -> Optional[OpenFile]:
    """Return what one link of /proc leads to, or None where it is no file, or is closed by now."""
    try:
        path = os.readlink(link)
        if not path.startswith("/") or path.startswith(_NO_FILES):
            return None
        status = os.stat(link)
    except OSError:
        return None
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return None
    deleted = status.st_nlink == 0 and path.endswith(DELETED)
    return OpenFile(status.st_dev, status.st_ino, path, pid, status.st_blocks * 512, deleted)


def mapped_files(root: str = "/proc") -> frozenset[tuple[int, int]]:
    """Return device and inode of the files that processes have mapped into memory, open or not: programs, libraries.

    What may not be looked at is left out: whoever asks learns that from OpenFiles, which meets the same refusals.
    """
    paths: set[str] = set()
    for pid in _pids(root):
        paths.update(_mapped_paths(f"{root}/{pid}/maps"))
    found = set()
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            continue
        found.add((status.st_dev, status.st_ino))
    return frozenset(found)


def _mapped_paths(maps: str) -> Iterator[str]:
    """Yield the paths of one process's mappings (proc_pid_maps(5): the sixth field, where there is one)."""
    try:
        with open(maps, encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                path = line.rstrip("\n").split(None, 5)[5:]
                if path and path[0].startswith("/"):
                    yield path[0]
    except OSError:
        return


def files_in_use(seconds: float) -> tuple[frozenset[tuple[int, int]], str]:
    """Return device and inode of what processes have open or mapped, and what could not be looked at, or nothing."""
    walk = OpenFiles(seconds)
    found = {(file.device, file.inode) for file in walk}
    return frozenset(found) | mapped_files(), walk.unseen


def links_of(host: Host, pid: int) -> dict[str, str]:
    """Return what the descriptors of a process lead to, by number; one that has ended has none. Raise SourceDenied."""
    links: dict[str, str] = {}
    try:
        for name in host.entries(f"/proc/{pid}/fd"):
            links.update(_link_of(host, pid, name))
    except SourceMissing:  # it has ended
        return {}
    return links


def _link_of(host: Host, pid: int, name: str) -> Mapping[str, str]:
    try:
        return {name: host.link(f"/proc/{pid}/fd/{name}")}
    except SourceMissing:  # closed meanwhile
        return {}
