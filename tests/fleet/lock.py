# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locks that end with their holder, however it ends, and leave no file behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO


@contextlib.contextmanager
def locked(file: Path, wait: bool = True, quiet: bool = False) -> Iterator[None]:
    """Hold the lock that FILE stands for; when another process has it, say so (unless quiet) and wait.

    Raise BlockingIOError instead of waiting when told not to.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with _acquire(file, wait, quiet):
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def _acquire(file: Path, wait: bool, quiet: bool) -> TextIO:
    """Return the open file that holds the lock; closing it lets go."""
    while True:
        opened = file.open("w")
        try:
            _flock(opened, wait, "" if quiet else file.stem)
        except BaseException:
            opened.close()
            raise
        if _is_still(opened, file):
            return opened
        opened.close()
        quiet = True  # it was said once


def _flock(opened: TextIO, wait: bool, said_name: str) -> None:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if not wait:
            raise
        if said_name:
            print(f"fleet: waiting for another run that holds {said_name}", file=sys.stderr, flush=True)
        fcntl.flock(opened, fcntl.LOCK_EX)


def _is_still(opened: TextIO, file: Path) -> bool:
    """Return whether the path still leads to the locked file: the holder before us removes it on leaving."""
    try:
        return os.path.samestat(os.fstat(opened.fileno()), file.stat())
    except FileNotFoundError:
        return False
