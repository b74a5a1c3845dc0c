# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking the event logs of Windows so that "there were none" and "I could not look" never look the same.

What Get-WinEvent says (GetEventCommand.cs of PowerShell's sources, and Windows PowerShell 5.1 alike):

- All its errors are non-terminating ones, and several have the category ObjectNotFound: NoMatchingEventsFound, but also
  NoMatchingLogsFound and NoMatchingProvidersFound. Only the first one means that there were no events.
- With ``-FilterHashtable``, and with more logs than one, it sets TolerateQueryErrors: a log that may not be read is
  passed over, and that ends in NoMatchingEventsFound too. So one log is asked at a time, by ``-LogName``: a refusal of
  that is an error.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Optional

from .fields import Fields, fields_of
from .powershell import literal

_NO_EVENTS = "if ($_.FullyQualifiedErrorId -notlike 'NoMatchingEventsFound*') { throw }"
_KEEPS_ALL = "Retain"  # EventLogMode: a full log takes no new events, instead of giving up its oldest ones


def found(log: str, provider: str, ids: Iterable[int], seconds: float, newest: int, body: str) -> str:
    """Return the query for the newest events of a provider in a log, of some ids, within so many seconds.

    ``body`` makes an object of each event, which is ``$_``. Finding none is an empty answer, all else that goes wrong
    an error. Windows compares the names of providers without regard to capitals.
    """
    wanted = " or ".join(f"EventID={each}" for each in ids)
    age = f"TimeCreated[timediff(@SystemTime) <= {int(seconds * 1000)}]"
    path = f"*[System[Provider[@Name='{provider}'] and ({wanted}) and {age}]]"
    asked = f"Get-WinEvent -LogName {literal(log)} -FilterXPath {literal(path)} -MaxEvents {newest} -ErrorAction Stop"
    return f"""
try {{ {asked} | ForEach-Object {{ {body} }} }}
catch {{ {_NO_EVENTS} }}
"""


def reach(logs: Sequence[str]) -> str:
    """Return the query for what says how much logs can tell: their oldest event, and whether they take new ones."""
    return f"""
foreach ($log in {literal(logs)}) {{
    $settings = Get-WinEvent -ListLog $log -ErrorAction Stop
    $oldest = $null
    try {{ $oldest = Get-WinEvent -LogName $log -Oldest -MaxEvents 1 -ErrorAction Stop }}
    catch {{ {_NO_EVENTS} }}
    [pscustomobject]@{{ Log = $log; Enabled = $settings.IsEnabled; Mode = [string]$settings.LogMode
        Full = $settings.IsLogFull; Oldest = Utc $oldest.TimeCreated }}
}}
"""


def parse_reach(source: str, objects: Sequence[Any], logs: Collection[str]) -> tuple[Optional[float], tuple[str, ...]]:
    """Given what ``reach`` answered, return since when all logs have kept their events, and why some may lack.

    Raise ParseError where an object is not as expected.
    """
    rows = {row.text("Log"): row for row in fields_of(source, objects)}
    begins = [rows[log].when("Oldest") if log in rows else None for log in logs]
    doubts = [doubt for log in logs for doubt in _doubts(log, rows.get(log))]
    known = [when for when in begins if when is not None]
    return (max(known) if len(known) == len(begins) else None), tuple(doubts)


def _doubts(log: str, row: Optional[Fields]) -> list[str]:
    """Return why events may lack in a log, as ``reach`` tells of it."""
    if row is None:
        return [f"how far back the {log} log goes is not known"]
    doubts = []
    if not row.flag("Enabled"):
        doubts.append(f"the {log} log is switched off")
    if row.text("Mode") == _KEEPS_ALL and row.flag("Full"):
        doubts.append(f"the {log} log is full and gives up none of its events, so that newer ones were lost")
    if row.when("Oldest") is None:
        doubts.append(f"the {log} log is empty, as after it was cleared: how far back it goes is not known")
    return doubts
