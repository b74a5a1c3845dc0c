# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proving right before something is done in the backup folder that no other account can lead us elsewhere."""

from __future__ import annotations

from pathlib import Path

from ...errors import ActionFailed
from ...trusted import NOBODY_ELSE, Others, faults
from .way import refusal_of


def require_own_way(folder: Path, others: Others = NOBODY_ELSE) -> None:
    """Raise ActionFailed where another account than root, ours and those that are trusted owns the backup folder or
    one above it now, or may write there.
    """
    refused = refusal_of(faults(str(folder), others), str(folder))
    if refused:
        raise ActionFailed(refused)
