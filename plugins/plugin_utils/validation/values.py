# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values of a host's variables, their templates resolved; what cannot be resolved is said once, at its root."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.cryptobot.maintenance.plugins.module_utils.mistakes import Mistake, bounded

from .names import KNOWN, PLAIN, is_null, is_own
from .variables import Said, plain_mistakes, texts

Render = Callable[[str, Mapping[str, Any]], Any]  # returns the value of the variable of that name, or raises


def resolve(
    given: Mapping[str, Any], defaults: Mapping[str, Any], platform: str, render: Render
) -> tuple[dict[str, Any], list[Said]]:
    """Given the variables as they are written, and the defaults, return the values of those that are this
    collection's, and what is wrong with their templates.

    The default stands for what is wrong, so that what is made of it is no mistake of another variable.
    """
    variables = {**defaults, **given}
    values: dict[str, Any] = {}
    failed: dict[str, str] = {}
    for name in sorted(filter(is_own, variables), key=lambda name: (name not in PLAIN, name)):
        try:
            values[name] = render(name, variables)
            wrong = name in PLAIN and any(plain_mistakes({name: values[name]}, platform))
            sound = not wrong and not is_null(name, values)
        except (AnsibleError, RecursionError) as error:
            failed[name] = bounded(" ".join(str(error).split()), 120)
            sound = False
        if not sound and name in defaults:
            variables[name] = defaults[name]
            values.setdefault(name, render(name, variables))
    return values, list(_said(failed, given))


def _said(failed: Mapping[str, str], given: Mapping[str, Any]) -> Iterator[Said]:
    """Given why templates failed, yield a mistake for each reason, at the variables that all others are made of."""
    matter = [name for name in failed if name in KNOWN or _users(name, failed, given)]
    roots = [name for name in matter if not _uses(name, failed, given)] or matter[:1]
    reasons: dict[str, list[str]] = {}
    for name in roots:
        reasons.setdefault(failed[name], []).append(name)
    for reason, (first, *others) in reasons.items():
        also = f" (so does that of {', '.join(others)})" if others else ""
        yield Said(Mistake(first, "", f"its template fails: {reason}{also}"), counts=True)


def _users(name: str, names: Iterable[str], given: Mapping[str, Any]) -> list[str]:
    return [other for other in names if name in _uses(other, [name], given)]


def _uses(name: str, names: Iterable[str], given: Mapping[str, Any]) -> list[str]:
    """Return which of some names the template of a variable speaks of, itself aside."""
    words = {word for text in texts(given.get(name)) for word in re.findall(r"\w+", text)}
    return [other for other in names if other != name and other in words]
