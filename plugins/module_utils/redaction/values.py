# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a value ends that stands after the name of a credential, in whatever way it was written down. Pure.

A line of a log may lose words, a secret may not lose a character: what could be more of the value is taken for it, up
to the end of the line. Every function looks at each character a bounded number of times.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Optional

MASK = "********"
LONGEST = 256  # characters of a word that are looked at
CLOSES, INNER, UNCLEAR = "closes", "inner", "unclear"
BRACKETS = 2_000  # of a structure; one that has more is a value to the end of its line

_QUOTE = re.compile(r"(?:[bBuUrRfFL]{1,2}|[@$])?(\\*)([\"'`])")
_ODD_QUOTE = re.compile(r"&(?:quot|apos|#34|#39|#x22|#x27);|\\+[ux](?:00)?2[27]", re.IGNORECASE)
_URL_QUOTE = re.compile(r"%(?:25)*2[27]", re.IGNORECASE)
_MASKED = re.compile(re.escape(MASK) + r"(?![^\s\"'`\\,;)\]}>&@<])")
_NOTHING = re.compile(r"(?:null|none|nil|true|false)(?![^\s,;)}\]\"'&<])", re.IGNORECASE)
_NUMBER = re.compile(r"-?[0-9][0-9.eE+-]*(?=\s{0,8}[,}\]])")
_WORD = re.compile(r"[^\s\\]*(?:\\.[^\s\\]*)*")  # of a shell: a blank after a backslash is part of it
_OF_URL = re.compile(r"[^\s\"<>&]*")
_MARK = re.compile(r"[\[({\])}\"'`]")
_REOPENED = ("'", "\"'\"'")  # how a quote within single quotes goes on: SQL and a shell
_ENDS, _MAY_END = ",;)]}>&|", ".:!?"


class Quote(NamedTuple):
    """A quote that is open: its mark, and how many backslashes stand before it (more for each text within a text)."""

    slashes: int
    mark: str


class Setting(NamedTuple):
    """How a value stands in its line, which ends at ``eol``.

    ``within`` is a quote that was opened before the name, ``url`` whether it is of a query, ``spaced`` whether words
    may follow that belong to it, ``listed`` whether the name is an item of a list, ``json`` whether the name is quoted,
    and ``element`` the XML element that it is the content of.
    """

    eol: int
    within: Optional[Quote] = None
    url: bool = False
    spaced: bool = False
    listed: bool = False
    json: bool = False
    element: str = ""


class Value(NamedTuple):
    """What is to be masked: from ``begin`` to ``end``; nothing where they are the same."""

    begin: int
    end: int


def value_at(text: str, at: int, setting: Setting) -> Value:
    """Given text and where a value begins, return what of it is to be masked."""
    for plain in (_MASKED, _NOTHING):
        found = plain.match(text, at, setting.eol)
        if found:
            return Value(found.end(), found.end())
    if setting.listed:
        return Value(at, structure_end(text, at, setting.eol, depth=1))
    if setting.element:
        close = text.find(setting.element, at, setting.eol)
        return Value(at, close if close >= 0 else setting.eol)
    if _ODD_QUOTE.match(text, at, setting.eol):
        return Value(at, setting.eol)
    quoted = None if setting.within else _quoted(text, at, setting.eol)
    return quoted or Value(at, _end(text, at, setting))


def _end(text: str, at: int, setting: Setting) -> int:
    """Return where a value ends that has no quote of its own."""
    if _URL_QUOTE.match(text, at) or setting.url:
        return _match_end(_OF_URL, text, at, setting.eol)
    if setting.within:
        return _close(text, at, setting.eol, setting.within)[0]
    if text[at : at + 1] in ("[", "{", "("):
        return _joined(text, structure_end(text, at, setting.eol), setting.eol)
    number = _NUMBER.match(text, at, setting.eol) if setting.json else None
    if number:
        return number.end()
    end = setting.eol if setting.spaced else _match_end(_WORD, text, at, setting.eol)
    return setting.eol if text[end - 1] in ":=" else end  # another name, whose value comes after the blank


def opened(text: str, at: int) -> Optional[Quote]:
    """Given where something begins, return the quote that stands right before it."""
    if not at or text[at - 1] not in "\"'`":
        return None
    return Quote(_slashes(text, at - 1), text[at - 1])


def is_quote(text: str, at: int) -> bool:
    """Return whether a text in quotes begins here."""
    return _QUOTE.match(text, at) is not None


def word_at(text: str, at: int, eol: int) -> str:
    """Return the word that begins here, up to a blank, or as much of it as tells what kind it is."""
    return text[at : _match_end(_WORD, text, at, min(eol, at + LONGEST))]


def _quoted(text: str, at: int, eol: int) -> Optional[Value]:
    """Return the content of the quotes that begin here, or None."""
    found = _QUOTE.match(text, at, eol)
    if not found:
        return None
    masked = _MASKED.match(text, found.end(), eol)
    if masked:
        return Value(masked.end(), masked.end())
    end, empty = _close(text, found.end(), eol, Quote(len(found[1]), found[2]))
    if empty or text[found.end() : end] == "?":  # the place of a value in a query
        return Value(end, end)
    return Value(found.end(), end)


def _close(text: str, at: int, eol: int, quote: Quote) -> tuple[int, bool]:
    """Return where what stands in an open quote ends, and whether that is nothing.

    What follows the closing quote without a blank belongs to it, as a shell, SQL and CSV write a quote within quotes.
    """
    close = _closing(text, at, eol, quote)
    if close is None:
        return eol, False
    after = close + quote.slashes + 1
    outer = text[after : after + 1] in ("'", '"', "`") and text[after : after + 1] != quote.mark
    if _is_over(text, after, eol) or (outer and _is_over(text, after + 1, eol)):
        return close, close == at
    end = _joined(text, after, eol)
    tail = quote.slashes + 1
    is_closed = end - tail > after and text[end - tail : end] == "\\" * quote.slashes + quote.mark
    return (end - tail if is_closed else end), False


def _closing(text: str, at: int, eol: int, quote: Quote) -> Optional[int]:
    """Return where the closing quote begins, its backslashes included; None where that cannot be told."""
    mark = text.find(quote.mark, at, eol)
    while mark >= 0:
        role = _role(quote, min(_slashes(text, mark), mark - at))
        if role == CLOSES:
            return mark - quote.slashes
        # a shell and SQL know no backslash in single quotes: this one may be the last character
        if role == UNCLEAR or (
            quote == (0, "'") and (_is_over(text, mark + 1, eol) or text.startswith(_REOPENED, mark + 1))
        ):
            return None
        mark = text.find(quote.mark, mark + 1, eol)
    return None


def _role(quote: Quote, slashes: int) -> str:
    """Given an open quote and how many backslashes stand before the next such mark, return what that is.

    A text within a text doubles each backslash and, where its own quotes are of this kind, adds one before each. So of
    the opening quote's backslashes the lowest bit tells how often they were only doubled, and where a mark of the value
    has to stand. Without any it may have been doubled or not.
    """
    if slashes == quote.slashes:
        return CLOSES
    level = 2 * (quote.slashes + (quote.slashes & -quote.slashes)) if quote.slashes else 2
    more = (slashes - quote.slashes) % level
    if slashes > quote.slashes and more == level // 2:
        return INNER
    return CLOSES if slashes > quote.slashes and quote.slashes and not more else UNCLEAR


def _is_over(text: str, at: int, eol: int) -> bool:
    """Return whether what stands before cannot go on here."""
    if at >= eol or text[at].isspace() or text[at] in _ENDS:
        return True
    return (text[at] in _MAY_END and (at + 1 >= eol or text[at + 1].isspace())) or text.startswith(("</", "&lt;"), at)


def _joined(text: str, at: int, eol: int) -> int:
    """Return where a word of a shell ends that goes on here, quotes in it included."""
    if _is_over(text, at, eol):
        return at
    while at < eol and not text[at].isspace():
        if text[at] in "\"'`":
            close = _closing(text, at + 1, eol, Quote(0, text[at]))
            at = eol if close is None else close + 1
        else:
            at += 2 if text[at] == "\\" else 1
    return min(at, eol)


def structure_end(text: str, at: int, eol: int, depth: int = 0) -> int:
    """Return where brackets end: the one that opens here, or the one around (``depth`` 1), which itself is kept."""
    kept = depth
    for _mark in range(BRACKETS):
        found = _MARK.search(text, at, eol)
        if not found:
            return eol
        mark, at = found[0], found.end()
        if mark in "\"'`":
            slashes = _slashes(text, found.start())
            close = _closing(text, at, eol, Quote(slashes, mark))
            if close is None:
                return eol
            at = close + slashes + 1
        else:
            depth += 1 if mark in "[({" else -1
            if depth <= 0:
                return found.start() if kept else at
    return eol


def _slashes(text: str, at: int) -> int:
    """Return how many backslashes stand right before."""
    begin = at
    while begin > 0 and text[begin - 1] == "\\":
        begin -= 1
    return at - begin


def _match_end(pattern: re.Pattern[str], text: str, at: int, eol: int) -> int:
    found = pattern.match(text, at, eol)
    return found.end() if found else at
