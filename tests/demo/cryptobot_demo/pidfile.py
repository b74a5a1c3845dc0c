# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pid files, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional


def write_pid_file(path: Optional[Path], pid: int) -> None:
    """Given a path, or None for no pid file, publish the process id there."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{pid}.partial")
    partial.write_text(f"{pid}\n", encoding="ascii")
    os.replace(partial, path)


def read_pid_file(path: Path) -> Optional[int]:
    """Given a path, return the process id in it, or None where there is no file or no number in it."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return None


def remove_pid_file(path: Optional[Path], pid: int) -> None:
    """Given a path, remove the file if it still names this process; another's stays."""
    if path is not None and read_pid_file(path) == pid:
        path.unlink()
