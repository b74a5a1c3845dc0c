# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking secrets out of text before it leaves the host: excerpts of logs, command lines, queries, configuration."""

from __future__ import annotations

import re

MASK = "********"
_NAMES = (
    r"(?:passw(?:or)?d|passphrase|(?<![a-z])pass(?![a-z])|pwd|secret|token|api[_-]?key|private[_-]?key|credential|dsn)"
)
# name=value, name: value, "name": "value"; also as JSON within a JSON string, where each quote has a backslash.
# Every repetition is bounded, so that a hostile line costs no more than its length suggests.
_NAMED = rf"(?:{_NAMES}[\w-]{{0,64}}|authorization)(?:\\?[\"'])?\s{{0,8}}[=:]\s{{0,8}}"
_SCHEME = r"(?:(?:basic|bearer|digest|negotiate|token|apikey)\s{1,8})?"

# Each pattern keeps its first group and masks the rest of what it matches.
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----)(?s:.)*?(?=-----END|\Z)",
        rf"({_NAMED}\\\")[^\"\\\n]*",
        rf"({_NAMED}\")(?:[^\"\\\n]|\\.)*",
        rf"({_NAMED}')(?:[^'\\\n]|\\.)*",
        rf"({_NAMED}){_SCHEME}[^\s\"',;&}}]+",
        rf"((?<![\w-])--[\w-]{{0,40}}?{_NAMES}[\w-]{{0,40}}\s{{1,8}})\S+",
        r"(\b(?:bearer|basic)\s{1,8})(?=[a-z._~+/=-]*[0-9])[a-z0-9._~+/=-]{8,}",  # a token has a digit, a word has none
        r"([a-z][a-z0-9+.-]{0,30}://[^/\s:@]{0,128}:)(?![0-9]{1,5}/)[^\s\"']{1,256}(?=@)",  # user:password@ in a URL
        r"(\b)eyJ[\w-]{5,2048}\.[\w-]{5,2048}(?:\.[\w-]*)?",  # a JSON Web Token
        r"(\bak_)[0-9a-f]{8,}\w*",  # the application's own API key form
        r"(\btoken for \S{1,254}: {0,8})\S+",  # and how it prints a token to reset a password
    )
)


def redact(text: str) -> str:
    """Given text, return it with the values of whatever looks like a credential masked."""
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return text
