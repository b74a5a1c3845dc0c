# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be found in a folder."""

from __future__ import annotations

FILE, FOLDER, LINK, SPECIAL = "file", "folder", "link", "special"
JUNCTION = "junction"  # Windows: a link to a folder, of an older kind than symbolic links
REPARSE = "reparse"  # Windows: a reparse point of a kind that is not known here
RESERVED = "reserved"  # Windows: a name that an ordinary program there can neither make nor open
VANISHED = "vanished"  # only noted: it was gone when it was to be read
SWAPPED = "swapped"  # only noted: it had become something else when it was to be read
SPARSE = "sparse"  # a file with holes, of which the data is kept
TWIN = "twin"  # only noted: differs from a name before it in the same folder in upper and lower case alone


def kind_of(mode: int) -> str:
    """Given st_mode, return which of the first four kinds it is."""
    kinds = {0o100000: FILE, 0o040000: FOLDER, 0o120000: LINK}
    return kinds.get(mode & 0o170000, SPECIAL)
