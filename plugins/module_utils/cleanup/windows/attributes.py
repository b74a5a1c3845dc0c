# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the attributes of a name on NTFS say about following and deleting it. Pure.

Attributes and reparse tags as in Microsoft's "File Attribute Constants" and "Reparse Point Tags".
"""

from __future__ import annotations

import os
import stat

from ..records import FILE, FOLDER, LINK, OTHER, Entry

READ_ONLY, SYSTEM, REPARSE_POINT = 0x1, 0x4, 0x400
OFFLINE = 0x1000 | 0x40000 | 0x400000  # offline, recall on open, recall on data access
_TAGS = {
    0xA0000003: "a junction or mount point",
    0xA000000C: "a symlink",
    0x80000013: "a deduplicated file",
    0xA000001D: "a link of the subsystem for Linux",
    0x8000001B: "an alias of an app",
}
NOT_TOLD = "the system does not tell what it is"


def entry_of(parts: tuple[str, ...], status: os.stat_result) -> Entry:
    """Given the parts that lead to a name and its status by lstat, return it.

    Its owner is not known: Windows has no numbers for accounts. The space it takes is its size.
    """
    kind = kind_of(status)
    return Entry(
        parts=parts,
        kind=kind,
        identity=(status.st_dev, status.st_ino),
        links=status.st_nlink,
        uid=None,
        size=status.st_size,
        allocated=status.st_size if kind == FILE else 0,
        mtime=status.st_mtime,
        ctime=status.st_ctime,
        atime=status.st_atime,
        guard=guard_of(kind, status),
    )


def kind_of(status: os.stat_result) -> str:
    """Return what kind of name it is: a folder that is a reparse point counts as a link, whatever it leads to."""
    mode = status.st_mode
    if stat.S_ISLNK(mode) or (stat.S_ISDIR(mode) and _is_reparse_point(status)):
        return LINK
    return FOLDER if stat.S_ISDIR(mode) else FILE if stat.S_ISREG(mode) else OTHER


def guard_of(kind: str, status: os.stat_result) -> str:
    """Return why a name must stay and is not entered, or an empty text."""
    attributes = _attributes(status)
    if _is_reparse_point(status):
        return f"it is {_TAGS.get(_tag(status), 'a reparse point')} (reparse tag {_tag(status):#x})"
    if attributes & OFFLINE:
        return "its content is kept elsewhere (offline), and deleting it here may delete it there"
    if status.st_ino == 0:  # what lstat falls back to where a name may not be opened at all
        return NOT_TOLD
    if kind == FILE and attributes & READ_ONLY:
        return "it has the read-only attribute"
    return "it has the system attribute" if kind == FILE and attributes & SYSTEM else ""


def _is_reparse_point(status: os.stat_result) -> bool:
    return bool(_attributes(status) & REPARSE_POINT or _tag(status))


def _attributes(status: os.stat_result) -> int:
    return int(getattr(status, "st_file_attributes", 0))


def _tag(status: os.stat_result) -> int:
    return int(getattr(status, "st_reparse_tag", 0))
