# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials that have a name: what stands after the name is masked, in whatever way both were written down. Pure.

A name is a word that tells of a secret with whatever stands around it (``BINANCE_API_SECRET``, ``X-MBX-APIKEY``), then
come a quote, escaped or not, a sign, and the value (values.py). Where no sign follows, a word is a value only where it
looks like none of a sentence: "password authentication failed" stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Optional

from .below import rest_below, value_below, value_of_pair
from .values import MASK, Quote, Setting, Value, is_quote, opened, value_at, word_at

REACH = 128  # characters of a name before its telling word
NAMES = 10_000  # of a text; looking at each takes 10 microseconds

TELLING = re.compile(
    r"passwor[dt]|passwd|kennwort|pass[ _-]?phrase|(?<![a-z])pass(?![a-z])|(?<![a-z])(?:db|user|my|root|admin|smtp)pass"
    r"(?![a-z])|(?-i:(?<=[a-z])Pass(?![a-z]))|pwd|secret|token|credential|(?<![a-z])creds|(?<![a-z])dsn(?![a-z])"
    r"|(?:api|private|access|auth|encryption|signing|master|session|listen|ssh)[ _-]?key|signature|authorization|cookie"
    r"|session[_-]?id|mnemonic|seed[ _-]?(?:phrase|words?|hex)"
    r"|(?:wallet|master|recovery)[ _-]?(?:seed|phrase|words?|codes?)"
    r"|webhook|(?<![a-z])(?:jwt|bearer|basic)(?![a-z])",
    re.IGNORECASE,
)
_TAIL = re.compile(r"[\w.-]*")
_NOUNS = r"(?:[ ](?:access|key|token|value|code|phrase|string|hash|text|header|id)s?\b){0,3}"
_SIGN = re.compile(
    rf"""(?P<close>\\*["'`]|&(?:quot|apos|\#34|\#39|\#x22|\#x27);|\\+[ux](?:00)?2[27]|%(?:25)*2[27])?\]?{_NOUNS}
    [ \t]{{0,8}}
    (?P<sign>=>|->|:=|={{1,3}}|:{{1,2}}|%(?:25)*3[ad]|\\+[ux](?:00)?3[ad]|&\#(?:61|58);|&gt;|>|,)
    (?P<after>[ \t]{{0,8}})""",
    re.IGNORECASE | re.VERBOSE,
)
_BLANK = re.compile(rf"(?:\\*[\"'`])?{_NOUNS}[ \t]{{1,8}}")
_LINK = re.compile(
    r"(?:(?:is|was|are|were|equals|has been|had been)[ ])?(?:set to|changed to|reset to|now)?[ ]?(?<=[ ])",
    re.IGNORECASE,
)
_NO_VALUE = re.compile(
    r"(?:a|about|absent|accepted|after|already|also|an|and|are|argument|as|asked|at|authentication|bad|be|because|been"
    r"|before|being|blank|but|by|can|cannot|change[ds]?|check|column|compromised|configured|correct|could|defined|denied"
    r"|deprecated|did|different|disabled|do|does|due|either|empty|enabled|encrypted|environment|error|expired|expires"
    r"|fail(?:s|ed|ure)?|field|file|for|from|generated|given|ha[ds]|hashed|have|header|if|ignored|in|incorrect|invalid|is"
    r"|it|its|key|length|locked|longer|lost|malformed|manager|mandatory|may|might|mismatch|missing|must|needed|needs"
    r"|neither|no|not|null|of|ok|old|on|only|option|optional|or|parameter|present|provided|read|rejected|required|reset"
    r"|revoked|sent|set|should|shorter|shown|still|stored|than|that|the|this|to|too|unavailable|undefined|unknown|unset"
    r"|unsupported|until|used|valid|validation|variable|verification|was|weak|were|when|which|while|will|with"
    r"|without|would|wrong|your)[.,:;!?)]{0,3}",
    re.IGNORECASE,
)
_PROSE = re.compile(r"[\"'(]?(?:[A-Za-z]?[a-z]+(?:['/-][a-z]+)*|[A-Z]{1,5}s?)[\"')]?[.,:;!?)]{0,3}")
_PATH = re.compile(r"[.]?/|[A-Za-z]:\\|[a-z][a-z0-9+.-]{0,20}://|[-<>=({\[|&]")
_FILE = re.compile(
    r"\.(?:pem|crt|p12|pfx|jks|json|txt|ya?ml|toml|ini|cfg|py|pyc|log|db|sock|service|sh|js|ts|go)\Z", re.I
)
_SPOKEN = re.compile(
    r"(?:error|exception|warning|fail(?:ed|ure)|expired|invalid|missing|required|denied|rejected|mismatch)s?\Z", re.I
)
_CAPTION = re.compile(r"(?:DETAIL|HINT|CONTEXT|STATEMENT|NOTICE|WARNING|CRITICAL):")  # of PostgreSQL, of a log
_CONSTRAINT = re.compile(r"_(?:p?key|fkey|idx|index|uniq(?:ue)?|check|excl|seq)[0-9]{0,3}\Z", re.I)
_WRONG = re.compile(r"(?:wrong|bad|invalid|incorrect|rejected|given|tried) \Z", re.I)
_IN_BRACKETS = re.compile(r"[ ]{1,2}\((?P<value>[^\s()\"']{4,128})\)")
_CALL = re.compile(r"\((?=[bBuU]?\\*[\"'])")
_FOR = re.compile(
    r"[ ](?:for|of)[ ](?:the[ ])?(?P<account>(?:user|account|login|role)[ ]|(?=[\"'`]))?"
    r"[\"'`]?[^\s:\"'`]{1,64}[\"'`]?:[ ]{1,8}"
)
_LINE_NUMBER = re.compile(r"[0-9]{1,6}(?![^\s:,)])")
_SHOUTED = re.compile(r"[A-Z0-9.-]*_[A-Z0-9_.-]+")
_CLOSING_TAG = re.compile(r"(?:<|&lt;)/(?:\w{1,30}:)?\Z")
_OF_QUERY = ("?", "&", "#", "%26", "%3f", "&amp;")
_WHOLE_LINE = re.compile(r"authorization|cookie", re.I)
# What only counts or measures a credential: ``tokens: 4096 used``.
_MEASURED = re.compile(
    r"(?:(?<![a-z])|(?-i:(?<=[a-z])(?=[A-Z])))(?:length|len|size|bytes|bits|count|total|used|left|limit|min|max|ttl|age"
    r"|lifetime|days|hours|minutes|seconds|secs|ms|timeout|interval|delay|attempts|retries|version|expiry|expires"
    r"|expiration|expires_?(?:in|at|on)|created_?at|updated_?at)\Z",
    re.I,
)
_MEASURE = re.compile(
    r"(?:\\*[\"'])?(?:-?[0-9]{1,12}(?:\.[0-9]{1,6})?[ ]?(?:ms|[smhdwy]|[kmg]i?b|%|bytes|bits|seconds"
    r"|minutes|hours|days|weeks"
    r"|months|years|characters)?|[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.]{5,15}(?:Z|[+-][0-9:]{4,5})?)?)"
    r"(?=[\s,;)}\]\"'&\\]|\.(?:\s|\Z)|\Z)",
    re.I,
)
_COUNT = re.compile(r"[0-9]{1,9}(?=[\s,;)}\]]|\Z)")
_ANSWER = re.compile(r"(?:YES|NO)\)")  # of MySQL: "using password: YES"
_TALLY = re.compile(r"[0-9]{1,3}(?=[\s,;)}\]]|\Z)|[0-9]{1,9}, (?:fail|skip|error|warn)", re.I)


class _Name:
    """A name of a credential in a text: where it begins and ends, and how it stands there."""

    def __init__(self, text: str, found: re.Match[str], since: int, eol: int) -> None:
        self.text, self.eol = text, eol
        begin = found.start()
        while begin > max(since, found.start() - REACH) and (text[begin - 1].isalnum() or text[begin - 1] in "_.-$"):
            begin -= 1
        tail = _TAIL.match(text, found.end())
        self.begin, self.end = begin, tail.end() if tail else found.end()
        self.rest = self.text[found.end() : self.end][-REACH:]
        self.word, self.run = found[0].lower(), text[begin : self.end]
        self.before = text[max(begin - 40, 0) : begin]
        self.quote = opened(text, begin)
        self.is_file = (self.before[-1:] == "/" and self.before[-2:] != "</") or _FILE.search(self.run) is not None

    def value(self) -> Optional[Value]:
        """Return the value that follows, or None where none does."""
        pair = value_of_pair(self.text, self.before, self.end)
        if pair:
            return pair
        sign = _SIGN.match(self.text, self.end, self.eol)
        if sign and self.word != "basic" and self._is_sign(sign):
            if _is_measure(self.text, sign.end(), self.eol, self.run):
                return None
            value = self._after_sign(sign)
            if value:
                return value
        return self._after_blank() or self._in_brackets()

    def _after_sign(self, sign: re.Match[str]) -> Optional[Value]:
        """Return the value after a sign, on its line or below, or None where nothing follows."""
        at, closed, setting = sign.end(), bool(sign["close"]), self._setting(sign)
        if sign["sign"] in (":", "=", "=>", ":="):
            below = value_below(self.text, self.begin, at, self.eol, closed=closed)
            if below and (sign["sign"] == ":" or at < self.eol):
                return below
        if at >= self.eol:
            return None
        value = value_at(self.text, at, setting)
        is_open = closed and self.text[at] in "[{(" and value.begin == at and value.end == self.eol
        return rest_below(self.text, self.begin, value) if is_open else value

    def _in_brackets(self) -> Optional[Value]:
        """Return the value in the brackets that follow: of "wrong password (VALUE)", or of Pydantic's secrets."""
        if self.run.lower() in ("secretstr", "secretbytes"):
            call = _CALL.match(self.text, self.end, self.eol)
            return self._plain(call.end()) if call else None
        found = _IN_BRACKETS.match(self.text, self.end, self.eol)
        if not found or not _WRONG.search(self.before) or not _is_odd(found["value"]):
            return None
        return None if _SHOUTED.fullmatch(found["value"]) else Value(*found.span("value"))

    def _is_sign(self, sign: re.Match[str]) -> bool:
        """Return whether a sign makes what follows a value."""
        mark, at = sign["sign"], sign.end()
        if mark == ",":
            ahead = self.before.rstrip("\"'`\\bBuUrR").rstrip()
            return bool(sign["close"] and self.quote) and ahead[-1:] in ("(", "[", "{", ":", "=", ",")
        if mark in (">", "&gt;"):
            return _CLOSING_TAG.search(self.before) is None and not self.is_file
        if mark[0] == ":" and self.is_file:
            prose = _PROSE.fullmatch(word_at(self.text, at, self.eol))
            return not (prose or _LINE_NUMBER.match(self.text, at) or self.text.startswith("[Errno", at))
        return mark[0] != ":" or not _SPOKEN.search(self.run)

    def _setting(self, sign: re.Match[str]) -> Setting:
        mark, closed = sign["sign"].lower(), bool(sign["close"])
        element = "</" if closed else f"</{self.run}"
        return Setting(
            self.eol,
            within=None if closed else self.quote,
            url=self.before.lower().endswith(_OF_QUERY) and mark[0] in "=%",
            spaced=bool(sign["after"] or _WHOLE_LINE.fullmatch(self.word)) or mark in (":=", "->", "=>"),
            listed=mark == ",",
            json=closed,
            element={">": element, "&gt;": element.replace("<", "&lt;")}.get(mark, ""),
        )

    def _after_blank(self) -> Optional[Value]:
        asked = _FOR.match(self.text, self.end, self.eol)
        if asked and (asked["account"] is not None or _is_odd(word_at(self.text, asked.end(), self.eol))):
            return self._unless_said(asked.end(), spaced=True)
        blank = _BLANK.match(self.text, self.end, self.eol)
        if not blank or blank.end() >= self.eol or self.is_file or (self.quote and _CONSTRAINT.search(self.rest)):
            return None
        at = blank.end()
        if self._is_tag():
            return value_at(self.text, at, Setting(self.eol, listed=True))._replace(end=self.eol)
        is_option = self.run.startswith("-") and not self.run.startswith("---")
        return self._plain(at) if is_option else self._spoken(at)

    def _spoken(self, at: int) -> Optional[Value]:
        """Return the value that a sentence tells, or None where it tells none."""
        link = _LINK.match(self.text, at, self.eol)
        if link and link.end() > at and self.word != "basic":
            return self._unless_said(link.end(), spaced=True)
        if is_quote(self.text, at):
            return None if self.before.lower().endswith("unexpected ") else self._plain(at)
        if _SHOUTED.fullmatch(self.run):
            return self._unless_said(at, spaced=False)
        return self._plain(at) if _is_odd(word_at(self.text, at, self.eol)) else None

    def _is_tag(self) -> bool:
        """Return whether this is an XML element with attributes, or the value of an attribute of one."""
        return self.before.endswith("<") or (
            self.quote is not None and "<" in self.before and self.before[-2:-1] == "="
        )

    def _unless_said(self, at: int, *, spaced: bool) -> Optional[Value]:
        """Return the value, or None where a word follows that says something about it."""
        if at >= self.eol or _NO_VALUE.fullmatch(word_at(self.text, at, self.eol)):
            return None
        return self._plain(at, spaced=spaced)

    def _plain(self, at: int, *, spaced: bool = False) -> Value:
        return value_at(self.text, at, Setting(self.eol, within=self._around(), spaced=spaced))

    def _around(self) -> Optional[Quote]:
        return None if self.text[self.end : self.end + 1] in ("'", '"', "`", "\\") else self.quote


def _is_odd(word: str) -> bool:
    """Return whether a word looks like none of a sentence."""
    return len(word) >= 4 and not _PROSE.fullmatch(word) and not _PATH.match(word) and not _CAPTION.fullmatch(word)


def without_named(text: str) -> str:
    """Given text, return it with what stands after the name of a credential masked."""
    parts, since = [], 0
    for value in _values(text):
        parts += [text[since : value.begin], MASK]
        since = value.end
    return "".join([*parts, text[since:]]) if parts else text


def _values(text: str) -> Iterator[Value]:
    """Yield what is to be masked; in a text of very many names, which is none for people, all that is left of it."""
    at, eol, since = 0, -1, 0
    for _name in range(NAMES):
        found = TELLING.search(text, at)
        if not found:
            return
        if found.start() > eol:
            eol = text.find("\n", found.start())
            eol = len(text) if eol < 0 else eol
        name = _Name(text, found, since, eol)
        value = name.value()
        if value and value.end > value.begin:
            yield value
        at = since = max(value.end if value else 0, name.end)
    yield Value(at, len(text))


def _is_measure(text: str, at: int, eol: int, run: str) -> bool:
    """Given a name, ``run``, and where what follows its sign begins, return whether that is no credential."""
    if run.lower() == "pass" and _TALLY.match(text, at, eol):
        return True
    if run.lower() == "password" and _ANSWER.match(text, at, eol):
        return True
    if run[-6:].lower() == "tokens" and _COUNT.match(text, at, eol):
        return True
    return bool(_MEASURED.search(run[-24:]) and _MEASURE.match(text, at, eol))
