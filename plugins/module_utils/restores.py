# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all that works on a host has to know of restores there: that one is half done, and which folders are theirs.

Until a restore that was interrupted is resumed or rolled back, what lies in the places of the data is half of one state
and half of another, and its services are held down.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from . import trusted
from .errors import CoreError
from .finding import CRITICAL, OK, Check, Finding
from .host import Host

FOLDER = "restores"  # of the journals, in the folder of state
UNDER_WAY = "under way"
PREFIX = ".cryptobot-restore-"
_OWN = re.compile(re.escape(PREFIX) + r"\d{8}T\d{6}Z-[0-9a-f]{6}")
WAY_ON = "ansible-playbook cryptobot.maintenance.restore -e restore_state=resumed (or rolled_back)"


class RestoreUnderWay(CoreError):
    """A restore of this host is half done, so nothing else touches it."""


def is_own(name: str) -> bool:
    """Return whether a folder's name is that of what a restore puts beside: what it restored, and the state before.

    No backup packs it, and no cleanup looks into it.
    """
    return _OWN.fullmatch(name) is not None


def journals_in(state_dir: str) -> list[Path]:
    """Return the files of the journals, from old to new. Raise OSError where the folder cannot be read."""
    folder = Path(state_dir, FOLDER)
    return sorted(path for path in folder.iterdir() if path.suffix == ".json") if folder.exists() else []


def half_done(state_dir: str) -> str:
    """Return which restore of this host is half done, or that nobody can tell; an empty text where none is."""
    try:
        for path in journals_in(state_dir):
            left = json.loads(trusted.read(path))
            if left["state"] == UNDER_WAY:
                done = f"{len(left['done'])} of {len(left['steps'])} steps are done"
                at = left["now"] or "nothing yet"
                return f"the restore {path.stem} of set {left['set_id']} is half done: {done}, it was at: {at}"
    except (CoreError, OSError, ValueError, KeyError, TypeError) as error:
        return f"whether a restore is half done cannot be told ({error!r}): look into {Path(state_dir, FOLDER)}"
    return ""


def finding(check: Check, state_dir: str, host: Host) -> Finding:
    """Return what is said of that, by a check of the area that looks."""
    why = half_done(state_dir)
    if why:
        return check.finding(CRITICAL, host.name(), why, expected="no restore that is half done")
    return check.finding(OK, host.name(), "no restore is half done", remedy="")


def require_none_under_way(state_dir: str, undone: str) -> None:
    """Raise RestoreUnderWay, with what is not done therefore, where a restore is half done or nobody can tell."""
    why = half_done(state_dir)
    if why:
        raise RestoreUnderWay(f"{undone}, because {why}; first: {WAY_ON}")
