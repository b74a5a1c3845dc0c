# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an archive cannot hold of files on Windows: attributes, security descriptors, alternate data streams.

The attributes come with each file's status. The rest is asked in one call of PowerShell, within bounds: at most
MOST_ASKED members, folders first because what is in them mostly inherits theirs, and at most SECONDS.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import CoreError
from ...host import Host
from ...powershell import ask
from ..sources.files.kinds import FOLDER
from ..sources.files.members import Noted, Seen
from .names import extended, shown
from .parse import Descriptors, parse_descriptors
from .queries import descriptors

MOST_ASKED = 20_000  # members; PowerShell looks at 1000 to 3000 a second
SECONDS = 120
SHORT = 248  # characters; a longer path of a folder needs the extended form (MAX_PATH less room for a short name)
ZONE = "Zone.Identifier"  # where a file was downloaded from; losing it makes nothing incomplete
ATTRIBUTES = {  # "File Attribute Constants" (Microsoft Learn)
    0x1: "readonly",
    0x2: "hidden",
    0x4: "system",
    0x20: "archive",
    0x200: "sparse",
    0x400: "reparse_point",
    0x800: "compressed",
    0x1000: "offline",
    0x2000: "not_content_indexed",
    0x4000: "encrypted",
    0x8000: "integrity_stream",
}


def gather(members: list[Seen], host: Host) -> Noted:
    """Given the members of an archive, return their attributes, descriptors and streams."""
    noted = Noted(rows={one.name: {"attributes": words(one.bits)} for one in members if words(one.bits)})
    asked = askable(members)
    if len(members) > len(asked):
        noted.miss(len(members) - len(asked), f"at most {MOST_ASKED} members are asked for their descriptors")
    if not asked:
        return noted
    seconds = int(min(SECONDS, host.remaining()))
    query = descriptors([plain(one.path) for one in asked], seconds, streams=True)
    try:
        found = parse_descriptors(ask(host, {"descriptors": query}, timeout=seconds + 60)["descriptors"], len(asked))
    except CoreError as error:
        noted.miss(len(asked), str(error))
        return noted
    _take(noted, asked, found)
    return noted


def words(bits: int) -> list[str]:
    """Given a file's attributes as a number, return those that say something by name."""
    return [name for bit, name in ATTRIBUTES.items() if bits & bit]


def plain(path: str) -> str:
    """Given a path, return the form in which PowerShell is asked for it: the usual one as long as that holds."""
    return shown(path) if len(shown(path)) < SHORT else extended(path)


def askable(members: Sequence[Seen]) -> list[Seen]:
    """Return the members that are asked for, folders first. No path of Windows has a line break in it."""
    ordered = sorted(members, key=lambda one: one.kind != FOLDER)
    return [one for one in ordered if "\n" not in one.path and "\r" not in one.path][:MOST_ASKED]


def _take(noted: Noted, asked: Sequence[Seen], found: Descriptors) -> None:
    for number, sddl in found.sddl.items():
        noted.rows.setdefault(asked[number].name, {})["sddl"] = sddl
    for number, stream, size in found.streams:
        noted.rows.setdefault(asked[number].name, {}).setdefault("streams", []).append([stream, size])
        if stream != ZONE:
            noted.not_kept.append(("stream", f"{shown(asked[number].path)}:{stream}"))
    if found.refused:
        noted.miss(found.unlisted, f"alternate data streams could not be listed: {found.refused}")
    if found.late:
        noted.miss(len(found.late), f"asking for descriptors was ended after {SECONDS} s")
    if found.denied:
        noted.miss(len(found.denied), f"the descriptor of {shown(asked[min(found.denied)].path)} may not be read")
