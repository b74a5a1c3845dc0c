# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All checks that a finding can be of: those of the areas' rules, and the lists of the parts that are no area."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Check
from ansible_collections.cryptobot.maintenance.plugins.module_utils.registry import areas

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
PACKAGE = "ansible_collections.cryptobot.maintenance.plugins"


def catalogues() -> dict[str, dict[str, Check]]:
    """Return the checks by their ids, by where they are declared: an area, or the path of a list."""
    found: dict[str, dict[str, Check]] = {}
    for area in areas():
        found[area.name] = dict(area.rules().checks)
    for path in sorted(PLUGINS.glob("plugin_utils/*/checks.py")):
        dotted = ".".join(path.relative_to(PLUGINS).with_suffix("").parts)
        found[str(path.relative_to(PLUGINS))] = dict(import_module(f"{PACKAGE}.{dotted}").CHECKS)
    return found


def all_checks() -> list[Check]:
    """Return all checks, an id that is declared twice twice."""
    return [check for checks in catalogues().values() for check in checks.values()]
