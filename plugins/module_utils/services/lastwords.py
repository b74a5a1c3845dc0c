# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The last error line that a service wrote itself, quoted in a bad finding: redacted, with its time.

A unit of systemd wrote it into the journal, a script-started service into the file that is its ``output``: another
account writes that, and root reads its end.
"""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Optional

from ..asking import ask
from ..errors import CoreError, SourceDenied
from ..finding import CRITICAL, WARNING, Finding
from ..folders import NotEntered, resolved
from ..host import Host
from ..masking import Mask
from ..printable import printable
from ..redact import redact, tells_secret
from .context import Context
from .declared import Service

PLATFORMS = ("linux", "darwin")  # where a name is opened in an open folder, so that nobody can swap what is on the way
QUOTED = ("services.state", "services.restarts", "services.http", "services.port_owner")
LINES, SINCE, LONGEST = 200, 86400.0, 160
TAIL = 64 << 10  # bytes of a log file, and characters of a line, that are looked at
LONG = 5  # entries that are fetched again, since journalctl leaves a field of more than 4 KiB out
ENTRY = 2 << 20  # characters of an entry as JSON
_ERROR = re.compile(r"\b\w*(?:error|exception|critical|fatal|panic|failed|refused|denied|cannot)\b", re.IGNORECASE)
_COLOUR = re.compile(r"\x1b\[[0-9;:]{0,40}m")


class Tail(NamedTuple):
    """Whole lines at the end of a file, and when it was last written (seconds since the epoch)."""

    text: str
    written: float


def read_tail(host: Host, path: str, limit: int) -> Tail:
    """Given a log file, return its last ``limit`` bytes at most, from the first line that begins within them.

    Whoever owns the file, or a folder on the way, could put a link to a file of root's in its place: the file itself is
    opened by O_NOFOLLOW, and a link on the way leads only to what belongs to the owner of the link. Raise OSError,
    NotEntered, or SourceDenied where it is no regular file, has further names, or this platform has no such way.
    """
    if host.platform not in PLATFORMS:
        raise SourceDenied(path, f"a log file cannot be opened safely on {host.platform}")
    with resolved(path) as place:
        descriptor = place.holder.open_file(place.name)
    try:
        return _read(descriptor, path, limit)
    finally:
        os.close(descriptor)


def _read(descriptor: int, path: str, limit: int) -> Tail:
    status = os.fstat(descriptor)
    # a hard link is a way to a file of root's too, where the system lets anybody make one
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        raise SourceDenied(path, "it is no regular file with one name")
    begin = max(status.st_size - limit, 0)
    text = os.pread(descriptor, limit, begin).decode("utf-8", "surrogateescape")
    return Tail(text.partition("\n")[2] if begin else text, status.st_mtime)


class LogRecord(NamedTuple):
    """An entry of the journal: its time, its text where that is told, and by what it is found again."""

    at: float
    text: Optional[str]
    cursor: str


def quote_errors(
    host: Host, contexts: Sequence[Context], findings: Mapping[str, Sequence[Finding]]
) -> dict[str, list[Finding]]:
    """Given services and their findings, return the findings, bad ones with the last error of their service."""
    by_name = {context.observed.name: context for context in contexts}
    return {name: _with_error(host, by_name[name], found) for name, found in findings.items()}


def _with_error(host: Host, context: Context, findings: Sequence[Finding]) -> list[Finding]:
    bad = [finding for finding in findings if finding.check in QUOTED and finding.status in (WARNING, CRITICAL)]
    text = _last_words(host, context) if bad else ""
    return [replace(each, message=f"{each.message}; {text}") if text and each is bad[0] else each for each in findings]


def _last_words(host: Host, context: Context) -> str:
    unit, service, now = context.observed.unit, context.observed.service, context.snapshot.now
    if unit is not None and unit.manager == "systemd" and unit.found:
        return last_error(host, unit.id, now, service)
    if service.manager == "pid_file" and service.output:
        return last_error_in(host, service, now)
    return ""


def last_error(host: Host, unit: str, now: float, service: Optional[Service] = None) -> str:
    """Given a unit, return its last error line of the last day, as a remark; empty where there is none to see."""
    entries = _entries(host, f"--since=@{now - SINCE:.0f}", "-n", str(LINES), f"_SYSTEMD_UNIT={unit}")
    left = LONG
    for entry in reversed(entries):
        text = entry.text
        if text is None and left:
            left -= 1
            text = _whole(host, entry.cursor, unit)
        if text and _ERROR.search(text):
            return f"its last error, {_moment(entry.at)}: {_quoted(text, service)}"
    return ""


def _entries(host: Host, *wanted: str) -> list[LogRecord]:
    """Return entries of the journal, oldest first, as far as they can be read; none where it cannot be asked."""
    try:
        # _SYSTEMD_UNIT is journald's own word: what others wrote about the unit is not its last word
        answer = ask(host, ["journalctl", "--no-pager", "-o", "json", "--output-fields=MESSAGE", *wanted])
    except CoreError:
        return []
    # a line feed only: other ends of a line stand as they are within a message
    lines = (line for line in answer.text.split("\n") if len(line) <= ENTRY)
    return [entry for entry in map(_entry, lines) if entry is not None]


def _whole(host: Host, cursor: str, unit: str) -> Optional[str]:
    """Return the text of an entry that is too long to be given without --all."""
    found = _entries(host, "--all", f"--cursor={cursor}", "-n", "1", f"_SYSTEMD_UNIT={unit}") if cursor else []
    return found[0].text if found and found[0].cursor == cursor else None


def last_error_in(host: Host, service: Service, now: float) -> str:
    """Given a script-started service, return the last error line at the end of its log file, as a remark.

    The file belongs to the account of the service, and its lines have no time of ours: told is when it was last
    written, at most a day ago. Empty where there is none to see.
    """
    try:
        tail = read_tail(host, service.output, TAIL)
    except (OSError, NotEntered, CoreError):
        return ""
    line = _last_wrong(tail.text.split("\n"))
    if not line or now - tail.written > SINCE:
        return ""
    where = f"{service.output}, last written {_moment(min(tail.written, now))}"
    return f"its last error in {where}: {_quoted(line, service)}"


def _last_wrong(lines: Iterable[str]) -> str:
    wrong = [line for line in lines if _ERROR.search(line)]
    return wrong[-1] if wrong else ""


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at))


def _quoted(line: str, service: Optional[Service]) -> str:
    """Return a line as data: without colours and secrets before it is cut, on one line, escaped once."""
    plain = " ".join(_COLOUR.sub("", line[:TAIL]).split())
    words = redact(Mask(_secrets(service)).hide(plain))
    return printable(json.dumps(words if len(words) <= LONGEST else f"{words[:LONGEST]}...", ensure_ascii=False))


def _secrets(service: Optional[Service]) -> list[str]:
    """Return what a service is told that looks like a secret by its name: a service may well print it."""
    given = service.environment.items() if service else ()
    return [value for name, value in given if tells_secret(name, value)]


def _entry(line: str) -> Optional[LogRecord]:
    try:
        raw: Any = json.loads(line)
        return LogRecord(int(raw["__REALTIME_TIMESTAMP"]) / 1e6, _text(raw["MESSAGE"]), str(raw.get("__CURSOR") or ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _text(field: Any) -> Optional[str]:
    """Given a field as journald writes it in JSON, return it as text; None where it is left out for its length.

    What does not print or is no UTF-8 is a list of the numbers of its bytes; of a field that an entry has several
    times there is a list of them (https://systemd.io/JOURNAL_EXPORT_FORMATS/#journal-json-format). Raise ValueError
    or TypeError where it is nothing of the kind.
    """
    if field is None or isinstance(field, str):
        return field
    if all(isinstance(each, int) for each in field):
        return bytes(field).decode("utf-8", "surrogateescape")
    return "\n".join(_text(each) or "" for each in field)
