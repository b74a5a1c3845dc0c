# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a run, validated as a whole before anything is looked at or deleted. Pure.

A rule that could delete too much is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from ..errors import InputError
from ..units import parse_bytes, parse_seconds
from .model import CleanupRule
from .places import Places, on_drives


def read_rules(
    given: Sequence[Mapping[str, Any]], protected: Iterable[str], install_dir: Optional[str], places: Places
) -> tuple[CleanupRule, ...]:
    """Given the option ``rules``, return the rules. Raise InputError for the first that is not safe or not clear."""
    sealed = (*places.sealed, *(places.guarded("protected", path) for path in protected))
    roots = (*places.roots, *([places.guarded("install_dir", install_dir)] if install_dir else ()))
    guarded = places._replace(sealed=sealed, roots=roots)
    rules = tuple(_read_rule(rule, guarded) for rule in given)
    names = [rule.name for rule in rules]
    for name in names:
        if not name or names.count(name) > 1:
            raise InputError(f"rules[{name}].name", name, "a name for each rule that no other rule has")
    return rules


def _read_rule(given: Mapping[str, Any], places: Places) -> CleanupRule:
    where = f"rules[{given['name']}]"
    age = parse_seconds(f"{where}.age", given["age"]) if given["age"] is not None else None
    rule = CleanupRule(
        name=str(given["name"]),
        path=places.absolute(f"{where}.path", given["path"]),
        patterns=tuple(given["patterns"]),
        age=age or None,  # an age of 0 guards nothing
        age_by=given["age_by"],
        owner=given["owner"],
        keep=given["keep"],
        recurse=given["recurse"],
        min_size=parse_bytes(f"{where}.min_size", given["min_size"]) if given["min_size"] is not None else 0,
        empty_dirs=given["empty_dirs"],
        optional=given["optional"],
    )
    _check_path(f"{where}.path", rule.path, places)
    _check_patterns(f"{where}.patterns", rule)
    _check_rest(where, rule)
    return rule


def _check_path(name: str, path: str, places: Places) -> None:
    for guarded in places.sealed:
        if places.overlap(path, guarded):
            raise InputError(name, path, f"a folder that is not at, in or above {guarded}, which is protected")
    for root in places.roots:
        if places.covers(path, root):
            raise InputError(name, path, f"a folder below {root}, not itself or above it")
    if places.is_home(path):
        raise InputError(name, path, "a folder within a home or a volume, not the whole of it")


def _check_patterns(name: str, rule: CleanupRule) -> None:
    for pattern in rule.patterns:
        if not pattern or "/" in pattern:
            raise InputError(name, pattern, "shell patterns of file names, without a slash")
    if rule.age is None and (not rule.patterns or any(map(matches_everything, rule.patterns))):
        raise InputError(name, list(rule.patterns), "patterns that leave something out, or an age beside them")


def matches_everything(pattern: str) -> bool:
    """Return whether a shell pattern names no letter or digit that a file name must have, such as ``*`` or ``*.*``."""
    return re.search(r"\w", re.sub(r"\[.*?\]", "", pattern)) is None


def _check_rest(where: str, rule: CleanupRule) -> None:
    if rule.keep < 0:
        raise InputError(f"{where}.keep", rule.keep, "0 or more files that stay")
    if rule.empty_dirs and not (rule.recurse and rule.age):
        raise InputError(
            f"{where}.empty_dirs", True, "recurse and an age beside it: a young empty folder is about to be used"
        )


class CleanupOptions(NamedTuple):
    """What a run was asked for. Sizes are bytes.

    ``sealed`` are all paths that nothing may enter or delete, ``declared`` those of them that the operator named;
    ``roots`` are those of which no rule may cover the whole.
    """

    rules: tuple[CleanupRule, ...]
    sealed: tuple[str, ...]
    declared: tuple[str, ...]
    roots: tuple[str, ...]
    usage_roots: tuple[str, ...]
    budget: Optional[int]
    reclaimable_warning: int
    max_files: int
    max_entries: int
    scan_seconds: float
    state_dir: str


def read_options(params: Mapping[str, Any], places: Places) -> CleanupOptions:
    """Given the options of disk_cleanup and the places of the platform, return the options validated.

    Raise InputError for the first that is wrong.
    """
    protected = (*params["protected"], params["state_dir"])
    rules = read_rules(params["rules"], protected, params["install_dir"], places)
    drives = [rule.path for rule in rules]
    return CleanupOptions(
        rules=rules,
        sealed=(*on_drives(places.sealed, drives), *protected),
        declared=protected,
        roots=(*on_drives(places.roots, drives), *([params["install_dir"]] if params["install_dir"] else ())),
        usage_roots=tuple(places.absolute("usage_roots", path) for path in params["usage_roots"]),
        budget=None if params["free_bytes"] is None else parse_bytes("free_bytes", params["free_bytes"]),
        reclaimable_warning=parse_bytes("reclaimable_warning", params["reclaimable_warning"]),
        max_files=_positive(params, "max_files"),
        max_entries=_positive(params, "max_entries"),
        scan_seconds=params["scan_seconds"],
        state_dir=params["state_dir"],
    )


def _positive(params: Mapping[str, Any], name: str) -> int:
    if params[name] < 1:
        raise InputError(name, params[name], "1 or more")
    return int(params[name])
