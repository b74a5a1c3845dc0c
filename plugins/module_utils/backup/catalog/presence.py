# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of a set is there at this moment (L0): each file that its manifest lists, as a regular file of its size.

It costs one lstat(2) a file, so it is done whenever the folder is read: what was verified yesterday may be gone today.
No link is followed, neither in the place of a file nor of the folder of a source.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ...publish import PARTIAL
from .records import Lack, Manifest


def lacks(folder: Path, manifest: Manifest) -> tuple[Lack, ...]:
    """Given a set's folder and manifest, return what is not there as the manifest says."""
    found: list[Lack] = []
    for entry in manifest.sources:
        place = _no_folder(folder / entry.name)
        for payload in entry.payloads:
            reason = place or _differs(folder / payload.name, payload.size)
            found += [Lack(entry.name, payload.name, reason)] if reason else []
    return tuple(found)


def _no_folder(path: Path) -> str:
    try:
        status = os.lstat(path)
    except OSError:
        return ""  # each of its files says so itself
    return "" if stat.S_ISDIR(status.st_mode) else f"cannot be there: {path.name} is no folder but a link or a file"


def _differs(path: Path, expected: int) -> str:
    try:
        status = os.lstat(path)
    except OSError as error:
        return f"is not there: {error.strerror}"
    if not stat.S_ISREG(status.st_mode):
        return "is no regular file"
    return "" if status.st_size == expected else f"has {status.st_size} bytes, the manifest says {expected}"


def strangers(folder: Path, manifest: Manifest, known: frozenset[str]) -> tuple[str, ...]:
    """Given a set's folder, its manifest and the names of a set's own files, return what else is in there."""
    listed = {payload.name for entry in manifest.sources for payload in entry.payloads}
    sources = {entry.name for entry in manifest.sources}
    return tuple(sorted(_others(folder, listed, sources, known)))


def _others(folder: Path, listed: set[str], sources: set[str], known: frozenset[str]) -> Iterator[str]:
    for name in os.listdir(folder):
        if name not in sources:
            yield from () if name in known or name.endswith(PARTIAL) else (name,)
        elif not (folder / name).is_symlink() and (folder / name).is_dir():
            inner = {f"{name}/{one}" for one in os.listdir(folder / name)}
            yield from inner - listed
