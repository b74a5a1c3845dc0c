# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules and action plugins of the areas: what each says of itself, its options, and the few lines that run it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sources
import stubs
import yaml

DOCS = sources.CHECKOUT / "docs" / "modules"
COMMON = yaml.safe_load((DOCS / "common.yml").read_text("utf-8"))
ORDER = ("short_description", "version_added", "author", "description", "requirements", "options")
ARGUMENTS = ("type", "elements", "required", "choices", "default", "version_added")  # of an option, in this order
SHORT, LINE = 80, 120  # characters of a list that is written on one line, and of a line


class Dumper(yaml.SafeDumper):
    """YAML as this collection writes it: what is in a list is indented, a short list stands on one line."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _list(dumper: Dumper, data: list[Any]) -> yaml.Node:
    words = all(isinstance(each, (int, float)) or (isinstance(each, str) and " " not in each) for each in data)
    short = words and sum(len(str(each)) + 2 for each in data) < SHORT
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=short)


Dumper.add_representer(list, _list)


class Items(list):  # type: ignore[type-arg]
    """A list of which each member has a line of its own."""


def _items(dumper: Dumper, data: Items) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=False)


Dumper.add_representer(Items, _items)


def as_yaml(content: Mapping[str, Any], room: int = LINE) -> str:
    """Given a mapping of plain data, return it as YAML in lines of at most so many characters."""
    return "".join(_entry(key, value, room) for key, value in content.items())


def _entry(key: str, value: Any, room: int) -> str:
    """Return an entry of a mapping. Each text in it has lines as long as it allows, whatever another allows."""
    if value and isinstance(value, dict):
        within = as_yaml(value, room - 2)
    elif isinstance(value, list) and any(isinstance(each, str) and " " in each for each in value):
        within = "".join(_fitting(Items([each]), room - 2) for each in value)
    else:
        return _fitting({key: value}, room)
    return _dumped({key: None}, room).replace(" null", "") + textwrap.indent(within, "  ")


def _fitting(content: Any, room: int) -> str:
    """Return data as YAML in the longest lines that fit. A line is broken after the word that exceeds its width."""
    texts = (_dumped(content, width) for width in range(room - 5, room - 80, -5))
    return next(text for text in texts if max(map(len, text.splitlines())) <= room)


def _dumped(content: Any, width: int) -> str:
    return yaml.dump(content, Dumper=Dumper, sort_keys=False, width=width, allow_unicode=True)


def own(module: str) -> dict[str, Any]:
    """Return what a module says of itself."""
    return dict(yaml.safe_load((DOCS / f"{module}.yml").read_text("utf-8")))


def options(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Given a SPEC, return it as a module documents its options."""
    return {name: _option(each) for name, each in spec.items()}


def _option(option: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: option[key] for key in ARGUMENTS if key in option}
    nested = {"suboptions": options(option["options"])} if "options" in option else {}
    return {"description": sources.said(option), **kept, **nested}


def merged(common: Any, particular: Any) -> Any:
    """Given what holds for all and what one says, return both: what one says goes before."""
    if not isinstance(common, dict) or not isinstance(particular, dict):
        return particular
    both = {**common, **particular}
    return {key: merged(common[key], both[key]) if key in common else both[key] for key in both}


def documentation(module: str, spec: Mapping[str, Any], page: dict[str, Any]) -> str:
    """Given a module, its SPEC and what it says of itself, return DOCUMENTATION."""
    found = {**COMMON, **page, "options": options(spec)}
    if "checks" in spec:
        found["options"]["checks"]["description"].insert(1, areas_of_a_checkup())
    rest = [key for key in found if key not in (*ORDER, "return", "never_acts", "examples")]
    return as_yaml({"module": module, **{key: found[key] for key in (*ORDER, *rest) if key in found}})


def areas_of_a_checkup() -> str:
    """Return whose options each part of a checkup takes."""
    told = []
    for area in sources.looked_at():
        name = f"cryptobot.maintenance.{area.module}"
        force = "".join(f" with O({name}#module:{key}={value})" for key, value in area.force.items())
        told.append(f"V({area.name}) {'those of' if told else 'takes the options of'} M({name}){force}")
    return ", ".join(told) + "."


def returned(area: Any, page: dict[str, Any]) -> str:
    """Given an area and what its module says of itself, return RETURN."""
    common = {**COMMON["return"], **({} if area.acts else COMMON["never_acts"])}
    return as_yaml(merged(common, page["return"]))


def module_page(area: Any) -> str:
    """Return the module of an area."""
    page = own(area.module)
    texts = written(documentation(area.module, area.spec, page), page["examples"], returned(area, page))
    made_from = note(path_of(area), f"docs/modules/{area.module}.yml")
    return stubs.MODULE.format(licence=sources.LICENCE, note=made_from, texts=texts, main=stubs.main(area))


def controller_page(module: str) -> str:
    """Return a module that runs on the controller alone: its documentation, for its action plugin does all."""
    page = own(module)
    texts = written(documentation(module, sources.spec_of(module), page), page["examples"], as_yaml(page["return"]))
    made_from = note(f"plugins/action/{module}.py", f"docs/modules/{module}.yml")
    return stubs.ON_CONTROLLER.format(licence=sources.LICENCE, note=made_from, texts=texts)


def written(*texts: str) -> str:
    """Given DOCUMENTATION, EXAMPLES and RETURN, return them as they stand in a module."""
    return "\n\n".join(
        f'{name} = r"""\n{text}"""' for name, text in zip(("DOCUMENTATION", "EXAMPLES", "RETURN"), texts)
    )


def path_of(area: Any) -> str:
    """Return where the SPEC of an area is."""
    return f"plugins/module_utils/{area.name}/__init__.py"


def action_page(area: Any) -> str:
    """Return the action plugin of an area."""
    return stubs.action(area, note(path_of(area)))


def note(*made_from: str) -> str:
    """Return the lines that say what a page is made of."""
    change = "those" if len(made_from) > 1 else "that one"
    text = f"Made by `make docs` from {' and '.join(made_from)}; a test compares them. Change {change} instead."
    return "\n".join(textwrap.wrap(text, 118, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False))


def pages() -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield (path, what makes it) of all pages."""
    for area in sources.areas():
        yield f"plugins/modules/{area.module}.py", lambda area=area: module_page(area)
        if area.name not in stubs.OWN_ACTION:
            yield f"plugins/action/{area.module}.py", lambda area=area: action_page(area)
    for module in sources.ON_CONTROLLER:
        yield f"plugins/modules/{module}.py", lambda module=module: controller_page(module)
