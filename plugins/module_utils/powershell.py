# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking a Windows host by PowerShell: several queries in one powershell.exe, because starting one is what costs.

What is asked goes by stdin and what comes back is ASCII JSON, so that neither a code page nor the length of a command
line matters. Everything here runs in Windows PowerShell 5.1, which every supported Windows has.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from .errors import ParseError, SourceDenied, SourceMissing, ToolMissing
from .host import Host

# The script arrives as the lines of $input: that works with every version, [Console]::In only with some.
_READ = "& ([scriptblock]::Create([Text.Encoding]::UTF8.GetString([Convert]::FromBase64String(-join @($input)))))"
ARGV = ("powershell.exe", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "RemoteSigned", "-Command", _READ)

# The cmdlets of networks, disks and tasks are functions of modules (CDXML): they do not see the preferences of this
# script's scope, only the global ones, and a refusal that does not stop them looks like an empty answer.
_BEGIN = """
$ErrorActionPreference = $global:ErrorActionPreference = 'Stop'
$global:PSDefaultParameterValues = @{ '*:ErrorAction' = 'Stop' }
$ProgressPreference = 'SilentlyContinue'
$answers = @{}
function Utc($when) {
    if ($when) { ([datetime]$when).ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'") } else { $null }
}
function Some([scriptblock]$query) {
    $found = @(& $query)
    if (-not $found.Count) { throw 'it answered nothing, and there always is something' }
    $found
}
function Ask([string]$name, [scriptblock]$query) {
    try { $answers[$name] = @{ value = @(& $query) } }
    catch {
        $answers[$name] = @{ error = $_.Exception.Message; kind = [string]$_.CategoryInfo.Category
            missing = [string]($_.Exception -as [Management.Automation.CommandNotFoundException]).CommandName }
    }
}
"""
_END = """
$json = ConvertTo-Json -InputObject $answers -Depth 8 -Compress
$escape = { param($match) '\\u{0:x4}' -f [int][char]$match.Value }
[Console]::Out.Write([regex]::Replace($json, '[^\\x20-\\x7e]', $escape))
"""
_QUOTES = str.maketrans({quote: quote * 2 for quote in "'\u2018\u2019\u201a\u201b"})  # each ends a '...' literal


@dataclass(frozen=True)
class Answers:
    """What the queries of one call answered, by name: an answer or the reason why there is none."""

    raw: Mapping[str, Mapping[str, Any]]

    def __getitem__(self, name: str) -> list[Any]:
        """Return the objects that a query gave: dicts, texts or numbers.

        Raise ToolMissing where this Windows lacks the command, SourceMissing where there is no such object,
        SourceDenied with the reason where it is refused.
        """
        answer = self.raw.get(name, {"error": "it was not answered"})
        if "error" not in answer:
            return _as_list(answer.get("value"))
        if answer.get("missing"):
            raise ToolMissing(str(answer["missing"]))
        reason = " ".join(str(answer["error"]).split())
        if answer.get("kind") == "ObjectNotFound":
            raise SourceMissing(f"{name} ({reason})")
        raise SourceDenied(name, reason)


def _as_list(value: Any) -> list[Any]:
    """Given what ConvertTo-Json made of an array, return it: that of 5.1 may wrap it, or unwrap a single element."""
    if isinstance(value, dict) and set(value) == {"value", "Count"}:
        value = value["value"]
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def some(query: str) -> str:
    """Given a query about what every Windows has, return it so that an empty answer is none."""
    return f"Some {{ {query} }}"


def ask(host: Host, queries: Mapping[str, str], *, timeout: float = 60.0) -> Answers:
    """Given PowerShell expressions by name, have one powershell.exe evaluate each and return their answers.

    ``Utc $date`` in an expression gives a date as text. Raise ToolMissing, ToolFailed or ToolTimeout where PowerShell
    itself does not run, ParseError where it prints something else.
    """
    done = host.run(ARGV, stdin=base64.b64encode(script_of(queries).encode()).decode() + "\n", timeout=timeout)
    return parse_answers(done.stdout)


def script_of(queries: Mapping[str, str]) -> str:
    """Given PowerShell expressions by name, return the script that prints the answers of all of them as JSON."""
    asked = "\n".join(f"Ask {literal(name)} {{ {query} }}" for name, query in queries.items())
    return f"{_BEGIN}{asked}\n{_END}"


def literal(value: Union[str, int, float, Sequence[str]]) -> str:
    """Given a text, a number or a list of texts, return it as a PowerShell literal in which nothing is expanded."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (int, float)):
        return repr(value)
    return f"@({', '.join(literal(each) for each in value)})"


def _text(value: str) -> str:
    """Return a text as a literal. Half a surrogate pair, which names of Windows may have, is written as a number: no
    encoding carries it.
    """
    parts = [part for part in re.split("([\ud800-\udfff])", value) if part]
    if len(parts) < 2 and not _is_half(value):
        return f"'{value.translate(_QUOTES)}'"
    written = (f"[char]{ord(part)}" if _is_half(part) else f"'{part.translate(_QUOTES)}'" for part in parts)
    return f"(-join @({', '.join(written)}))"


def _is_half(part: str) -> bool:
    return len(part) == 1 and "\ud800" <= part <= "\udfff"


def parse_answers(text: str) -> Answers:
    """Given what the script printed, return the answers. Raise ParseError where it is no JSON object of them."""
    try:
        raw = json.loads(text)
    except ValueError:
        raise ParseError("the answer of powershell.exe", 1, text, "expected JSON") from None
    if not isinstance(raw, dict) or not all(isinstance(answer, dict) for answer in raw.values()):
        raise ParseError("the answer of powershell.exe", 1, text, "expected an object of answers")
    return Answers(raw)
