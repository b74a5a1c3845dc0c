# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journals of restores: one file each in the folder of state, written durably before each step is done.

A restore that was ended half way, by kill -9 or a power cut, is found by its journal, and either goes on or is taken
back: each step looks what is there before it does anything, so that it may be done twice.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from .. import trusted
from ..backup.times import to_iso
from ..errors import CoreError, InputError
from ..host import Host
from ..publish import fsync_path, publish_file
from ..restores import FOLDER, UNDER_WAY, journals_in
from .model import Journal


def new_id(host: Host) -> str:
    """Return the id of a new restore, which sorts by time."""
    return f"{to_iso(host.now()).replace('-', '').replace(':', '')}-{secrets.token_hex(3)}"


def write(state_dir: str, journal: Journal) -> None:
    """Publish a journal. Raise CoreError where it cannot be written: without it nothing is done."""
    path = Path(state_dir, FOLDER, f"{journal.id}.json")
    try:
        trusted.make(str(path.parent))
        publish_file(path, json.dumps(journal.as_dict(), sort_keys=True).encode())
    except OSError as error:
        raise CoreError(f"the journal {path} cannot be written ({error}); without it nothing is done") from error


def remove(state_dir: str, journal: Journal) -> None:
    """Remove a journal: nothing is left of its restore that would have to be undone or removed."""
    path = Path(state_dir, FOLDER, f"{journal.id}.json")
    path.unlink(missing_ok=True)
    if path.parent.exists():
        fsync_path(path.parent)


def read_all(state_dir: str) -> list[Journal]:
    """Return the journals that are there, from old to new.

    Raise CoreError where one cannot be read or believed: then nobody knows what is half done.
    """
    return [_read(path) for path in journals_in(state_dir)]


def _read(path: Path) -> Journal:
    try:
        return Journal.of(json.loads(trusted.read(path)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        text = (
            f"{path}, the journal of a restore, cannot be read ({error!r}); look what it was about before you remove it"
        )
        raise CoreError(text) from error


def under_way(journals: Sequence[Journal]) -> Optional[Journal]:
    """Return the restore that was interrupted, or None."""
    return next((journal for journal in journals if journal.state == UNDER_WAY), None)


def chosen(journals: Sequence[Journal], name: str, states: Sequence[str]) -> Journal:
    """Return the restore of an id, or without one the newest, among those of some states. Raise InputError."""
    fitting = [journal for journal in journals if journal.state in states and name in ("", journal.id)]
    if not fitting:
        known = ", ".join(f"{journal.id} ({journal.state})" for journal in journals) or "there is none"
        raise InputError("restore", name, f"a restore that is {' or '.join(states)}: {known}")
    return fitting[-1]
