# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Numbers behind the name of a credential that only count or measure it, as in ``tokens: 4096 used``. Pure."""

from __future__ import annotations

import re

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


def is_measure(text: str, at: int, eol: int, run: str) -> bool:
    """Given a name, ``run``, and where what follows its sign begins, return whether that is no credential."""
    if run.lower() == "pass" and _TALLY.match(text, at, eol):
        return True
    if run.lower() == "password" and _ANSWER.match(text, at, eol):
        return True
    if run[-6:].lower() == "tokens" and _COUNT.match(text, at, eol):
        return True
    return bool(_MEASURED.search(run[-24:]) and _MEASURE.match(text, at, eol))
