# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether an answer came through the seam: what is there is looked at, and no word that says so is believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from ansible_collections.cryptobot.maintenance.plugins.module_utils.redact import is_plain, redact
from ansible_collections.cryptobot.maintenance.plugins.module_utils.seam import (
    DEPTH,
    KEYS,
    MESSAGE,
    ROUNDS,
    SHORT,
    TOTAL,
    safe,
)

_WORDS, _SENTENCES = frozenset(KEYS.pattern.split("|")), frozenset(SHORT)
_LARGE = 1e18  # between it and its negative a number has less than 30 digits, and is one


def is_sealed(answer: Mapping[str, Any], clean: Optional[set[str]] = None) -> bool:
    """Return whether sealing an answer without secrets would change nothing: what came through here once, mostly.

    It looks at the same things in a tenth of the time, for those who read the answers of a thousand hosts. ``clean``
    are sentences without secrets, and grows: hosts that are well say the same. May return False where nothing would
    change; True never where something would.
    """
    known = set() if clean is None else clean
    return answer.__class__ is dict and "cut" not in answer and _weight(answer, 0, known) <= TOTAL


def _weight(value: Any, depth: int, clean: set[str]) -> int:
    """Given a dict or list, return how many characters it has as JSON at most, or more than TOTAL if it is not sealed.

    Every character of a text may be one that JSON writes as two escapes of six.
    """
    if depth >= DEPTH or len(value) > ROUNDS[0].items:
        return TOTAL + 1
    weight, members = 2, value
    if value.__class__ is dict:
        weight += 30 * len(value) + (0 if value.keys() <= _WORDS else _weight_of_names(list(value), depth))
        if not (_SENTENCES.isdisjoint(value) or _is_clean(value, clean)):
            return TOTAL + 1
        members = value.values()
    for each in members:
        kind = type(each)
        if kind is str and len(each) <= MESSAGE and (each.isprintable() or safe(each) == each):
            weight += 12 * len(each) + 4
        elif kind is dict or kind is list:
            weight += _weight(each, depth + 1, clean)
        elif each is None or kind is bool or (kind in (int, float) and -_LARGE < each < _LARGE):
            weight += 30
        else:
            return TOTAL + 1
    return weight


def _weight_of_names(names: list[Any], depth: int) -> int:
    """The same for the names of a mapping. What is behind the last dot of a path tells where a sentence stands."""
    are_plain = all(name.__class__ is str and "." not in name for name in names)
    return _weight(names, depth, set()) if are_plain else TOTAL + 1


def _is_clean(value: Mapping[str, Any], clean: set[str]) -> bool:
    """Return whether no sentence of a mapping holds what looks like a secret."""
    for name in SHORT:
        text = value.get(name)
        if text.__class__ is str and text not in clean:
            if not is_plain(text) and redact(text) != text:
                return False
            clean.add(text)
    return True
