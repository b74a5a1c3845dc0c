# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The index beside an archive: one JSON line a member, in the archive's order, with what tar itself does not keep.

The first line names the columns. Checksum and size are of the bytes that went into the archive; mtime_ns is what an
incremental run would compare.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Optional

from ...errors import Unreadable

COLUMNS = ("path", "kind", "size", "sha256", "mode", "uid", "gid", "mtime_ns", "link")
HEAD = json.dumps(COLUMNS) + "\n"


@dataclass(frozen=True)
class Row:
    """One member as the index lists it; ``sha256`` is empty for what has no content, ``link`` for what is no link."""

    path: str
    kind: str
    size: int
    sha256: str
    link: str = ""


def read_rows(stream: IO[bytes], name: str) -> Iterator[Row]:
    """Given an index as a stream, yield its rows. Raise Unreadable where it is none."""
    if stream.readline() != HEAD.encode("ascii"):
        raise Unreadable(name, "its first line does not name the columns of an index")
    for number, line in enumerate(stream, start=2):
        row = _row(line)
        if row is None:
            raise Unreadable(name, f"line {number} is no row of an index")
        yield row


def _row(line: bytes) -> Optional[Row]:
    try:
        path, kind, size, sha256, *_numbers, link = json.loads(line)
        return Row(str(path), str(kind), int(size), str(sha256), str(link))
    except (ValueError, TypeError):
        return None
