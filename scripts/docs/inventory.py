# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of an inventory, in the shape of the module options that they are handed to."""

from __future__ import annotations

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
        options = {part: as_argument(option) for part, option in parts[name].items()}
        return {"description": entry["description"], "type": "dict", "options": options}
    option = plain.get(name) or whole[name]
    shape = as_argument(option if "description" not in entry else {**option, "example": None, **entry})
    return {key: value for key, value in shape.items() if key not in ("required", "default")}


def variables() -> dict[str, dict[str, Any]]:
    """Return all variables with their argument_specs, in the order of docs/inventory.yml."""
    text = (sources.CHECKOUT / "docs" / "inventory.yml").read_text("utf-8")
    return {entry["name"]: variable(entry) for entry in yaml.safe_load(text)}


def rows(options: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Yield (name, type, default, description) of each option and of those within it."""
    for name, option in options.items():
        kind = option.get("type", "str") + (f" of {option['elements']}" if option.get("elements") else "")
        text = option["description"]
        choices = f" One of {', '.join(map(str, option['choices']))}." if option.get("choices") else ""
        default = "required" if option.get("required") else option.get("default", "")
        yield f"{prefix}{name}", kind, str(default), (" ".join(text) if isinstance(text, list) else text) + choices
        yield from rows(option.get("options", {}), f"{prefix}{name}.")
