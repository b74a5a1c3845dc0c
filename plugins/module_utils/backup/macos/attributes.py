# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an archive cannot hold of files on macOS: extended attributes with resource forks, flags, access control lists.

Nothing is changed, no exclusion of Time Machine either (it is an extended attribute, and noted as one).
"""

from __future__ import annotations

from ...host import Host
from ..sources.files.members import Noted, Seen, extended_attributes
from .lists import lists
from .xattrs import read

MOST_LISTED = 20_000  # members that ls is asked for, folders and files in the order of the archive
FLAGS = {  # chflags(2) of macOS
    0x1: "nodump",
    0x2: "uchg",
    0x4: "uappnd",
    0x8: "opaque",
    0x20: "compressed",
    0x40: "tracked",
    0x80: "datavault",
    0x8000: "hidden",
    0x10000: "arch",
    0x20000: "schg",
    0x40000: "sappnd",
    0x80000: "restricted",
    0x100000: "sunlnk",
    0x40000000: "dataless",
}


def gather(members: list[Seen], host: Host) -> Noted:
    """Given the members of an archive, return their flags, extended attributes and access control lists."""
    noted = Noted(rows={one.name: {"flags": words(one.bits)} for one in members if words(one.bits)})
    extended_attributes(members, host, read, noted)
    _note_lists(members, host, noted)
    return noted


def words(bits: int) -> list[str]:
    """Given a file's flags as a number, return them by name."""
    return [name for bit, name in FLAGS.items() if bits & bit]


def _note_lists(members: list[Seen], host: Host, noted: Noted) -> None:
    asked = {one.path: one.name for one in members[:MOST_LISTED]}
    found, why = lists(list(asked), host)
    for path, entries in found.items():
        if entries:
            noted.rows.setdefault(asked[path], {})["acl"] = list(entries)
    if len(found) < len(members):
        noted.miss(len(members) - len(found), why or f"at most {MOST_LISTED} members are asked for their lists")
