# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of an inventory, in the shape of the module options that they are handed to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import sources
import yaml

KEPT = ("type", "elements", "required", "choices", "default", "no_log", "aliases")


def as_argument(option: dict[str, Any]) -> dict[str, Any]:
    """Given an option of a module, return it in the shape of a role's argument_specs."""
    kept = {key: option[key] for key in KEPT if key in option}
    nested = {name: as_argument(each) for name, each in option.get("options", {}).items()}
    return {"description": sources.said(option), **kept, **({"options": nested} if nested else {})}


def variable(entry: dict[str, Any]) -> dict[str, Any]:
    """Given an entry of docs/inventory.yml, return the variable's argument_spec."""
    name, plain = entry["name"], sources.plain_variables()
    whole, parts = sources.options_of_variables()
    if name in parts:
        runs = {
            part: {key: said[key] for key in ("default", "description")} for part, said in entry.get("runs", {}).items()
        }
        options = {part: {**as_argument(option), **runs.get(part, {})} for part, option in parts[name].items()}
        return {"description": entry["description"], "type": "dict", "options": options}
    option = plain.get(name) or whole[name]
    shape = as_argument(option if "description" not in entry else {**option, "example": None, **entry})
    return {key: value for key, value in shape.items() if key not in ("required", "default")}


def entries() -> list[dict[str, Any]]:
    """Return what docs/inventory.yml says."""
    return list(yaml.safe_load((sources.CHECKOUT / "docs" / "inventory.yml").read_text("utf-8")))


def variables() -> dict[str, dict[str, Any]]:
    """Return all variables with their argument_specs, in the order of docs/inventory.yml."""
    return {entry["name"]: variable(entry) for entry in entries()}


def defaults() -> dict[str, Any]:
    """Return what holds where an inventory says nothing: the plain values among the defaults of the role inventory."""
    text = (sources.CHECKOUT / "roles" / "inventory" / "defaults" / "main.yml").read_text("utf-8")
    found = yaml.safe_load(text)
    return {
        name: value for name, value in found.items() if not isinstance(value, (dict, list)) and "{{" not in str(value)
    }


def written(default: Any) -> str:
    """Given a default, return it as YAML writes it."""
    return default if isinstance(default, str) else json.dumps(default)


def rows(options: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Yield (name, type, default, description) of each option and of those within it."""
    for name, option in options.items():
        kind = option.get("type", "str") + (f" of {option['elements']}" if option.get("elements") else "")
        text = option["description"]
        choices = f" One of {', '.join(map(str, option['choices']))}." if option.get("choices") else ""
        default = "required" if option.get("required") else option.get("default", "")
        yield f"{prefix}{name}", kind, written(default), (" ".join(text) if isinstance(text, list) else text) + choices
        yield from rows(option.get("options", {}), f"{prefix}{name}.")
