# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the type of an option is written, for figures.py: each should be written once, and generated elsewhere."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import tree
import yaml


def typed_in_code(text: str) -> Iterator[str]:
    """Given Python, yield each option that it types: a key of a dictionary, or the constant that is named after it."""
    for node in tree.nodes(text):
        if isinstance(node, ast.Dict):
            keyed = [(key.value, value) for key, value in zip(node.keys, node.values) if isinstance(key, ast.Constant)]
            yield from (str(name) for name, value in keyed if has_type(value))
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None and has_type(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id.lower() for target in targets if isinstance(target, ast.Name))


def has_type(value: ast.expr) -> bool:
    """Given the value of an option, return whether its type is written in it: `option("int")`, or {"type": "int"}."""
    if isinstance(value, ast.Dict):
        return any(isinstance(key, ast.Constant) and key.value == "type" for key in value.keys)
    called = value.func if isinstance(value, ast.Call) else None
    return isinstance(called, ast.Name) and called.id == "option"


def typed_in_documentation(text: str) -> Iterator[str]:
    """Given the Python of a module or of a doc fragment, yield each option that its documentation types."""
    for node in tree.nodes(text):
        value = node.value if isinstance(node, ast.Assign) else None
        if (
            isinstance(value, ast.Constant)
            and isinstance(value.value, str)
            and re.search("^options:", value.value, re.M)
        ):
            yield from typed_in_data(yaml.load(value.value, yaml.CSafeLoader)["options"])


def typed_in_data(options: Mapping[str, Any]) -> Iterator[str]:
    """Given options by name as documentation has them, yield the names of those that have a type, however deep."""
    for name, option in options.items():
        if isinstance(option, dict):
            if "type" in option:
                yield name
            yield from typed_in_data(option.get("suboptions") or option.get("options") or {})


def typed_in_roles(content: Mapping[str, Any]) -> Iterator[str]:
    """Given a role's argument specs, yield each variable that they type."""
    for entry in content["argument_specs"].values():
        yield from typed_in_data(entry.get("options") or {})


def typed_in_list(content: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Given docs/inventory.yml, yield each variable that it types: one that is `from` a module's option is not."""
    yield from (variable["name"] for variable in content if "type" in variable)


def typed(path: str, text: str) -> tuple[str, Iterable[str]]:
    """Given a file, return the kind of place that it is and the options that it types."""
    if not tree.is_generated(text):
        for kind, place, names in PLACES:
            if re.fullmatch(place, path):
                content = text if path.endswith(".py") else yaml.load(text, yaml.CSafeLoader)
                return kind, names(content)
    return "none", ()


# The kinds of places where an option may be typed, which files they are, and what finds the options in one. What
# an action takes that serves no area is typed in it.
PLACES: tuple[tuple[str, str, Callable[[Any], Iterable[str]]], ...] = (
    ("spec", r"plugins/(?:module_utils|plugin_utils|action)/.+\.py", typed_in_code),
    ("documentation", r"plugins/(?:modules|doc_fragments)/.+\.py", typed_in_documentation),
    ("role", r"roles/[^/]+/meta/argument_specs\.yml", typed_in_roles),
    ("role", r"docs/roles\.yml", lambda content: typed_in_roles({"argument_specs": content})),
    ("inventory", r"docs/inventory\.yml", typed_in_list),
)


def typed_again(files: tree.Files) -> tuple[int, list[str]]:
    """Given the texts of files by path, return how often a type is written that is written elsewhere, and which.

    Options of one name in one kind of place are several options: `port` of a service is not that of its probe. So
    of each name the kind of place that has it most is the one that types it, and whatever the others have is again.
    """
    by_name: dict[str, Counter[str]] = {}
    for path, text in files.items():
        kind, names = typed(path, text)
        for name in names:
            by_name.setdefault(name, Counter())[kind] += 1
    again = {name: sum(kinds.values()) - max(kinds.values()) for name, kinds in by_name.items()}
    return sum(again.values()), [name for name, number in sorted(again.items()) if number]
