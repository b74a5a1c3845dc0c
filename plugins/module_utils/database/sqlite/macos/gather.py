# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What macOS says of the place of a SQLite file, and who has it open."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Optional

from ....errors import CoreError
from ....host import Host
from ..parse import filesystem_of, parse_mount
from ..records import Holders, Surroundings
from .parse import parse_free_memory, parse_lsof


def surroundings(path: str, host: Host) -> Surroundings:
    """Given a database's path, return the kind of its file system and the free memory, each as far as it is known."""
    return Surroundings(_filesystem(path, host), _memory(host))


def _filesystem(path: str, host: Host) -> str:
    try:
        return filesystem_of(path, parse_mount(host.run(["mount"]).stdout))
    except CoreError:
        return ""


def _memory(host: Host) -> Optional[int]:
    try:
        return parse_free_memory(host.run(["vm_stat"]).stdout)
    except CoreError:
        return None


def holders(names: Iterable[str], host: Host) -> Holders:
    """Ask lsof, which ends with 1 where nobody has the files open. Only root sees every process."""
    try:
        found = parse_lsof(host.run(["lsof", "-Fpc", "--", *names], expect=(0, 1)).stdout)
    except CoreError as error:
        return Holders((), complete=False, blind=str(error))
    return Holders(tuple(one for one in found if one.pid != os.getpid()), host.is_admin())
