# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who has any of the files open that are about to be swapped: proved by looking at every open file of every process."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ..host import Host
from ..sqlite_place import BESIDE
from .model import Identity, Unit
from .targets import files_below, identity_of


class OpenFile(NamedTuple):
    """A process that has one of the files open."""

    pid: int
    command: str
    path: str

    def __str__(self) -> str:
        return f"{self.command} (pid {self.pid}) has {self.path} open"


class OpenFiles(NamedTuple):
    """Who has files open. ``unseen`` says what could not be looked at; empty: everything was."""

    holders: tuple[OpenFile, ...] = ()
    unseen: str = ""


def collect_holders(units: Iterable[Unit], host: Host) -> OpenFiles:
    """Given what will be swapped, return which processes but ours have a file of it open by a descriptor.

    A file that is mapped and closed, and a process that only works in a folder of it, are not seen.
    """
    if host.platform != "linux":
        return OpenFiles(unseen=f"who has files open cannot be told on {host.platform} by this release")
    wanted = _wanted(units)
    found: list[OpenFile] = []
    refused = 0
    for process in _processes() if wanted else ():
        try:
            paths = sorted(wanted[each] for each in _open(process) & set(wanted))
            found += [OpenFile(int(process.name), _command(process), path) for path in paths]
        except PermissionError:
            refused += 1
        except OSError:
            continue  # it ended meanwhile
    return OpenFiles(tuple(found), f"{refused} processes of other accounts" if refused else "")


def _wanted(units: Iterable[Unit]) -> dict[Identity, str]:
    """Return every file at the targets by what it is."""
    paths = [
        path
        for unit in units
        for end in ("", *BESIDE)
        for path in files_below(f"{unit.target}{end}" if end else unit.target)
    ]
    known = {identity_of(path): path for path in paths}
    return {identity: path for identity, path in known.items() if identity is not None}


def _processes() -> Iterable[Path]:
    own = str(os.getpid())
    return (entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and entry.name != own)


def _open(process: Path) -> set[Identity]:
    """Return what a process has open. Raise OSError where it cannot be seen."""
    return {found for found in map(_identity, (process / "fd").iterdir()) if found is not None}


def _identity(link: Path) -> Identity | None:
    try:
        status = os.stat(link)
    except OSError:
        return None  # closed meanwhile
    return status.st_dev, status.st_ino


def _command(process: Path) -> str:
    try:
        return (process / "comm").read_text(errors="replace").strip()
    except OSError:
        return "?"
