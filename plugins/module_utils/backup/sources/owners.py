# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose things are, by name and by number. Another host gives the same account another number, so what a set holds is
given back to who is called so there, and only where nobody is to the number.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

try:
    import grp
    import pwd
except ImportError:  # Windows has neither numbers nor these lists
    HAS_NAMES = False
else:
    HAS_NAMES = True


def owner_facts(status: os.stat_result) -> dict[str, Any]:
    """Given the status of a file, return the facts of a source that say whose it is."""
    facts: dict[str, Any] = {"uid": status.st_uid, "gid": status.st_gid}
    if HAS_NAMES:
        facts.update(owner=_name(pwd.getpwuid, status.st_uid), group=_name(grp.getgrgid, status.st_gid))
    return facts


def numbers_of(facts: Mapping[str, Any]) -> tuple[int, int]:
    """Given such facts, return the numbers that they mean on this host."""
    uid, gid = int(facts["uid"]), int(facts["gid"])
    if not HAS_NAMES:
        return uid, gid
    return _number(lambda name: pwd.getpwnam(name).pw_uid, facts.get("owner"), uid), _number(
        lambda name: grp.getgrnam(name).gr_gid, facts.get("group"), gid
    )


def names_of(numbers: Iterable[tuple[int, int]]) -> dict[str, dict[str, str]]:
    """Given the accounts and groups of many files, return their names by their numbers; without those that have none.

    The keys are texts, as JSON has them.
    """
    pairs = sorted(set(numbers))
    if not HAS_NAMES:
        return {}
    accounts = {str(uid): _name(pwd.getpwuid, uid) for uid, _gid in pairs}
    groups = {str(gid): _name(grp.getgrgid, gid) for _uid, gid in pairs}
    return {
        "accounts": {number: name for number, name in accounts.items() if name},
        "groups": {number: name for number, name in groups.items() if name},
    }


def _name(ask: Callable[[int], Any], number: int) -> str:
    try:
        return str(ask(number)[0])
    except (KeyError, OverflowError):
        return ""


def _number(ask: Callable[[str], int], name: object, number: int) -> int:
    try:
        return ask(name) if isinstance(name, str) and name else number
    except (KeyError, ValueError, UnicodeError):
        return number
