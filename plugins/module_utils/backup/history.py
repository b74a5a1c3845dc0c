# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What this host remembers of the last run that was to make a set."""

from __future__ import annotations

from typing import Any

from ..memory import recall, remember
from .declared import Settings

MEMORY = "backup"


def last_run(settings: Settings) -> dict[str, Any]:
    """Return how the last run that was to make a set in this folder ended, or an empty dict."""
    found = recall(settings.state_dir, MEMORY).get(str(settings.dir))
    return found if isinstance(found, dict) else {}


def remember_run(settings: Settings, at: float, *, ok: bool, message: str) -> None:
    """Remember how a run that was to make a set ended, for each backup folder."""
    memory = recall(settings.state_dir, MEMORY)
    remember(settings.state_dir, MEMORY, {**memory, str(settings.dir): {"at": at, "ok": ok, "message": message}})
