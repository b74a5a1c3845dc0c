# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The areas of the core as the controller asks them: what would you refuse?"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from ansible_collections.cryptobot.maintenance.plugins.module_utils.mistakes import Mistake, find_mistakes
from ansible_collections.cryptobot.maintenance.plugins.module_utils.registry import areas

Asked = Callable[[Mapping[str, Any], str], list[Mistake]]
CORE = "ansible_collections.cryptobot.maintenance.plugins.module_utils"
# Those that a checkup may look at, in the order of their procedures.
AREAS = {area.name: area for area in sorted(areas(), key=lambda area: area.procedures) if area.procedures}


def preload(areas: Iterable[str] = AREAS) -> None:
    """Import what tells the mistakes of some areas.

    Ansible imports an action plugin before it makes a process for each host, and imports in that process are lost with
    it: what is imported together with the plugin is imported once a run.
    """
    for area in areas:
        if area in AREAS:
            _mistakes_of(area)


def _mistakes_of(area: str) -> Asked:
    """Return what tells the mistakes of an area; one whose options mean no more than their types has no such file."""
    if find_spec(f"{CORE}.{area}.mistakes") is None:
        return lambda options, platform: find_mistakes(AREAS[area].spec, options, lambda _options: None, platform)
    found: Asked = importlib.import_module(f"{CORE}.{area}.mistakes").mistakes
    return found


def mistakes_in(area: str, options: Mapping[str, Any], platforms: Sequence[str]) -> list[Mistake]:
    """Given an area, options as they are written and what the host's platform may be, return all mistakes.

    Where more than one platform is possible, what one of them takes is no mistake.
    """
    if area not in AREAS:
        return []
    mistakes = _mistakes_of(area)
    found = mistakes(options, platforms[0])
    others = [mistakes(options, platform) for platform in platforms[1:]] if found else []
    return found if all(others) else []
