# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings that somebody answers for until a day: they are skipped with who, why and until when, and never hidden."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, Optional

from .errors import InputError
from .finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING, Check, Finding

_BAD = (WARNING, UNKNOWN, CRITICAL)


class Accepted(NamedTuple):
    """An entry: which findings, on whose word, why, and until which day."""

    check: str
    subject: str
    owner: str
    reason: str
    expires: dt.date

    def covers(self, finding: Finding) -> bool:
        """Return whether a finding is bad and meant: by its subject as it is written, or as a pattern."""
        named = finding.subject == self.subject or fnmatchcase(finding.subject, self.subject)
        return finding.check == self.check and finding.status in _BAD and named

    def __str__(self) -> str:
        return f"{self.check} {self.subject}"


def parse_accepted(name: str, entries: Sequence[Mapping[str, Any]], known: Collection[str]) -> tuple[Accepted, ...]:
    """Given the entries of an option, return them. Raise InputError where one names no known check, or no date."""
    return tuple(_entry(f"{name}[{place}]", entry, known) for place, entry in enumerate(entries))


def _entry(name: str, entry: Mapping[str, Any], known: Collection[str]) -> Accepted:
    if entry["check"] not in known:
        raise InputError(f"{name}.check", entry["check"], "the id of a check of this module", tuple(sorted(known)))
    for field in ("owner", "reason"):
        if not str(entry[field]).strip():
            raise InputError(f"{name}.{field}", entry[field], "a text: nobody else can be asked about it")
    expires = parse_day(f"{name}.expires", entry["expires"])
    if expires is None:
        raise InputError(f"{name}.expires", entry["expires"], "a date such as 2027-01-31")
    return Accepted(entry["check"], entry.get("subject") or "*", entry["owner"], entry["reason"], expires)


def parse_day(name: str, value: object) -> Optional[dt.date]:
    """Given a date as the inventory has it, return it; None where there is none. Raise InputError."""
    if value in (None, ""):
        return None
    try:
        return dt.date.fromisoformat(str(value)[:10])
    except ValueError as error:
        raise InputError(name, value, "a date such as 2027-01-31") from error


def accept(check: Check, findings: Sequence[Finding], entries: Sequence[Accepted], today: dt.date) -> list[Finding]:
    """Given findings and what is accepted, return them with those skipped that an entry covers today, and what
    ``check`` has to say of the entries: those that have expired, and those that cover nothing.
    """
    return [
        *(_skipped(finding, entries, today) for finding in findings),
        *_expired(check, findings, entries, today),
        _in_force(check, findings, entries, today),
    ]


def _skipped(finding: Finding, entries: Sequence[Accepted], today: dt.date) -> Finding:
    for entry in (entry for entry in entries if entry.expires >= today and entry.covers(finding)):
        text = f"accepted by {entry.owner} until {entry.expires} ({entry.reason}): {finding.message}"
        return replace(finding, status=SKIPPED, message=text, remedy="")
    return finding


def _expired(
    check: Check, findings: Sequence[Finding], entries: Iterable[Accepted], today: dt.date
) -> Iterator[Finding]:
    for entry in entries:
        if entry.expires < today:
            again = sum(entry.covers(finding) for finding in findings)
            text = f"it expired on {entry.expires}, ask {entry.owner}: {again} findings that it covered count again"
            expected = f"{today} or later"
            yield check.finding(WARNING, str(entry), text, expected=expected, actual=str(entry.expires))


def _in_force(check: Check, findings: Sequence[Finding], entries: Sequence[Accepted], today: dt.date) -> Finding:
    valid = [entry for entry in entries if entry.expires >= today]
    if not valid:
        return check.finding(SKIPPED, "exceptions", "no exceptions are in force", remedy="")
    idle = [str(entry) for entry in valid if not any(entry.covers(finding) for finding in findings)]
    text = f"; nothing is found that these are for: {', '.join(idle)}" if idle else ""
    return check.finding(OK, "exceptions", f"{len(valid)} exceptions are in force{text}", actual=idle or None)
