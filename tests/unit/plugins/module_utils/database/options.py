# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of db_vacuum with their defaults, as Ansible would hand them over; the core's tests run without Ansible."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.declared import (
    VacuumSettings,
    parse_settings,
)


def filled(spec: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Given an argument_spec and some options, return all options, the others at their defaults."""
    unknown = set(given) - set(spec)
    if unknown:
        raise KeyError(f"no such options: {unknown}")
    return {name: _value(option, given.get(name, option.get("default"))) for name, option in spec.items()}


def _value(option: dict[str, Any], value: Any) -> Any:
    inner = option.get("options")
    if inner is None:
        return value
    if option["type"] == "list":
        return [filled(inner, element) for element in value or []]
    if value is None and not option.get("apply_defaults"):
        return None
    return filled(inner, value or {})


def sqlite(name: str = "demo", path: str = "/data/demo.db", **more: Any) -> dict[str, Any]:
    return {"name": name, "engine": "sqlite", "path": path, **more}


def postgresql(name: str = "main", database: str = "cryptobot", **more: Any) -> dict[str, Any]:
    return {"name": name, "engine": "postgresql", "database": database, **more}


def options(databases: Optional[list[dict[str, Any]]] = None, **given: Any) -> dict[str, Any]:
    return filled(SPEC, {"databases": [postgresql()] if databases is None else databases, **given})


def settings(databases: Optional[list[dict[str, Any]]] = None, **given: Any) -> VacuumSettings:
    return parse_settings(options(databases, **given))
