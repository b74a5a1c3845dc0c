# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file of a set that notes what its archive cannot hold: one JSON line for each member that has any.

It has the same form on all platforms; which keys there are depends on the one that made the set: ``attributes``,
``sddl`` and ``streams`` (Windows), ``flags`` and ``acl`` (macOS), ``xattrs`` (macOS and Linux, values in base64).

What they are is collected as each platform tells it; on Linux POSIX access control lists are among them
(system.posix_acl_access).
"""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, NamedTuple, Optional, Union

from ....finding import EMPTY
from ....host import Host
from ....printable import printable
from ...errors import Unreadable
from ...model import SourceCopy
from ...names import member_refusal
from ...streams import Sink, reading
from ..model import Bench
from .content import FILE, Found

SOME = 256  # members between two looks at the clock
VALUE_LIMIT = 64 << 10  # bytes of one extended attribute, the most that Linux allows; a resource fork may be larger
VALUES_LIMIT = 64 << 20  # bytes of all of a source


class Packed(NamedTuple):
    """A member as it was written: its path, its name in the archive and the platform's own bits of its status."""

    path: str
    name: str
    kind: str
    bits: int


class Subject(NamedTuple):
    """A member whose attributes are read: its path, and its name in the archive."""

    path: str
    member: str


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

    def __init__(self, read: Optional[ReadOpen] = None, parent: Mapping[str, Mapping[str, Any]] = EMPTY) -> None:
        self._by_name: dict[str, Packed] = {}
        self._parent = parent
        self.read, self._values, self.noted = read, Values(), Noted()

    def report(self, found: Found, name: str, kind: str, status: os.stat_result, descriptor: int) -> None:
        """Take one more member: its kind, its status, and its descriptor; -1 where it has none."""
        if self.read is None:
            self._list(found, name, kind, status)
        else:
            note_attributes(Subject(found.path, name), self.read, (found, descriptor), self._values, self.noted)

    def carry(self, found: Found, name: str, status: os.stat_result) -> None:
        """Take a file that is as it was in the parent set: its attributes are too where they change its ctime."""
        if self.read is None:
            self._list(found, name, FILE, status)
        elif name in self._parent:
            keep(Subject(found.path, name), self._parent[name].get("xattrs", {}), self.noted)

    def _list(self, found: Found, name: str, kind: str, status: os.stat_result) -> None:
        bits = getattr(status, "st_file_attributes", getattr(status, "st_flags", 0))
        self._by_name[name] = Packed(found.path, name, kind, bits)

    @property
    def all(self) -> list[Packed]:
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


def extended_attributes(members: list[Packed], host: Host, read: Read, noted: Noted) -> None:
    """Given members and what reads the extended attributes of a path, note them."""
    values = Values()
    for number, member in enumerate(members):
        if number % SOME == 0:
            host.remaining()
        note_attributes(Subject(member.path, member.name), read, (member.path,), values, noted)


def note_attributes(
    subject: Subject, read: Callable[..., Mapping[str, bytes]], what: tuple[Any, ...], values: Values, noted: Noted
) -> None:
    """Given a member and what reads the extended attributes of ``what``, note them."""
    try:
        raw = read(*what)
    except FileNotFoundError:
        return  # it is gone since it was written
    except OSError as error:
        noted.miss(1, f"{printable(subject.path)}: {error.strerror or error}")
        return
    if raw:
        keep(subject, {name: values.plain(value) for name, value in sorted(raw.items())}, noted)


def keep(subject: Subject, found: Mapping[str, Any], noted: Noted) -> None:
    """Note a member's extended attributes as they are kept, and which of them are too large for that."""
    noted.rows.setdefault(subject.member, {})["xattrs"] = found
    noted.not_kept += [("cut", f"{subject.path} {name}") for name, value in found.items() if isinstance(value, dict)]


_NONE = (errno.ENOTSUP, errno.EOPNOTSUPP)  # the file system has no extended attributes, so nothing is missed


def read_linux(found: Found, descriptor: int) -> Mapping[str, bytes]:
    """Given what was found and its descriptor, or -1, return its extended attributes. Raise OSError.

    A symlink has no descriptor; it is looked up in the open folder that it is in, and no path from elsewhere is.
    """
    what: Union[int, str] = descriptor
    if descriptor < 0:
        what = f"/proc/self/fd/{found.holder.descriptor}/{found.name}"
    follow = descriptor >= 0
    try:
        names = os.listxattr(what, follow_symlinks=follow)
    except OSError as error:
        if error.errno in _NONE:
            return {}
        raise
    if not names:
        return EMPTY
    return {name: os.getxattr(what, name, follow_symlinks=follow) for name in names}


HEAD = json.dumps(("path", "attributes")) + "\n"
ROWS = 4096  # written at a time


# Linux reads them while a file is open; elsewhere they are asked for afterwards, of many at a time.
READERS: dict[str, ReadOpen] = {"linux": read_linux}


def members_of(platform: str, parent: Mapping[str, Mapping[str, Any]] = EMPTY) -> Members:
    """Return what collects the members of an archive on a platform; ``parent`` are the attributes of the parent set."""
    return Members(READERS.get(platform), parent)


def note(noted: Noted, sink: Sink) -> None:
    """Given what is to be noted of an archive's members, write it into the sink."""
    lines = [HEAD, *(json.dumps((name, found)) + "\n" for name, found in noted.rows.items())]
    for begin in range(0, len(lines), ROWS):
        sink.write("".join(lines[begin : begin + ROWS]).encode("ascii"))


def verify_attributes(entry: SourceCopy, bench: Bench) -> list[str]:
    """Given a files source of a set, return what does not hold of its attributes. Raise Unreadable where it is none."""
    payload = next((one for one in entry.payloads if one.role == "attributes"), None)
    if payload is None:
        return ["the set notes no attributes"] if "attributes" in entry.facts else []
    with reading(bench.folder / payload.name, entry.compression, bench.host) as stream:
        names = [name for name, _attributes in read_noted(stream, payload.name)]
    wrong = [f"{payload.name}: {name!r}: {why}" for name in names if (why := member_refusal(name, bench.platform))]
    expected = int(entry.facts["attributes"]["noted"])
    if len(names) != expected:
        wrong.append(f"{payload.name} notes {len(names)} members, the manifest says {expected}")
    return wrong[:5]


def read_noted(stream: IO[bytes], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Given a file of attributes, yield each member with its own. Raise Unreadable where it is none."""
    if stream.readline() != HEAD.encode("ascii"):
        raise Unreadable(name, "its first line does not name the columns")
    for number, line in enumerate(stream, start=2):
        try:
            path, attributes = json.loads(line)
        except (ValueError, TypeError):
            path, attributes = None, None
        if not isinstance(path, str) or not isinstance(attributes, dict):
            raise Unreadable(name, f"line {number} is no member with its attributes")
        yield path, attributes
