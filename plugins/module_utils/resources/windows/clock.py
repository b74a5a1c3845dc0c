# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers about the Windows time service into what is known of the clock. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from ...errors import ParseError
from ...fields import fields_of
from ..clocks import FOLLOWS_ITSELF, staleness
from ..records import Clock
from .queries import TIME_GOOD

SOURCE = "W32Time"
LOCAL_CLOCK = 0x4C4F434C  # "LOCL": the machine's own clock, which nothing corrects
UNSYNCHRONISED_LEAP, HIGHEST_STRATUM = 3, 15  # RFC 5905, 7.3
_COUNT, _SECONDS = r"(-?\d+)\s*\(.*", r"(-?\d+[.,]\d+)s"
# The lines of `w32tm /query /status /verbose` by the form of what stands behind their colon; the words before it, and
# those in brackets, are translated. None is a text.
_LINES: tuple[Optional[str], ...] = (
    _COUNT,  # 0 leap indicator
    _COUNT,  # 1 stratum
    _COUNT,  # 2 precision
    _SECONDS,  # 3 root delay
    _SECONDS,  # 4 root dispersion
    r"0x([0-9A-Fa-f]{8}).*",  # 5 reference id
    None,  # 6 last successful synchronisation, a date in the form of the country
    None,  # 7 source
    _COUNT,  # 8 poll interval
    _SECONDS,  # 9 phase offset
    _SECONDS,  # 10 clock rate
    _COUNT,  # 11 state machine
    _COUNT,  # 12 flags of the source
    _COUNT,  # 13 server role
    _COUNT,  # 14 last error
    _SECONDS,  # 15 seconds since the last good synchronisation
)


class Service(NamedTuple):
    """The time service: ``kind`` is how it finds its source (NTP, NT5DS, AllSync, NoSync)."""

    state: str
    start_mode: str
    kind: str


def parse_service(objects: Sequence[Any]) -> Service:
    """Given Win32_Service of W32Time and its registry values, return it. Raise ParseError where there is none."""
    found = fields_of("time_service", objects)
    if not found:
        raise ParseError("the query 'time_service'", 0, "", "this host has no service W32Time")
    if not found[0].text("State"):
        raise found[0].wrong("State", "expected the state of the service W32Time")
    return Service(found[0].text("State"), found[0].text("StartMode"), found[0].text("Type"))


def parse_status(lines: Sequence[Any]) -> Clock:
    """Given what `w32tm /query /status /verbose` printed, return the clock. Raise ParseError where a line differs."""
    values = [_behind_colon(str(line)) for line in lines if str(line).strip()]
    if len(values) < len(_LINES):
        raise ParseError("w32tm /query /status", len(values), "", f"expected {len(_LINES)} lines")
    read = [_read(number, form, value) for number, (form, value) in enumerate(zip(_LINES, values), 1)]
    leap, stratum, reference = int(read[0]), int(read[1]), int(read[5], 16)
    if leap == UNSYNCHRONISED_LEAP or not 0 < stratum <= HIGHEST_STRATUM:
        why = "it has no source"
    elif reference == LOCAL_CLOCK:
        why = FOLLOWS_ITSELF
    else:
        why = staleness(float(read[15].replace(",", ".")))
    return Clock(SOURCE, not why, None if why else float(read[9].replace(",", ".")), why)


def _behind_colon(line: str) -> str:
    """Return what stands behind the first colon, also behind a full-width one."""
    return re.split("[:\uff1a]", line, maxsplit=1)[-1].strip()


def _read(number: int, form: Optional[str], value: str) -> str:
    if form is None:
        return value
    match = re.fullmatch(form, value)
    if match is None:
        raise ParseError("w32tm /query /status", number, value, "expected another form of value")
    return match.group(1)


def parse_last_word(objects: Sequence[Any]) -> Optional[bool]:
    """Given the newest event of the time service, return whether it says that there is a source; None without any."""
    events = fields_of("time_events", objects)
    return events[0].whole("Id") in TIME_GOOD if events else None
