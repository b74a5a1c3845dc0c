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
        others = role.pop("looks", None)
        yield f"roles/{name}/meta/argument_specs.yml", lambda name=name, role=role: page(name, role)
        if others is not None:
            yield f"roles/{name}/vars/main/looks.yml", lambda name=name, others=others: looks(name, others)


def page(name: str, role: Mapping[str, Any]) -> str:
    """Given a role's name and what docs/roles.yml says of it, return its meta/argument_specs.yml."""
    defaults = yaml.safe_load((sources.CHECKOUT / "roles" / name / "defaults" / "main.yml").read_text("utf-8"))
    options = {each: argument(option, defaults[each]) for each, option in role["options"].items()}
    content = {"argument_specs": {"main": {**role, "options": options}}}
    return f"---\n{sources.LICENCE}\n\n{NOTE}\n{modules.as_yaml(content)}"


def looks(name: str, others: Mapping[str, Any]) -> str:
    """Given a role's name and what it tells otherwise, return what it tells a checkup of each area."""
    told = {}
    for area in sorted(sources.looked_at(), key=lambda area: area.procedures):
        other = others.get(area.name, {})
        if other is not None:
            variables = {
                name: f"{{{{ {each['variable']} }}}}" for name, each in area.spec.items() if "variable" in each
            }
            told[area.name] = {name: value for name, value in {**variables, **other}.items() if value is not None}
    said = (
        "# What each area is told when the role looks; which of them run is a matter of its procedures and of the tags."
    )
    return f"---\n{sources.LICENCE}\n\n{NOTE}\n\n{said}\n{modules.as_yaml({f'__{name}_looks': told})}"


def argument(option: Mapping[str, Any], default: Any) -> dict[str, Any]:
    """Given an option of a role and its default, return its argument_spec."""
    shape = {**(sources.option(option["from"]) if "from" in option else {}), **option}
    kept = {key: shape[key] for key in ("type", "elements", "choices") if key in shape}
    if kept.get("choices") == "default":
        kept["choices"] = default
    return {"description": option["description"], **kept, "default": default}
