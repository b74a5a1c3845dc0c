# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may look into folders on macOS: their mode, and access control lists, which the mode does not show."""

from __future__ import annotations

from collections.abc import Sequence

from ...host import Host
from ..access.modes import others
from ..access.records import Access, Folder, Opening
from .lists import lists
from .parse import allowing

EXPECTED = "0700 and no access control list that allows anybody anything"
REMEDY = "chmod 700 {folder} && chmod -N {folder}"


def gather(folders: Sequence[Folder], host: Host) -> Access:
    """Given folders, return who may look into them beside their owner."""
    found, why = lists([folder.path for folder in folders], host)
    opened = tuple(_opening(folder, found.get(folder.path, ())) for folder in folders)
    missing = next((folder.path for folder in folders if folder.path not in found), "")
    unknown = f"the access control list of {missing} could not be read: {why}" if missing else ""
    return Access(opened, EXPECTED, REMEDY, unknown)


def _opening(folder: Folder, entries: Sequence[str]) -> Opening:
    actual = ", ".join([f"{folder.mode:04o}", *entries])
    return Opening(folder.path, (*others(folder.mode), *allowing(entries)), actual)
