# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The argument_specs of the roles: of docs/roles.yml, the defaults of each role, and the options that they become."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import modules
import sources
import yaml

NOTE = "# Made by `make docs` from docs/roles.yml and the SPECs of areas; a test compares them. Change those instead."


def pages() -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield (path, what makes it) for each role."""
    for name, role in yaml.safe_load((sources.CHECKOUT / "docs" / "roles.yml").read_text("utf-8")).items():
        yield f"roles/{name}/meta/argument_specs.yml", lambda name=name, role=role: page(name, role)


def page(name: str, role: Mapping[str, Any]) -> str:
    """Given a role's name and what docs/roles.yml says of it, return its meta/argument_specs.yml."""
    defaults = yaml.safe_load((sources.CHECKOUT / "roles" / name / "defaults" / "main.yml").read_text("utf-8"))
    options = {each: argument(option, defaults[each]) for each, option in role["options"].items()}
    content = {"argument_specs": {"main": {**role, "options": options}}}
    return f"---\n{sources.LICENCE}\n\n{NOTE}\n{modules.as_yaml(content)}"


def argument(option: Mapping[str, Any], default: Any) -> dict[str, Any]:
    """Given an option of a role and its default, return its argument_spec."""
    shape = {**(sources.option(option["from"]) if "from" in option else {}), **option}
    kept = {key: shape[key] for key in ("type", "elements", "choices") if key in shape}
    if kept.get("choices") == "default":
        kept["choices"] = default
    return {"description": option["description"], **kept, "default": default}
