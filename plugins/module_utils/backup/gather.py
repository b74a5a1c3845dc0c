# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the sources hold before a set is made, and what this host remembers of the last run."""

from __future__ import annotations

from typing import Any

from ..errors import CoreError
from ..host import Host
from ..memory import recall, remember
from .settings import Settings
from .sources.kinds import KINDS, measure
from .sources.records import Measured

NOUN = "backup"


def measure_sources(settings: Settings, host: Host) -> Measured:
    """Return what the declared sources hold now."""
    sizes: dict[str, int] = {}
    trouble: dict[str, str] = {}
    for source in settings.sources:
        try:
            sizes[source.name] = measure(source, settings.protected, host)
        except CoreError as error:
            trouble[source.name] = str(error)
    copied = [sizes.get(source.name, 0) for source in settings.sources if KINDS[source.type].copies]
    return Measured(sizes, trouble, max(copied, default=0))


def last_run(settings: Settings) -> dict[str, Any]:
    """Return how the last run that was to make a set in this folder ended, or an empty dict."""
    found = recall(settings.state_dir, NOUN).get(str(settings.dir))
    return found if isinstance(found, dict) else {}


def remember_run(settings: Settings, at: float, *, ok: bool, message: str) -> None:
    """Remember how a run that was to make a set ended, for each backup folder."""
    memory = recall(settings.state_dir, NOUN)
    remember(settings.state_dir, NOUN, {**memory, str(settings.dir): {"at": at, "ok": ok, "message": message}})
