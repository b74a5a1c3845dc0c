# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials that no name stands before, but that are told by the form around them. Pure.

Options of commands (``mysql -pVALUE``), statements of SQL and their parameters, lines of a .pgpass, users of a URL that
are tokens, keys of a query, codes of one use. A rule is asked only about a text that has one of its words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from .named import TELLING
from .values import MASK, Setting, Value, opened, structure_end, value_at

STATEMENT = 4_000  # characters before the parameters of a statement that are looked at for its columns
ROW = 500  # the same before a row that PostgreSQL refused
DATABASE_PORT = r"(?:543\d|643\d|\*)"

_ANY = re.IGNORECASE
_COMMAND = re.compile(
    r"(?<![\w.-])(?:(?P<mysql>mysql\w{0,20}|mariadb(?:-\w{1,20})?)|(?P<redis>(?:redis|valkey)-cli)"
    r"|(?P<other>sshpass|mongo\w{0,12}|docker[ ]login))(?![\w.-])"
)
_BEFORE_VALUE = r"(?:\\*[\"'],?)?[ \t=]{0,8}(?:\\*[\"'])?"
_OPTIONS = {
    "mysql": re.compile(r"(?<![\w-])-p"),
    "redis": re.compile(rf"(?<![\w-])-a{_BEFORE_VALUE}"),
    "other": re.compile(rf"(?<![\w-])-p{_BEFORE_VALUE}"),
}
_IDENTIFIED = re.compile(
    r"(?<!is )(?<!are )(?<!was )(?<!be )\bidentified\s{1,4}(?:with\s{1,4}\S{1,64}\s{1,4})?(?:by|as|using)"
    r"\s{1,4}(?:password\s{1,4})?(?=\\*[\"'])",
    _ANY,
)
_INSERT = re.compile(
    r"\b(?:insert|replace)\s{1,8}(?:or\s{1,8}\w{1,10}\s{1,8}|ignore\s{1,8})?into\s{1,8}"
    r"(?P<columns>[^()\n]{1,200}\([^()]{1,4000}\))(?:\s|\\[nt]){0,80}(?:overriding\s\w{1,10}\svalue\s{1,8})?"
    r"values(?:\s|\\[nt]){0,80}\(",
    _ANY,
)
_NEXT_ROW = re.compile(r"\)(?:\s|\\[nt]){0,80},(?:\s|\\[nt]){0,80}\(")
_PLACE = r"(?:\$[0-9]{1,5}|\?|%s|%\(\w{1,64}\)s|:\w{1,64}|default|null)(?:::[\w ]{1,40})?"
_PLACES = re.compile(rf"\s*(?:{_PLACE}\s*,\s*)*{_PLACE}\s*", _ANY)
_PARAMETERS = re.compile(
    r"\[parameters: |\[(?:generated in|cached since|no key|raw sql|dialect)[^\]\n]{0,60}\] (?=[({\[])"
)
_STATEMENT = re.compile(
    r"\[SQL: |(?:^|Engine |\bSTATEMENT: |\bexecute )[ \t]{0,20}(?:insert|update|select|delete|with|merge)\b",
    _ANY | re.M,
)
_KEY = re.compile(r"\bKey \((?P<columns>[^\n]{1,300}?)\)=\(")
_OF_KEY = re.compile(r"\) (?:already exists|is not present|is still referenced|conflicts with|is duplicated)")
_ROW = re.compile(r"\bFailing row contains \(")
_USER_OF_URL = re.compile(r"(?<=://)[\w.~%+-]{12,255}(?=@[\w\[])")
_OF_QUERY = re.compile(r"(?:[?&]|&amp;|%26|%3f|\\u0026)(?:key|sig|sign|auth)(?:=|%3d)(?P<value>[^\s\"'<>&\\]+)", _ANY)
_PGPASS = re.compile(
    rf"(?<![\w.:*/-])(?:[\w.-]{{1,255}}|\*):{DATABASE_PORT}:[\w.*-]{{1,64}}:[\w.*-]{{1,64}}:(?P<value>[^\n]+)"
)
_CODE = re.compile(
    r"(?<![a-z0-9])(?:t?otp|pin|2fa|mfa)(?:[_ -]?code)?(?:\\*[\"'])?[ \t]{0,4}[=:][ \t]{0,4}(?:\\*[\"'])?"
    r"(?P<value>[0-9]{4,10}(?![\w.-])|(?=[a-z]{0,64}[0-9])[a-z0-9]{8,64}(?![\w.-]))",
    _ANY,
)


def without_unnamed(text: str) -> str:
    """Given text, return it without the credentials that are told by the form around them."""
    lowered = text.lower()
    for words, rule in _RULES:
        if any(word in lowered for word in words):
            text = _masked(text, rule(text))
    return text


def _masked(text: str, values: Iterable[Value]) -> str:
    parts, since = [], 0
    for value in values:
        if value.end > value.begin >= since and not text.startswith(MASK, value.begin):
            parts += [text[since : value.begin], MASK]
            since = value.end
    return "".join([*parts, text[since:]]) if parts else text


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _options(text: str) -> Iterator[Value]:
    """Yield the passwords among the options of commands: the first of each command, the next may be its command's."""
    since = dict.fromkeys(_OPTIONS, 0)
    for command in _COMMAND.finditer(text):
        kind = command.lastgroup or ""
        if command.start() < since[kind]:
            continue
        eol = _line_end(text, command.end())
        option = _OPTIONS[kind].search(text, command.end(), eol)
        value = _of_option(text, option, eol, joined=kind == "mysql") if option else Value(eol, eol)
        since[kind] = value.end
        yield value


def _of_option(text: str, option: re.Match[str], eol: int, *, joined: bool) -> Value:
    at = option.end()
    quote = opened(text, option.start() if joined else at)
    close = "\\" * quote.slashes + quote.mark if quote else (" ", ",", ";", ")", "]")
    if joined and (at >= eol or text.startswith(close, at)):
        return Value(at, at)
    return value_at(text, at, Setting(eol, within=quote))


def _identified(text: str) -> Iterator[Value]:
    for found in _IDENTIFIED.finditer(text):
        yield value_at(text, found.end(), Setting(_line_end(text, found.end())))


def _rows(text: str) -> Iterator[Value]:
    """Yield the rows that are inserted into a table that has a column, or a name, of a credential."""
    since = 0
    for found in _INSERT.finditer(text):
        row = found if found.start() >= since and TELLING.search(found["columns"]) else None
        while row:
            at = row.end()
            since = structure_end(text, at, len(text), depth=1)
            if not _PLACES.fullmatch(text, at, since):
                yield Value(at, since)
            row = _NEXT_ROW.match(text, since)


def _parameters(text: str) -> Iterator[Value]:
    """Yield the parameters of statements that name a credential, as SQLAlchemy shows them below a statement."""
    since = 0
    for found in _PARAMETERS.finditer(text):
        at = found.end()
        if found.start() < since:
            continue
        end = structure_end(text, at, _line_end(text, at), depth=int(found[0].startswith("[p")))
        listed = text[at : at + 1] != "{" and TELLING.search(text, at, end)
        if listed or TELLING.search(_statement(text, max(since, found.start() - STATEMENT), found.start())):
            yield Value(at, end)
        since = end


def _statement(text: str, since: int, at: int) -> str:
    """Return the last statement that begins between two places, or else the line before the second."""
    begins = [found.start() for found in _STATEMENT.finditer(text, since, at)]
    return text[begins[-1] if begins else max(since, text.rfind("\n", since, at)) : at]


def _refused(text: str) -> Iterator[Value]:
    """Yield the values of a key that PostgreSQL refused, where one of its columns is a credential."""
    since = 0
    for found in _KEY.finditer(text):
        if found.start() >= since and TELLING.search(found["columns"]):
            since = _line_end(text, found.end())
            close = _OF_KEY.search(text, found.end(), since)
            since = close.start() if close else since
            yield Value(found.end(), since)


def _failing(text: str) -> Iterator[Value]:
    """Yield the rows that PostgreSQL refused, where what it said before names a credential."""
    since = 0
    for found in _ROW.finditer(text):
        if found.start() < since:
            continue
        is_named = TELLING.search(text, max(since, found.start() - ROW), found.start())
        since = found.end()
        if is_named:
            since = _line_end(text, found.end())
            end = since - 2 if text.startswith(").", since - 2) else since
            yield Value(found.end(), end)


def _users(text: str) -> Iterator[Value]:
    for found in _USER_OF_URL.finditer(text):
        user = found[0]
        mixed = user.lower() != user != user.upper()
        if (len(user) >= 20 or mixed) and any(each.isdigit() for each in user) and not user.isdigit():
            yield Value(*found.span())


def _of(pattern: re.Pattern[str]) -> Callable[[str], Iterator[Value]]:
    return lambda text: (Value(*found.span("value")) for found in pattern.finditer(text))


Rule = Callable[[str], Iterator[Value]]
_RULES: tuple[tuple[tuple[str, ...], Rule], ...] = (
    (("[parameters: ", "[generated in", "[cached since", "[no key", "[raw sql", "[dialect"), _parameters),
    (("into",), _rows),
    (("key (",), _refused),
    (("failing row",), _failing),
    (("mysql", "mariadb", "-cli", "sshpass", "mongo", "docker login"), _options),
    (("identified",), _identified),
    (("://",), _users),
    (("key=", "key%3d", "sig=", "sig%3d", "sign=", "sign%3d", "auth=", "auth%3d"), _of(_OF_QUERY)),
    ((":543", ":643", ":*:"), _of(_PGPASS)),
    (("otp", "pin", "2fa", "mfa"), _of(_CODE)),
)
