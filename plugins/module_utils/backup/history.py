# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What this host remembers of the runs that were to make a set: the last one, and those that failed lately."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..memory import recall, remember
from .declared import Settings

MEMORY = "backup"
LATELY, KEPT = 7 * 86400.0, 20  # seconds that a failure is remembered, and how many of them


def last_run(settings: Settings) -> dict[str, Any]:
    """Return how the last run that was to make a set in this folder ended, or an empty dict."""
    found = recall(settings.state_dir, MEMORY).get(str(settings.dir))
    return found if isinstance(found, dict) else {}


def remember_run(settings: Settings, at: float, *, ok: bool, message: str) -> None:
    """Remember how a run that was to make a set ended, for each backup folder."""
    memory = recall(settings.state_dir, MEMORY)
    failures = [one for one in failures_of(last_run(settings), at) if one["at"] <= at]
    failures += [] if ok else [{"at": at, "message": message}]
    since = last_run(settings).get("since", at)
    run = {"at": at, "ok": ok, "message": message, "failures": failures[-KEPT:], "since": since}
    remember(settings.state_dir, MEMORY, {**memory, str(settings.dir): run})


def failures_of(run: Mapping[str, Any], now: float) -> list[dict[str, Any]]:
    """Given what is remembered of the last run, return the failures lately: when, and with which message."""
    found = run.get("failures")
    listed = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    known = [{"at": one.get("at"), "message": str(one.get("message", ""))} for one in listed]
    return [one for one in known if isinstance(one["at"], (int, float)) and now - one["at"] <= LATELY]
