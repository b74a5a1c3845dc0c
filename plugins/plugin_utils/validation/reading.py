# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps the variables of a host from being looked at: a file that Ansible cannot read, a value without an end."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Optional

from ansible.errors import AnsibleError

from ansible_collections.cryptobot.maintenance.plugins.module_utils.mistakes import Mistake, bounded
from ansible_collections.cryptobot.maintenance.plugins.module_utils.printable import printable

from .names import is_own
from .variables import Said

RawOf = Callable[[str], Mapping[str, Any]]
ENDLESS = "contains itself: an anchor (&) is used (*) within its own value"


def readable(hosts: Iterable[str], raw_of: RawOf) -> tuple[dict[str, Mapping[str, Any]], dict[Said, list[str]]]:
    """Given hosts and what tells a host's variables as they are written, return them, and why those of others cannot be
    read, with the hosts.
    """
    found: dict[str, Mapping[str, Any]] = {}
    why: dict[Said, list[str]] = {}
    for host in hosts:
        try:
            found[host] = raw_of(host)
        except (AnsibleError, RecursionError) as error:
            reason = bounded(" ".join(str(error).split()), 160)
            mistake = Mistake(_file_of(error) or "its variables", "", f"Ansible cannot read it: {reason}")
            why.setdefault(Said(mistake, counts=True), []).append(host)
    return found, why


def _file_of(error: Optional[BaseException]) -> str:
    """Return the file that was being read when an error came up; empty where that cannot be told.

    Ansible's message names it for most errors of YAML and not for those of a value, such as a day that does not exist.
    """
    while error is not None:
        for frame, _line in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_name == "load_from_file":
                return printable(str(frame.f_locals.get("file_name") or ""))
        error = error.__cause__ or error.__context__
    return ""


def without_endless(raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[Said]]:
    """Given the variables of a host, return those that have an end, and a mistake for each of ours that has none."""
    endless = {name for name in raw if is_own(name) and is_endless(raw[name])}
    said = [Said(Mistake(name, "", ENDLESS), counts=True) for name in sorted(endless)]
    return {name: raw[name] for name in raw if name not in endless}, said


def is_endless(value: Any) -> bool:
    """Return whether a value contains itself, as an anchor of YAML within its own value makes it."""
    waiting, above, done = [(value, False)], set(), set()
    while waiting:
        each, leaving = waiting.pop()
        if leaving:
            above.discard(id(each))
            done.add(id(each))
        elif id(each) in above:
            return True
        elif id(each) not in done and isinstance(each, (Mapping, list, tuple)):
            above.add(id(each))
            waiting.append((each, True))
            waiting += [(one, False) for one in (each.values() if isinstance(each, Mapping) else each)]
    return False
