# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may look into the backup folder and its sets, and whether another account can lead us elsewhere.

One that owns the way to the folder, or may write there, can put another folder in its place, and lead there what is
written. So that none can is proved right before anything is done there.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import ActionFailed
from ..trusted import NOBODY_ELSE, Fault, Others, faults


class FolderMode(NamedTuple):
    """A folder with its mode."""

    path: str
    mode: int


class Opening(NamedTuple):
    """A folder and who may look into it beside those who have to; ``actual`` is what says so."""

    path: str
    others: tuple[str, ...]
    actual: str


class Access(NamedTuple):
    """All folders; ``remedy`` closes one, ``unknown`` says why some or all of them could not be told."""

    folders: tuple[Opening, ...] = ()
    expected: str = "0700"
    remedy: str = "chmod 700 {folder}"
    unknown: str = ""


GROUP_BITS, OTHER_BITS = 0o070, 0o007


def collect_modes(folders: Sequence[FolderMode]) -> Access:
    """Given folders, return who may look into them beside their owner."""
    return Access(tuple(Opening(folder.path, others(folder.mode), f"{folder.mode:04o}") for folder in folders))


def others(mode: int) -> tuple[str, ...]:
    """Given a mode, return who beside the owner it lets in."""
    named = {"the group": GROUP_BITS, "everybody": OTHER_BITS}
    return tuple(name for name, bits in named.items() if mode & bits)


OWN = "root, or the account that runs this, owns the folder and all above it, and nobody else may write there"
ELSEWHERE = "Set cryptobot_backup.dir to a folder below folders of root alone"


def who(fault: Fault) -> str:
    """Given a place that another account can change, or one that could not be looked at, return what that means."""
    if fault.unseen:
        return fault.words
    if fault.owner is None:
        return f"{fault.words}, and so replace whole sets"
    kind = "the symlink " if fault.link else ""
    return f"{kind}{fault.path} belongs to uid {fault.owner}, who can replace whole sets"


def cure_of(fault: Fault, folder: str) -> str:
    """Given such a place and the backup folder, return the command that gives it to its right owner alone, or none."""
    path, mode = shlex.quote(fault.path), "700" if fault.path == folder else "go-w"
    if fault.unseen:
        return ""
    if fault.link:
        return f"rm {path}"
    return f"chmod {mode} {path}" if fault.owner is None else f"chown {fault.ours} {path} && chmod {mode} {path}"


def refusal_of(found: Sequence[Fault], folder: str) -> str:
    """Given what lets others change the backup folder, return why nothing is done there, or an empty text."""
    if not found:
        return ""
    first = next((fault for fault in found if not fault.unseen), found[0])
    mode = f" (mode {first.mode:04o})" if first.owner is not None and not first.link else ""
    cures = dict.fromkeys(cure for cure in (cure_of(fault, folder) for fault in found) if cure)
    cure = f", or: {' && '.join(cures)}" if cures else ""
    text = f"nothing is written or removed in {folder}: {who(first)}{mode}"
    return f"{text}; expected: {OWN}, but those in cryptobot_backup.trusted_accounts. {ELSEWHERE}{cure}"


def require_own_way(folder: Path, others: Others = NOBODY_ELSE) -> None:
    """Raise ActionFailed where another account than root, ours and those that are trusted owns the backup folder or
    one above it now, or may write there.
    """
    refused = refusal_of(faults(str(folder), others), str(folder))
    if refused:
        raise ActionFailed(refused)
