# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the type of an option is written, for figures.py: each should be written once, and generated elsewhere."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import tree
import yaml


def typed_in_code(text: str) -> Iterator[str]:
    """Given Python of the core, yield each option that it types: `"port": {"type": "int"}`, or a call with `type`."""
    for node in tree.nodes(text):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values):
                if isinstance(key, ast.Constant) and isinstance(key.value, str) and has_type(value):
                    yield key.value


def has_type(value: ast.expr) -> bool:
    """Given the value of an option, return whether its type is written in it."""
    if isinstance(value, ast.Dict):
        return any(isinstance(key, ast.Constant) and key.value == "type" for key in value.keys)
    return isinstance(value, ast.Call) and any(keyword.arg == "type" for keyword in value.keywords)


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


def typed(path: str, text: str) -> tuple[str, list[str]]:
    """Given a file, return the kind of place that it is and the options that it types."""
    if tree.is_generated(text):
        return "generated", []
    if path.startswith("plugins/module_utils/") and path.endswith(".py"):
        return "spec", list(typed_in_code(text))
    if path.startswith(("plugins/modules/", "plugins/doc_fragments/")) and path.endswith(".py"):
        return "documentation", list(typed_in_documentation(text))
    if re.fullmatch(r"roles/[^/]+/meta/argument_specs\.yml", path):
        return "role", list(typed_in_roles(yaml.load(text, yaml.CSafeLoader)))
    if path == "docs/inventory.yml":
        return "inventory", list(typed_in_list(yaml.load(text, yaml.CSafeLoader)))
    return "none", []


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
