# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What macOS says of the place of a SQLite file, and who has it open."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Optional

from ....asking import ask
from ....errors import CoreError
from ....host import Host
from ..parse import filesystem_of, parse_mount
from ..records import Holders, Surroundings
from .parse import parse_free_memory, parse_lsof

# What lsof warns of where the server of some file system does not answer; ours was just looked at.
_OF_OTHERS = r"^(lsof: WARNING: can't stat\(\)|Output information may be incomplete|assuming \"dev=)"


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
    """Ask lsof, which ends with 1 where nobody has one of the files open, and also where it could not look: then it
    says so. Only root sees every process.
    """
    try:
        answer = ask(host, ["lsof", "-Fpc", "--", *names], nothing=(1,), harmless=_OF_OTHERS)
        found = parse_lsof(answer.text)
    except CoreError as error:
        return Holders((), complete=False, blind=str(error))
    others = tuple(one for one in found if one.pid != os.getpid())
    return Holders(others, host.is_admin() and not answer.complaints, "; ".join(answer.complaints[:2]))
