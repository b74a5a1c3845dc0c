# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file of a set that notes what its archive cannot hold: one JSON line for each member that has any.

It has the same form on all platforms; which keys there are depends on the one that made the set: ``attributes``,
``sddl`` and ``streams`` (Windows), ``flags`` and ``acl`` (macOS), ``xattrs`` (macOS and Linux, values in base64).
"""

from __future__ import annotations

import json
from typing import IO, Any

from ....host import Host
from ...errors import Unreadable
from ...names import member_refusal
from ...streams.reader import reading
from ...streams.sink import Sink
from ..records import Bench, Entry
from .linux_attributes import read as read_linux
from .members import Gather, Members, Noted, ReadOpen

HEAD = json.dumps(("path", "attributes")) + "\n"
ROWS = 4096  # written at a time


# Imported on its platform only: the core travels as source, and compiling what is not used would cost each run.
def _gather_macos(*given: Any) -> Noted:
    from ...macos.attributes import gather

    return gather(*given)


def _gather_windows(*given: Any) -> Noted:
    from ...windows.attributes import gather

    return gather(*given)


# Linux reads them while a file is open; elsewhere they are asked for afterwards, of many at a time.
READERS: dict[str, ReadOpen] = {"linux": read_linux}
GATHERERS: dict[str, Gather] = {"darwin": _gather_macos, "windows": _gather_windows}


def members_of(platform: str) -> Members:
    """Return what collects the members of an archive on a platform."""
    return Members(READERS.get(platform))


def note(members: Members, sink: Sink, host: Host) -> Noted:
    """Given an archive's members, write what is to be noted of them into the sink and return it."""
    noted = members.noted if host.platform in READERS else GATHERERS[host.platform](members.all, host)
    lines = [HEAD, *(json.dumps((name, found)) + "\n" for name, found in noted.rows.items())]
    for begin in range(0, len(lines), ROWS):
        sink.write("".join(lines[begin : begin + ROWS]).encode("ascii"))
    return noted


def verify(entry: Entry, bench: Bench) -> list[str]:
    """Given a files source of a set, return what does not hold of its attributes. Raise Unreadable where it is none."""
    payload = next((one for one in entry.payloads if one.role == "attributes"), None)
    if payload is None:
        return ["the set notes no attributes"] if "attributes" in entry.facts else []
    with reading(bench.folder / payload.name, entry.compression, bench.host) as stream:
        names = _names(stream, payload.name)
    wrong = [f"{payload.name}: {name!r}: {why}" for name in names if (why := member_refusal(name, bench.platform))]
    expected = int(entry.facts["attributes"]["noted"])
    if len(names) != expected:
        wrong.append(f"{payload.name} notes {len(names)} members, the manifest says {expected}")
    return wrong[:5]


def _names(stream: IO[bytes], name: str) -> list[str]:
    if stream.readline() != HEAD.encode("ascii"):
        raise Unreadable(name, "its first line does not name the columns")
    found = []
    for number, line in enumerate(stream, start=2):
        try:
            path, attributes = json.loads(line)
        except (ValueError, TypeError):
            path, attributes = None, None
        if not isinstance(path, str) or not isinstance(attributes, dict):
            raise Unreadable(name, f"line {number} is no member with its attributes")
        found.append(path)
    return found
