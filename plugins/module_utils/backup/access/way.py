# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What it means that another account owns the way to the backup folder, or may write there: it can put another folder
in its place, and lead there what is written. Pure.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ...trusted import Fault

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
    told = f"nothing is written or removed in {folder}: {who(first)}{mode}"
    return f"{told}; expected: {OWN}, but those in cryptobot_backup.trusted_accounts. {ELSEWHERE}{cure}"
