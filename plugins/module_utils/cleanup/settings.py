# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a run, validated as a whole before anything is looked at or deleted. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from ..errors import InputError
from ..units import parse_bytes
from .places import Places, on_drives
from .records import Rule
from .rules import read_rules


@dataclass(frozen=True)
class Settings:
    """What a run was asked for. Sizes are bytes.

    ``sealed`` are all paths that nothing may enter or delete, ``declared`` those of them that the operator named;
    ``roots`` are those of which no rule may cover the whole.
    """

    rules: tuple[Rule, ...]
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


def read_settings(params: Mapping[str, Any], places: Places) -> Settings:
    """Given the options of disk_cleanup and the places of the platform, return the options validated.

    Raise InputError for the first that is wrong.
    """
    protected = (*params["protected"], params["state_dir"])
    rules = read_rules(params["rules"], protected, params["install_dir"], places)
    drives = [rule.path for rule in rules]
    return Settings(
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
