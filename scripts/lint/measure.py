# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure Python files and what stands in them, for figures.py."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import house_rules
import tree
import yaml

SMALL = 80
LARGE = 400
LONG_CLASS = 200
# What every area has one of, under the same name: it is one thing, as long as no area has two.
OF_EACH_AREA = ("Inputs", "Snapshot", "Observation", "Context")
NAMED_BY_ANSIBLE = ("ActionModule", "FilterModule", "ModuleDocFragment")
NEW_AREA_TEST = "tests/unit/test_new_area.py"  # its TOUCHED is how many files a new area touches; it asserts that
COLLECTION = "ansible_collections.cryptobot.maintenance."
LISTS_IN = ("plugins/", "scripts/", "roles/", "playbooks/", "meta/")


class Figure(NamedTuple):
    """Something measured. ``value`` is None where it could not be; ``named`` are the things that it counts."""

    name: str
    value: float | None
    named: tuple[str, ...] = ()


def sizes(files: tree.Files) -> Iterator[Figure]:
    """Given Python files, yield how many there are, and how long they are."""
    lines = {path: len(text.splitlines()) for path, text in files.items()}
    large = [path for path, number in lines.items() if number - documentation_lines(files[path]) > LARGE]
    yield Figure("files", len(files))
    yield Figure("lines", sum(lines.values()))
    yield Figure("lines of code", sum(map(code_lines, files.values())))
    yield Figure("median lines of a file", percentile(sorted(lines.values()), 50))
    yield Figure(f"files under {SMALL} lines", sum(number < SMALL for number in lines.values()))
    yield Figure(f"files over {LARGE} lines, documentation apart", len(large), tuple(large))


def documentation_lines(text: str) -> int:
    """Given Python, return how many of its lines are documentation that Ansible wants in the file."""
    module = tree.nodes(text)[0]
    fragment = [node for node in ast.iter_child_nodes(module) if isinstance(node, ast.ClassDef)]
    return sum(house_rules.documentation_lines(node) for node in (module, *fragment))


def code_lines(text: str) -> int:
    """Given Python, return how many lines it has without those that are blank or a comment, as the licence is."""
    return sum(bool(line.strip()) and not line.lstrip().startswith("#") for line in text.splitlines())


def circles(files: tree.Files) -> Figure:
    """Given Python files, return which of them import each other: those that lead back to themselves."""
    imports = {path: set(imported(path, text, files)) for path, text in files.items()}
    found = tuple(path for path in sorted(files) if path in reached(path, imports))
    return Figure("files that import each other", len(found), found)


def reached(path: str, imports: Mapping[str, set[str]]) -> set[str]:
    """Given a file and what each imports, return all that it leads to."""
    found: set[str] = set()
    new = imports[path]
    while new:
        found |= new
        new = set().union(*(imports[each] for each in new)) - found
    return found


def imported(path: str, text: str, files: tree.Files) -> Iterator[str]:
    """Given a Python file, yield those of the files that it imports, wherever in it."""
    for node in tree.nodes(text):
        if isinstance(node, ast.ImportFrom):
            above = path.split("/")[: -node.level] if node.level else []
            module = "/".join([*above, *(node.module or "").removeprefix(COLLECTION).split(".")]).rstrip("/")
            places = [f"{module}/{alias.name}.py" for alias in node.names]
            found = [each for each in places if each in files]
            whole = len(found) == len(node.names)  # of a package only modules are taken, nothing that it defines
            yield from found if whole else [*found, *({f"{module}.py", f"{module}/__init__.py"} & files.keys())]


def percentile(values: Sequence[int], percent: int) -> int:
    """Given sorted numbers, return the one that so many percent of them do not exceed; 0 where there are none."""
    return values[max(0, -(-len(values) * percent // 100) - 1)] if values else 0


def functions(files: tree.Files) -> Iterator[Figure]:
    """Given Python files, yield how many functions they have, and how long these are without their docstrings."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    lines = sorted(
        house_rules.body_lines(node) for text in files.values() for node in tree.nodes(text) if isinstance(node, kinds)
    )
    yield Figure("functions", len(lines))
    yield Figure("median lines of a function", percentile(lines, 50))
    yield Figure("lines of 90 % of the functions", percentile(lines, 90))
    yield Figure("lines of the longest function", lines[-1] if lines else 0)
    yield Figure("functions over 25 lines", sum(number > 25 for number in lines))


def classes(files: tree.Files) -> Iterator[Figure]:
    """Given Python files, yield how many records they have, the names that two things have, and the long classes."""
    found = [
        (path, node)
        for path, text in files.items()
        for node in tree.nodes(text)
        if isinstance(node, ast.ClassDef) and node.name not in NAMED_BY_ANSIBLE
    ]
    where: dict[str, list[str]] = {}
    for path, node in found:
        area = re.match(r"plugins/module_utils/(\w+)/", path)
        of = f" of {area[1]}" if area and node.name in OF_EACH_AREA else ""
        where.setdefault(f"{node.name}{of}", []).append(path)
    twice = {name: paths for name, paths in sorted(where.items()) if len(paths) == 2}
    more = {name: paths for name, paths in sorted(where.items()) if len(paths) > 2}
    long = [f"{path} {node.name}" for path, node in found if (node.end_lineno or 0) - node.lineno >= LONG_CLASS]
    yield Figure("classes", len(found))
    yield Figure("records: NamedTuple", sum(is_named_tuple(node) for _path, node in found))
    yield Figure("records: dataclass", sum(is_dataclass(node) for _path, node in found))
    yield Figure("class names for two things", len(twice), tuple(twice))
    yield Figure("class names for three things", len(more), tuple(f"{name} ({len(more[name])})" for name in more))
    yield Figure(f"classes over {LONG_CLASS} lines", len(long), tuple(long))


def is_named_tuple(node: ast.ClassDef) -> bool:
    """Given a class, return whether it is a NamedTuple."""
    return any(last_name(base) == "NamedTuple" for base in node.bases)


def is_dataclass(node: ast.ClassDef) -> bool:
    """Given a class, return whether it is a dataclass."""
    return any(last_name(each) == "dataclass" for each in node.decorator_list)


def last_name(node: ast.expr) -> str:
    """Given a base or a decorator, return its name without the module, and without what it is called with."""
    called = node.func if isinstance(node, ast.Call) else node
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def new_area(files: tree.Files) -> Figure:
    """Given the texts of files by path, return how many files a new area touches, as the test of it knows."""
    text = files.get(NEW_AREA_TEST, "")
    value: Any = None
    for node in ast.parse(text).body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id == "TOUCHED":
                value = ast.literal_eval(node.value)
    return Figure("files that a new area touches", len(value) if isinstance(value, Collection) else value)


def hand_kept(files: tree.Files) -> Figure:
    """Given the texts of files by path, return the lists of areas that somebody keeps: not those that are generated.

    Such a list is a literal that names three areas or more: by name, by module, or by what a result is registered as.
    """
    areas = {path.split("/")[2] for path in files if re.fullmatch(r"plugins/module_utils/[a-z]\w*/run\.py", path)}
    modules = {path.split("/")[2][:-3] for path in files if re.fullmatch(r"plugins/action/[a-z]\w*\.py", path)}
    names = areas | modules | {f"cryptobot_result_{area}" for area in areas}
    found = []
    for path, text in sorted(files.items()):
        if path.startswith(LISTS_IN) and path.endswith((".py", ".yml")) and not tree.is_generated(text):
            literals = python_literals(text) if path.endswith(".py") else yaml_literals(text)
            found += [f"{path}:{line}" for line, said in literals if len(names.intersection(said)) >= 3]
    return Figure("hand-kept lists of areas", len(found), tuple(found))


def python_literals(text: str) -> Iterator[tuple[int, list[str]]]:
    """Given Python, yield the line of each list, tuple, set and dictionary in it, and the words that it names."""
    for node in tree.nodes(text):
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            yield node.lineno, [word for element in node.elts for word in words_of(element)]
        if isinstance(node, ast.Dict):
            keyed = [word for key in node.keys if key for word in words_of(key)]
            yield node.lineno, keyed or [word for value in node.values for word in words_of(value)]


def words_of(node: ast.expr) -> list[str]:
    """Given an element of a literal, return what it names: a string, a name, or the first of a row."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        return words_of(node.value)
    return words_of(node.elts[0]) if isinstance(node, ast.Tuple) and node.elts else []


def yaml_literals(text: str) -> Iterator[tuple[int, list[str]]]:
    """Given YAML, yield the line of each list and mapping in it, and the words that it names."""
    waiting = [node for node in yaml.compose_all(text, yaml.CSafeLoader) if node is not None]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.SequenceNode):
            parts = node.value
        elif isinstance(node, yaml.MappingNode):
            parts = [key for key, _value in node.value]
            waiting += [value for _key, value in node.value]
        else:
            continue
        waiting += parts
        yield node.start_mark.line + 1, [part.value for part in parts if isinstance(part, yaml.ScalarNode)]
