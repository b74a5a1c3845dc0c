# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proving right before something is done in the backup folder that no other account leads us there."""

from __future__ import annotations

from pathlib import Path

from ...errors import ActionFailed
from ...trusted import faults
from .way import led_by


def require_own_way(folder: Path) -> None:
    """Raise ActionFailed where a link of another account is on the way to the backup folder now."""
    led = led_by(faults(str(folder)))
    if led:
        raise ActionFailed(f"nothing is written to {folder}: {led}")
