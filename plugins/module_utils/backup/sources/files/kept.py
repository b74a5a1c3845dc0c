# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an archive cannot hold, read back: extended attributes with ACLs among them, and whose number a name is here."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import Any, Optional

from ....host import Host
from ...errors import Unreadable
from ...model import Notes, SourceCopy
from ...streams import reading
from .archive import HAS_NAMES
from .attributes import HEAD, VALUES_LIMIT
from .headers import Header

LINES = 4 * VALUES_LIMIT  # bytes of all lines; base64 takes a third more than what it says
LINE = 2 * VALUES_LIMIT

if HAS_NAMES:
    import grp
    import pwd


class Accounts:
    """The numbers that a member's account and group have on this host: by name, and where nobody is called so the
    numbers that they had, which is noted.
    """

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._known: dict[tuple[str, str, int], int] = {}

    def of(self, header: Header) -> tuple[int, int]:
        """Return the account and the group that a member is to belong to."""
        return self._number("account", header.account, header.uid), self._number("group", header.group, header.gid)

    def _number(self, kind: str, name: str, number: int) -> int:
        key = (kind, name, number)
        if key not in self._known:
            self._known[key] = self._asked(kind, name, number)
        return self._known[key]

    def _asked(self, kind: str, name: str, number: int) -> int:
        if not HAS_NAMES or not name:
            return number
        try:
            return pwd.getpwnam(name).pw_uid if kind == "account" else grp.getgrnam(name).gr_gid
        except (KeyError, ValueError, UnicodeError):
            self._notes.add(kind, f"{name} is not known here: its number {number} is used")
            return number


class Kept:
    """The attributes of an archive's members. Those that are no extended attributes are of macOS or Windows."""

    def __init__(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        self.rows = rows

    def xattrs(self, name: str) -> Mapping[str, bytes]:
        """Return the extended attributes of a member that were kept whole."""
        found = self.rows.get(name, {}).get("xattrs", {})
        return {key: base64.b64decode(value) for key, value in found.items() if isinstance(value, str)}

    def note_rest(self, notes: Notes, wanted: Container[str]) -> None:
        """Note what was too large to be kept, or is of another platform."""
        for name, row in self.rows.items():
            if name not in wanted:
                continue
            for key in sorted(set(row) - {"xattrs"}):
                notes.add("attribute", f"{name} {key}")
            for key, value in row.get("xattrs", {}).items():
                if not isinstance(value, str):
                    notes.add("cut", f"{name} {key}")


def read_kept(path: Optional[Path], entry: SourceCopy, host: Host) -> Kept:
    """Given the file of attributes of a files source, return what it has. Raise Unreadable where it is none."""
    if path is None:
        return Kept({})
    with reading(path, entry.compression, host) as stream:
        return Kept(dict(_rows(stream.readline, path.name)))


def _rows(read: Callable[[int], bytes], name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if read(LINE) != HEAD.encode("ascii"):
        raise Unreadable(name, "its first line does not name the columns")
    total = 0
    while line := read(LINE):
        total += len(line)
        if total > LINES:
            raise Unreadable(name, f"it has more than {LINES} bytes")
        try:
            member, attributes = json.loads(line)
            yield str(member), _checked(attributes)
        except (ValueError, TypeError, AttributeError, binascii.Error):
            raise Unreadable(name, f"it has a line that is no member with its attributes: {line[:80]!r}") from None


def _checked(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return attributes as they are. Raise ValueError where a value of an extended one is no base64."""
    for value in attributes.get("xattrs", {}).values():
        if isinstance(value, str):
            base64.b64decode(value, validate=True)
    return attributes
