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
from typing import Any, NamedTuple, Union

from ....host import Host

MOST = 200_000  # members whose attributes are looked at; the others are counted as missing
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
    """Collects what an archive tells of its members, up to MOST of them."""

    def __init__(self) -> None:
        self._by_name: dict[str, Seen] = {}
        self.beyond = 0

    def tell(self, path: str, name: str, kind: str, status: os.stat_result) -> None:
        """Take one more member."""
        if len(self._by_name) >= MOST:
            self.beyond += name not in self._by_name
            return
        bits = getattr(status, "st_file_attributes", getattr(status, "st_flags", 0))
        self._by_name[name] = Seen(path, name, kind, bits)

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
Gather = Callable[[list[Seen], Host], Noted]


def extended_attributes(members: list[Seen], host: Host, read: Read, noted: Noted) -> None:
    """Given members and what reads the extended attributes of a path, note them."""
    values = Values()
    for number, member in enumerate(members):
        if number % SOME == 0:
            host.remaining()
        try:
            raw = read(member.path)
        except FileNotFoundError:
            continue  # it is gone since it was written
        except OSError as error:
            noted.miss(1, f"{member.path}: {error.strerror or error}")
            continue
        if not raw:
            continue
        found = {name: values.plain(value) for name, value in sorted(raw.items())}
        noted.rows.setdefault(member.name, {})["xattrs"] = found
        noted.not_kept += [("cut", f"{member.path} {name}") for name, value in found.items() if isinstance(value, dict)]
