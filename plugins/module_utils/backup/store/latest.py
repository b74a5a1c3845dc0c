# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The signpost ``latest`` in the backup folder: which set counts as the newest. One reader for all systems.

On POSIX it is a symlink, so that a person can go where it leads. On Windows a link needs a privilege, and one that
leads to a folder cannot be replaced in one step; there, and where a link cannot be made, it is a file with the set's
id. Nothing here goes by it: a set is there without it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ...host import Host
from ...publish import publish_file, publish_link
from ...reading import regular_itself
from ..names import LATEST, is_set_id

MAX_BYTES = 64  # an id has 23


def lead_to(final: Path, host: Host) -> None:
    """Let ``latest`` lead to a set. A run does not fail because of it."""
    with suppress(OSError):
        WAYS.get(host.platform, _by_link)(final.parent / LATEST, final.name)


def read_latest(folder: Path) -> str:
    """Given the backup folder, return the id that ``latest`` names, or an empty text where there is none."""
    path = folder / LATEST
    try:
        if path.is_symlink():
            name = os.readlink(path)
        else:
            with open(path, "rb", opener=regular_itself) as stream:
                name = stream.read(MAX_BYTES).decode("ascii", "replace").strip()
    except OSError:
        return ""
    return name if is_set_id(name) else ""


def _by_link(path: Path, set_id: str) -> None:
    try:
        publish_link(path, set_id)
    except (OSError, NotImplementedError):
        _by_file(path, set_id)


def _by_file(path: Path, set_id: str) -> None:
    publish_file(path, set_id.encode("ascii") + b"\n")


WAYS: dict[str, Callable[[Path, str], None]] = {"windows": _by_file}
