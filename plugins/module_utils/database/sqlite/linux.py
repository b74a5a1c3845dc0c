# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Linux says of the place of a SQLite file, and who has it open."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Optional

from ...errors import CoreError, ParseError
from ...host import Host
from .model import Holder, Holders, Mount, Surroundings, filesystem_of

_MEMORY_LINE = "MemAvailable:"


def parse_mountinfo(text: str) -> list[Mount]:
    """Given /proc/self/mountinfo (proc(5)), return the mounts in their order. Raise ParseError naming the line."""
    mounts = []
    for number, line in enumerate(text.splitlines(), 1):
        left, separator, right = line.partition(" - ")
        fields = left.split()
        if not separator or len(fields) < 6 or not right:
            raise ParseError("/proc/self/mountinfo", number, line, "expected the fields of proc(5)")
        mounts.append(Mount(_unescaped(fields[4]), right.split()[0]))
    return mounts


def _unescaped(text: str) -> str:
    """Return a mount point with its octal escapes (040 is a space) resolved."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), text)


def surroundings(path: str, host: Host) -> Surroundings:
    """Given a database's path, return the kind of its file system and the free memory, each as far as it is known."""
    try:
        kind = filesystem_of(path, parse_mountinfo(host.read("/proc/self/mountinfo")))
    except CoreError:
        kind = ""
    return Surroundings(kind, _memory(host))


def _memory(host: Host) -> Optional[int]:
    """Return the bytes of memory that are free for use, or None where the host does not say."""
    try:
        lines = host.read("/proc/meminfo").splitlines()
    except CoreError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(_MEMORY_LINE)), None)


def holders(names: Iterable[str], _host: Host) -> Holders:
    """Look at the open files of every process, as far as this account may."""
    wanted = {(status.st_dev, status.st_ino) for status in map(os.stat, names)}
    found, complete = [], True
    for process in _processes():
        try:
            if any(_identity(link) in wanted for link in (process / "fd").iterdir()):
                found.append(Holder(int(process.name), _command(process)))
        except PermissionError:
            complete = False
        except OSError:
            continue  # it ended meanwhile
    return Holders(tuple(found), complete)


def _processes() -> Iterator[Path]:
    own = str(os.getpid())
    return (entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and entry.name != own)


def _identity(link: Path) -> tuple[int, int]:
    try:
        status = os.stat(link)
    except OSError:
        return (-1, -1)  # closed meanwhile
    return status.st_dev, status.st_ino


def _command(process: Path) -> str:
    try:
        return (process / "comm").read_text(errors="replace").strip()
    except OSError:
        return "?"
