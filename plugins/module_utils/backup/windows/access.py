# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may look into folders, by their security descriptors."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import CoreError
from ...host import Host
from ...powershell import ask
from ..access.records import Access, Folder, Opening
from .attributes import plain
from .parse import others_allowed, parse_descriptors
from .queries import descriptors

SECONDS = 30
EXPECTED = "SYSTEM, the Administrators and the owner alone"
# In quotes, because PowerShell would take the parentheses for its own.
REMEDY = "icacls {folder} /inheritance:r /grant:r '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F'"


def gather(folders: Sequence[Folder], host: Host) -> Access:
    """Given folders, return who may look into them beside those who have to."""
    query = descriptors([plain(folder.path) for folder in folders], SECONDS, streams=False)
    try:
        found = parse_descriptors(ask(host, {"access": query}, timeout=SECONDS + 30)["access"], len(folders))
        opened = [Opening(folders[at].path, others_allowed(sddl), sddl) for at, sddl in sorted(found.sddl.items())]
    except CoreError as error:
        return Access(unknown=str(error))
    missing = sorted(found.denied | found.late)
    unknown = f"the security descriptor of {folders[missing[0]].path} could not be read" if missing else ""
    return Access(tuple(opened), EXPECTED, REMEDY, unknown)
