# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Physical backups without pgBackRest: a folder that an archive_command copies WAL to, and sets of pg_basebackup.

A segment that is there but not whole is not there. Of a set the manifest, which pg_basebackup writes last, says which
WAL it needs; a set without one was never finished.
"""

from __future__ import annotations

import os
import re
import stat
from typing import Optional

from ..errors import CoreError, SourceDenied
from ..host import Host
from .commands import program, run_as
from .declared import Cluster
from .model import Backup, Repository
from .wal import Archive, Fork, Segment, name_of, parse_history, parse_name, parse_position

TAIL = 1 << 16  # bytes at the end of a manifest: the ranges of WAL stand behind the list of files
MANIFEST = "backup_manifest"
_RANGE = re.compile(
    rb'"Timeline":\s*(\d+),\s*"Start-LSN":\s*"([0-9A-F]+/[0-9A-F]+)",\s*"End-LSN":\s*"([0-9A-F]+/[0-9A-F]+)"'
)
_HISTORY_FILE = re.compile(r"([0-9A-F]{8})\.history")


def read_repository(host: Host, cluster: Cluster, size: int) -> Repository:
    """Given the size of a segment, return what is in both folders. Raise CoreError."""
    archive = read_archive(host, cluster.archive_dir, size)
    backups = read_sets(cluster.base_dir, size)
    code, message = (0, "ok") if backups else (2, "there is no finished set")
    return Repository(1, code, message, backups, archive)


def read_archive(host: Host, folder: str, size: int) -> Archive:
    """Given the folder of archived WAL, return what is in it. Raise CoreError."""
    segments: dict[Segment, float] = {}
    histories: dict[int, tuple[Fork, ...]] = {}
    for entry in _entries(folder):
        segment, history = parse_name(entry.name, size), _HISTORY_FILE.fullmatch(entry.name)
        status = entry.stat(follow_symlinks=False)
        if segment and stat.S_ISREG(status.st_mode) and status.st_size == size:
            segments[segment] = status.st_mtime
        elif history:
            forks = parse_history(host.read_declared(entry.path, 1 << 20).decode(errors="replace"))
            histories.update({int(history[1], 16): forks} if forks else {})
    return Archive(segments, histories, size)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as listed:
            return sorted(listed, key=lambda entry: entry.name)
    except OSError as error:
        raise SourceDenied(folder, str(error.strerror)) from error


def read_sets(folder: str, size: int) -> tuple[Backup, ...]:
    """Given the folder of sets, return those that were finished, oldest first. Raise CoreError."""
    found = (_set(entry.path, entry.name, size) for entry in _entries(folder) if entry.is_dir(follow_symlinks=False))
    return tuple(sorted((each for each in found if each is not None), key=lambda backup: backup.ended))


def _set(path: str, label: str, size: int) -> Optional[Backup]:
    if label.endswith(".partial"):
        return None
    try:
        descriptor = os.open(os.path.join(path, MANIFEST), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        stream.seek(max(0, status.st_size - TAIL))
        ranges = parse_ranges(stream.read(TAIL))
    if not ranges:
        return None
    (timeline, start, _end), (_timeline, _start, end) = ranges[0], ranges[-1]
    names = [name_of(Segment(timeline, position // size), size) for position in (start, max(start, end - 1))]
    return Backup(label, "full", None, status.st_mtime, status.st_mtime, names[0], names[1])


def parse_ranges(text: bytes) -> list[tuple[int, int, int]]:
    """Given the end of a manifest, return the ranges of WAL that the set needs: timeline, from where to where."""
    return [
        (int(timeline), parse_position(start.decode()), parse_position(end.decode()))
        for timeline, start, end in _RANGE.findall(text)
    ]


def verify(host: Host, cluster: Cluster, label: str, major: int) -> str:
    """Given a set, have pg_verifybackup read all of it; return what it finds wrong, empty where nothing.

    A set without WAL of its own is read without it: its WAL comes from the archive.
    """
    folder = os.path.join(cluster.base_dir, label)
    own = any(parse_name(entry.name, 1 << 24) for entry in _entries(os.path.join(folder, "pg_wal")))
    words = [program(cluster, "pg_verifybackup", major), *([] if own else ["-n"]), folder]
    try:
        done = run_as(host, cluster, words, expect=(0, 1), timeout=host.remaining())
    except CoreError as error:
        return f"it could not be verified: {error}"
    lines = (done.stderr or done.stdout).strip().splitlines()
    return "" if done.rc == 0 else (lines[0] if lines else f"pg_verifybackup ended with {done.rc}")
