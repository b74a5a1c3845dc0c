# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which known name was meant by one that is not known: only where a slip of the hand explains the difference. Pure."""

from __future__ import annotations

from collections.abc import Iterable

_SLIPS = 2  # letters that are added, left out, replaced, or swapped with their neighbour
_SHARE = 3  # and at most a third of the word
_LONGEST = 60  # letters of a name that anybody mistypes


def nearest(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Given a name, return that of the known ones that it is a misspelling of; empty where it is none.

    Case, hyphens and the ``prefix`` that all of them share say nothing: they are left out of the comparison.
    """
    written = _bare(name, prefix)
    slips = {each: _slips(written, _bare(each, prefix)) for each in known}
    near = [each for each in slips if _is_near(slips[each], written, _bare(each, prefix))]
    return min(near, key=lambda each: slips[each], default="")


def normal(name: str) -> str:
    """Return a name as this collection writes names: in small letters, with underscores."""
    return name.lower().replace("-", "_")


def _bare(name: str, prefix: str) -> str:
    text = normal(name)
    return text[len(prefix) :] if text.startswith(prefix) else text


def _is_near(slips: int, written: str, meant: str) -> bool:
    swapped = slips == 1 and sorted(written) == sorted(meant)
    longest = max(len(written), len(meant))
    return slips == 0 or swapped or (slips <= _SLIPS and slips * _SHARE <= longest)


def _slips(one: str, other: str) -> int:
    """Return the distance of Damerau between two words, or one that is too far where they cannot be near."""
    if abs(len(one) - len(other)) > _SLIPS or max(len(one), len(other)) > _LONGEST:
        return _SLIPS + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        older, before, row = before, row, [at]
        for to, wanted in enumerate(other, 1):
            fewest = min(before[to] + 1, row[-1] + 1, before[to - 1] + (letter != wanted))
            if at > 1 and to > 1 and letter == other[to - 2] and one[at - 2] == wanted:
                fewest = min(fewest, older[to - 2] + 1)
            row.append(fewest)
    return row[-1]
