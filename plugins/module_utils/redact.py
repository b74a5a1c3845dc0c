# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking secrets out of text before it leaves the host: excerpts of logs, command lines, queries, configuration."""

from __future__ import annotations

import re

MASK = "********"
_NAMES = r"pass(?:word|wd|phrase)?|secret(?:[_-]?key)?|token|api[_-]?key|private[_-]?key|authorization|credential|dsn"

# Each pattern keeps its first group and masks what follows it.
_PATTERNS = (
    # name=value, name: value, "name": "value", --name value; the name may carry a prefix such as BINANCE_API_SECRET
    re.compile(rf"(?i)((?:[\w-]*(?:{_NAMES})[\w-]*)[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&}}]+"),
    re.compile(rf"(?i)(--[\w-]*(?:{_NAMES})[\w-]*\s+)\S+"),
    re.compile(r"(?i)(\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"([a-z][a-z0-9+.-]*://[^/\s:@]*:)[^/\s@]+(?=@)"),  # user:password@ in a URL
    re.compile(r"(\bak_)[0-9a-f]{8,}\w*"),  # the application's own API key form
)


def redact(text: str) -> str:
    """Given text, return it with the values of whatever looks like a credential masked."""
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return text
