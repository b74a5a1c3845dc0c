# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an archive cannot hold of its members, as each platform gathers it: records that all of them share."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Optional, Union

from ....host import Host
from ....printable import printable
from .content import Found

SOME = 256  # members between two looks at the clock
VALUE_LIMIT = 64 << 10  # bytes of one extended attribute, the most that Linux allows; a resource fork may be larger
VALUES_LIMIT = 64 << 20  # bytes of all of a source


class Seen(NamedTuple):
    """A member as it was written: its path, its name in the archive and the platform's own bits of its status."""

    path: str
    name: str
    kind: str
    bits: int


@dataclass
class Noted:
    """What was found: attributes by member name. ``missing`` members could not be looked at, ``why`` says why.

    ``not_kept`` are things that are data and are neither in the archive nor here, each with its kind.
    """

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    missing: int = 0
    why: str = ""
    not_kept: list[tuple[str, str]] = field(default_factory=list)

    def miss(self, count: int, why: str) -> None:
        """Count members that could not be looked at; the first reason is the one that is told."""
        self.missing += count
        self.why = self.why or why


class Members:
    """Collects what an archive tells of its members. Where ``read`` is given it reads their extended attributes at
    once, from what is open, and no list of members is kept.
    """

    def __init__(self, read: Optional[ReadOpen] = None) -> None:
        self._by_name: dict[str, Seen] = {}
        self._read, self._values, self.noted = read, Values(), Noted()

    def tell(self, found: Found, name: str, kind: str, status: os.stat_result, descriptor: int) -> None:
        """Take one more member."""
        if self._read is not None:
            note_attributes(found.path, name, lambda: self._attributes(found, descriptor), self._values, self.noted)
            return
        bits = getattr(status, "st_file_attributes", getattr(status, "st_flags", 0))
        self._by_name[name] = Seen(found.path, name, kind, bits)

    def _attributes(self, found: Found, descriptor: int) -> Mapping[str, bytes]:
        return {} if self._read is None else self._read(found, descriptor)

    @property
    def all(self) -> list[Seen]:
        """The members in the order of the archive."""
        return list(self._by_name.values())


@dataclass
class Values:
    """Turns values of extended attributes into JSON, up to a limit of bytes for all of them."""

    left: int = VALUES_LIMIT

    def plain(self, value: bytes) -> Union[str, dict[str, Any]]:
        """Return a value in base64, or its size and checksum where it is too large to be kept."""
        if len(value) > min(VALUE_LIMIT, self.left):
            return {"size": len(value), "sha256": hashlib.sha256(value).hexdigest()}
        self.left -= len(value)
        return base64.b64encode(value).decode("ascii")


Read = Callable[[str], Mapping[str, bytes]]  # a path to its extended attributes; raises OSError
# What was found, and its descriptor or -1, to its extended attributes; raises OSError
ReadOpen = Callable[[Found, int], Mapping[str, bytes]]
Gather = Callable[[list[Seen], Host], Noted]


def extended_attributes(members: list[Seen], host: Host, read: Read, noted: Noted) -> None:
    """Given members and what reads the extended attributes of a path, note them."""
    values = Values()
    for number, member in enumerate(members):
        if number % SOME == 0:
            host.remaining()
        note_attributes(member.path, member.name, partial(read, member.path), values, noted)


def note_attributes(
    path: str, member: str, read: Callable[[], Mapping[str, bytes]], values: Values, noted: Noted
) -> None:
    """Given a member and what reads its extended attributes, note them."""
    try:
        raw = read()
    except FileNotFoundError:
        return  # it is gone since it was written
    except OSError as error:
        noted.miss(1, f"{printable(path)}: {error.strerror or error}")
        return
    if raw:
        found = {name: values.plain(value) for name, value in sorted(raw.items())}
        noted.rows.setdefault(member, {})["xattrs"] = found
        noted.not_kept += [("cut", f"{path} {name}") for name, value in found.items() if isinstance(value, dict)]
