# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may look into folders, by their mode. An access control list of POSIX shows there too, as the group's bits."""

from __future__ import annotations

from collections.abc import Sequence

from ...host import Host
from .records import Access, Folder, Opening

GROUP_BITS, OTHER_BITS = 0o070, 0o007


def gather(folders: Sequence[Folder], _host: Host) -> Access:
    """Given folders, return who may look into them beside their owner."""
    return Access(tuple(Opening(folder.path, others(folder.mode), f"{folder.mode:04o}") for folder in folders))


def others(mode: int) -> tuple[str, ...]:
    """Given a mode, return who beside the owner it lets in."""
    named = {"the group": GROUP_BITS, "everybody": OTHER_BITS}
    return tuple(name for name, bits in named.items() if mode & bits)
