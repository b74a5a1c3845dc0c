# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an incremental set knows of its parent: which files it had, how they were, and where their content lies."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ....finding import EMPTY
from .formats import as_json

_SHA256 = 64  # characters
_KINDS = ('"file"', '"sparse"')


class Parent(NamedTuple):
    """The files of the parent set. ``rows`` are lines of its index without the name, by the name as JSON has it.

    ``attributes`` are by member; ``own`` is the place of the new set in the chain, ``begun`` when it began to be read.
    """

    rows: Mapping[str, str] = EMPTY
    attributes: Mapping[str, Mapping[str, Any]] = EMPTY
    own: int = 0
    begun: float = 0.0

    def row_of(self, name: str, status: os.stat_result) -> str:
        """Return the line of a file that is as it was: size, mode, owner, both times and inode. Else an empty text."""
        key = as_json(name)
        row = self.rows.get(key)
        if row is None or not status.st_ino:
            return ""
        kind = '"sparse"' if row.startswith('"sparse"') else '"file"'
        head = f'{kind}, {status.st_size}, "'
        tail = (
            f'", {stat.S_IMODE(status.st_mode)}, {status.st_uid}, {status.st_gid}, {status.st_mtime_ns}, "", '
            f"{status.st_ctime_ns}, {status.st_ino}, "
        )
        same = row.startswith(head) and row.startswith(tail, len(head) + _SHA256)
        return f"[{key}, {row}" if same else ""


NO_PARENT = Parent()


def rows_by_name(lines: Iterable[str]) -> dict[str, str]:
    """Given the lines of an index, return those of files with content: what follows the name, by the name.

    In JSON no text holds ``", "``: a quote in it has a backslash before it.
    """
    rows = {}
    for line in lines:
        end = line.find('", "') + 1
        if line.startswith(_KINDS, end + 2):
            rows[line[1:end]] = line[end + 2 :]
    return rows
