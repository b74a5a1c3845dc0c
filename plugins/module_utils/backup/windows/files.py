# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an entry of a folder is on Windows: a file, a folder, a link of either kind, or nothing that can be kept.

A reparse point is never followed. Junctions and symbolic links are kept as what they are. Files whose content is
elsewhere but theirs (deduplicated, compressed by the system, in the cloud) are files; other kinds are left out and
noted. The tags are those of "Reparse Point Tags" (Microsoft Learn, MS-FSCC 2.1.2.1).
"""

from __future__ import annotations

import os
import stat

from ..names import is_windows_name
from ..sources.files.kinds import FILE, FOLDER, JUNCTION, LINK, REPARSE, RESERVED, kind_of

REPARSE_POINT = 0x400  # FILE_ATTRIBUTE_REPARSE_POINT
SYMLINK_TAG, JUNCTION_TAG = 0xA000000C, 0xA0000003
CONTENT_TAGS = {0x80000013, 0x80000017}  # deduplicated; compressed by the system (WOF)
_CLOUD, _CLOUD_MASK = 0x9000001A, 0xFFFF0FFF  # 0x9000001A to 0x9000F01A


def is_reparse_point(status: os.stat_result) -> bool:
    """Return whether a status is that of a reparse point of any kind."""
    return bool(getattr(status, "st_file_attributes", 0) & REPARSE_POINT)


def entry_kind(entry: os.DirEntry[str]) -> str:
    """Given an entry of a folder, return its kind."""
    return status_kind(entry.name, entry.stat(follow_symlinks=False))


def status_kind(name: str, status: os.stat_result) -> str:
    """Given a name and its own status, return its kind."""
    if name and not is_windows_name(name):
        return RESERVED
    if not is_reparse_point(status):
        return kind_of(status.st_mode)
    tag = getattr(status, "st_reparse_tag", 0)
    if tag in (SYMLINK_TAG, JUNCTION_TAG):
        return LINK if tag == SYMLINK_TAG else JUNCTION
    if tag not in CONTENT_TAGS and tag & _CLOUD_MASK != _CLOUD:
        return REPARSE
    return FOLDER if stat.S_ISDIR(status.st_mode) else FILE


def link_kind(status: os.stat_result) -> str:
    """Given a name's own status, return which kind of link it is, or an empty text."""
    kind = status_kind("", status)
    return kind if kind in (LINK, JUNCTION) else ""
