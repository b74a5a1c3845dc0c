# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of a credential that stand on the lines below its name, of YAML and of JSON for people. Pure.

Every line is looked at once: what was found to be below a name is masked as a whole.
"""

from __future__ import annotations

import re
from typing import Optional

from .values import MASK, Setting, Value, is_quote, value_at

FIRST = 200  # characters before a name that are looked at to tell whether it is the first of its line

_SCALAR = re.compile(r"(?:[!&]\S{0,64}[ \t]{1,4}){0,2}[|>][+-]?[0-9]?[+-]?[ \t]{0,8}(?:#[^\n]{0,200})?\r?\Z")
_OPENS = re.compile(r"[\[{(]{1,3}[ \t]{0,8}\r?\Z")
_NOTHING = re.compile(r"(?:[!&]\S{0,64})?[ \t]{0,8}\r?\Z")
_BEFORE = re.compile(r"(?P<indent>[ \t]*(?:-[ \t]+)*)[{\[(,]?[ \t]*(?:\\*[\"'])?\Z")
_LINE = re.compile(r"\n(?P<indent>[ \t]*)(?P<words>[^\n]*)")
_OF_NAME = re.compile(
    r"(?<![\w.])(?:name|key|variable)(?:\\*[\"'])?[ \t]{0,4}[:=][ \t]{0,4}(?:\\*[\"'])?\Z", re.IGNORECASE
)
_VALUE = re.compile(
    r"(?:(?:\\*[\"'])?,?[ \t]{0,8}(?:\r?\n|\\+n)\s{0,200}|,[ ]{1,4})(?P<key>(?:\\*[\"'])?value(?P<close>\\*[\"'])?)"
    r"[ \t]{0,8}[:=][ \t]{0,8}",
    re.IGNORECASE,
)


def value_below(text: str, begin: int, at: int, eol: int, *, closed: bool) -> Optional[Value]:
    """Given where a name begins, where its sign ends, and the end of the line, return the value on the lines below.

    ``closed`` says whether the name stands in quotes. None where the value stands on the line of its name.
    """
    follows = _SCALAR.match(text, at, eol) or _OPENS.match(text, at, eol)
    if not follows and not _NOTHING.match(text, at, eol):
        return None
    line = text.rfind("\n", max(begin - FIRST, 0), begin) + 1 or max(begin - FIRST, 0)
    first = _BEFORE.match(text, line, begin)
    if not follows and not first:
        return None
    if not follows and closed:
        after = _LINE.match(text, eol)
        if after and is_quote(text, after.start("words")):
            return value_at(text, after.start("words"), Setting(after.end(), json=True))
    return _block(text, eol, len(first["indent"]) if first else _indent(text, line))


def rest_below(text: str, begin: int, value: Value) -> Value:
    """Given a structure that does not end on its line, return it with the lines below that are deeper than its name."""
    line = text.rfind("\n", max(begin - FIRST, 0), begin) + 1 or max(begin - FIRST, 0)
    block = _block(text, value.end, _indent(text, line))
    return Value(value.begin, block.end) if block else value


def value_of_pair(text: str, before: str, at: int) -> Optional[Value]:
    """Given what stands before a name of a credential, and where it ends, return the value of ``name: X``, ``value: Y``
    on two lines, or None.
    """
    found = _VALUE.match(text, at)
    if not found or not _OF_NAME.search(before):
        return None
    eol = text.find("\n", found.end())
    eol = len(text) if eol < 0 else eol
    below = value_below(text, found.start("key"), found.end(), eol, closed=bool(found["close"]))
    return below or value_at(text, found.end(), Setting(eol, spaced=True, json=bool(found["close"])))


def _indent(text: str, line: int) -> int:
    found = re.compile(r"[ \t]*").match(text, line)
    return len(found[0]) if found else 0


def _block(text: str, eol: int, indent: int) -> Optional[Value]:
    """Return the lines that are deeper than an indent, or items of a list at it, or None where there are none."""
    begin = end = at = eol
    found = _LINE.match(text, at)
    while found:
        words = found["words"].strip()
        item = len(found["indent"]) == indent and words.startswith("- ")
        if words and len(found["indent"]) <= indent and not item:
            break
        if words:
            begin = found.start("words") if begin == eol else begin
            end = found.end()
        at = found.end()
        found = _LINE.match(text, at)
    return None if end == eol else Value(end if text[begin:end] == MASK else begin, end)
