# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal of systemd: how often units were started anew or killed, and how far back the journal goes.

What counts is what systemd itself wrote (the fields that begin with an underscore are journald's own, no account can
forge them): any account may log a text with the id and the unit of such an entry.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from ..asking import Answer, ask
from ..errors import CoreError
from ..evidence import Event, Evidence
from ..host import Host
from .model import AUTOMATIC, START, Journal

MAX_EVENTS = 5000
# sd-messages.h: "Scheduled restart job", "Started", "killed by the OOM killer", "Startup finished".
SCHEDULED = "5eb03494b6584870a536b337290809b3"
STARTED = "39f53479d3a045ac8e11786248231fbf"
OUT_OF_MEMORY = "fe6faa94e7774663a0da52717891d8ef"
UP = "b07a249cd024414a82dd00cd181378ff"
_BOOT_TIMES = ("KERNEL_USEC", "INITRD_USEC", "USERSPACE_USEC")
_HARMLESS = r"^-- No entries --$"
_STEPS = 7  # how often the unseen part of the window is halved to find where the journal begins
JOURNALD_STARTS = 30.0  # seconds after the boot within which journald is there; services start after it


class JournalEntry(NamedTuple):
    """One entry of systemd: its message ``id`` about ``unit``, its boot, and when that began if it says so."""

    at: float
    id: str
    unit: str
    boot: str
    booted: Optional[float] = None


class Boot(NamedTuple):
    """The boot that runs: its id, and when it began (epoch)."""

    id: str
    began: float


def collect_journal(host: Host, units: Collection[str], start: float, boot: Boot) -> Journal:
    """Given units, the start of a window and the boot that runs, return what the journal tells of them.

    The journal keeps what counters lose: NRestarts begins anew with every boot and every start by hand.
    """
    ids = [f"MESSAGE_ID={each}" for each in (SCHEDULED, STARTED, OUT_OF_MEMORY)]
    wanted = ["_PID=1", *ids, *(f"UNIT={unit}" for unit in sorted(units)), "+", "_PID=1", f"MESSAGE_ID={UP}"]
    fields = ",".join(("UNIT", "MESSAGE_ID", "_PID", "_UID", "_BOOT_ID", *_BOOT_TIMES))
    try:
        answer = _ask(host, f"--output-fields={fields}", f"--since=@{start:.0f}", "-n", str(MAX_EVENTS), *wanted)
        since = _begin(host, start, boot)
    except CoreError as error:
        return Journal.unavailable(str(error))
    return parse_journal(answer, start, since, boot)


def _ask(host: Host, *words: str) -> Answer:
    return ask(host, ["journalctl", "--no-pager", "-o", "json", *words], harmless=_HARMLESS)


def _begin(host: Host, start: float, boot: Boot) -> Optional[float]:
    """Return a moment from which on systemd's own entries are there: ``start``, or the earliest after it that is found.

    Only entries as informational as a start prove that starts are kept.
    """
    now = host.now()
    if _is_kept(host, start):
        return start
    if not _is_kept(host, now + 1):
        return None
    before, kept = start, now
    for _step in range(_STEPS):
        middle = (before + kept) / 2
        before, kept = (before, middle) if _is_kept(host, middle) else (middle, kept)
    # right after a boot a shorter time must do, or a journal that was rotated since would count as whole
    first = boot.began + min(JOURNALD_STARTS, (now - boot.began) / 4)
    if start < boot.began < kept and _is_kept(host, first):
        return boot.began
    return kept


def _is_kept(host: Host, until: float) -> bool:
    """Return whether the journal has an entry of systemd from before a moment."""
    # backwards: systemd before 254 takes the last entries of all and then leaves out those after --until
    argv = ("--output-fields=_PID", "--reverse", "-n", "1", f"--until=@{until:.0f}", "_PID=1", "PRIORITY=6")
    return any(line.startswith("{") for line in _ask(host, *argv).text.splitlines())


def parse_journal(answer: Answer, start: float, since: Optional[float], boot: Boot) -> Journal:
    """Given what ``journalctl -o json`` answered, the ``start`` that was asked for, ``since`` when there are entries,
    and the boot that runs, return the events.
    """
    lines = [line for line in answer.text.splitlines() if line.startswith("{")]
    found = [_entry(line) for line in lines]
    entries = sorted(entry for entry in found if entry is not None)
    gaps = [line.replace("Hint: ", "") for line in answer.complaints[:2]]
    if len(lines) >= MAX_EVENTS:
        gaps.append(f"the answer was cut after {MAX_EVENTS:,} entries")
    if found.count(None):
        gaps.append(f"{found.count(None)} entries could not be read")
    kills = (Event(entry.at, entry.unit) for entry in entries if entry.id == OUT_OF_MEMORY and entry.unit)
    restarts = Evidence(restarts_of(entries, start, boot), since, gaps)
    return Journal(restarts, Evidence(kills, since, gaps), None if gaps else since)


def _entry(line: str) -> Optional[JournalEntry]:
    """Return an entry as it is, without unit where it is not systemd's own about one; None where it cannot be read."""
    try:
        raw = json.loads(line)
        at, kind = int(raw["__REALTIME_TIMESTAMP"]) / 1e6, raw["MESSAGE_ID"]
        took = sum(int(raw.get(name) or 0) for name in _BOOT_TIMES) / 1e6 if kind == UP else 0.0
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if not is_of_systemd(raw):
        return JournalEntry(at, "", "", "")
    unit = raw.get("UNIT")
    return JournalEntry(at, str(kind), unit if isinstance(unit, str) else "", str(raw.get("_BOOT_ID")), at - took)


def is_of_systemd(raw: Mapping[str, Any]) -> bool:
    """Return whether the system's service manager wrote an entry, by the fields that journald itself adds."""
    return raw.get("_PID") == "1" and raw.get("_UID", "0") == "0"


def restarts_of(entries: Sequence[JournalEntry], start: float, boot: Boot) -> Iterator[Event]:
    """Given entries in order, yield the restarts: automatic ones, and other starts whoever asked for them.

    The start that follows an automatic restart is the same one, and the first of a boot since ``start`` is none.
    """
    known = {entry.boot: entry.booted for entry in entries if entry.id == UP and entry.booted is not None}
    boots = {name: began for name, began in {**known, boot.id: boot.began}.items() if began >= start}
    due: set[str] = set()
    begun: set[tuple[str, str]] = set()
    for entry in entries:
        if entry.id == SCHEDULED and entry.unit:
            due.add(entry.unit)
            yield Event(entry.at, entry.unit, AUTOMATIC)
        elif entry.id == STARTED and entry.unit:
            first = entry.at >= boots.get(entry.boot, entry.at + 2) - 1 and (entry.unit, entry.boot) not in begun
            if not first and entry.unit not in due:
                yield Event(entry.at, entry.unit, START)
            begun |= {(entry.unit, entry.boot)} if first else set()
            due.discard(entry.unit)
