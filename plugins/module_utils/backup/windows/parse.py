# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the queries answer, to records; security descriptors in the text form that Windows calls SDDL.

Accounts are compared by SID or by SDDL's own two letters, never by name: names are translated ("Administratoren").
The forms are those of "Security Descriptor String Format" and "ACE Strings" (Microsoft Learn).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import ParseError

LATE, DENIED = "late", "denied"
_SDDL = re.compile(r"(?:O:(?P<owner>S-[\d-]+|[A-Z]{2}))?(?:G:(?:S-[\d-]+|[A-Z]{2}))?(?:D:(?P<dacl>.*?))?(?:S:[^:]*)?")
_FLAG_LETTERS = "PAIR"  # P protected, AR and AI about inheritance
# Who has to be able to look: SYSTEM, the Administrators, the account Administrator, and what stands for the owner.
TRUSTED = frozenset(["SY", "S-1-5-18", "BA", "S-1-5-32-544", "LA", "OW", "S-1-3-4", "CO", "S-1-3-0"])
WELL_KNOWN = {
    "WD": "Everyone (S-1-1-0)",
    "AN": "Anonymous (S-1-5-7)",
    "AU": "Authenticated Users (S-1-5-11)",
    "BU": "Users (S-1-5-32-545)",
    "BG": "Guests (S-1-5-32-546)",
    "PU": "Power Users (S-1-5-32-547)",
    "BO": "Backup Operators (S-1-5-32-551)",
    "IU": "Interactive (S-1-5-4)",
    "NU": "Network (S-1-5-2)",
    "LS": "Local Service (S-1-5-19)",
    "NS": "Network Service (S-1-5-20)",
    "DU": "Domain Users",
    "DA": "Domain Admins",
    "AC": "All application packages (S-1-15-2-1)",
}
ALLOW_TYPES = frozenset(["A", "OA", "XA", "ZA"])  # allow, for an object, on a condition; denials open nothing


@dataclass(frozen=True)
class Descriptors:
    """Descriptors by the number of the path; ``late`` and ``denied`` paths have none. Streams as (number, name, size).

    ``refused`` says why the streams of ``unlisted`` paths could not be listed, or is empty.
    """

    sddl: Mapping[int, str]
    late: frozenset[int]
    denied: frozenset[int]
    streams: tuple[tuple[int, str, int], ...] = ()
    refused: str = ""
    unlisted: int = 0


def parse_descriptors(objects: Sequence[Any], count: int) -> Descriptors:
    """Given the answer to ``queries.descriptors`` for ``count`` paths, return it.

    A path that is not answered at all counts as denied. Raise ParseError where an object is of another form.
    """
    found: dict[int, str] = {}
    streams: list[tuple[int, str, int]] = []
    refused, unlisted = "", 0
    for line, one in enumerate(objects, start=1):
        try:
            if one.get("refused"):
                refused, unlisted = str(one["refused"]), int(one.get("count") or count)
            numbers = [int(number) for number in str(one.get("of") or "").split(",") if number]
            if "stream" in one:
                streams += [(at, str(one["stream"]), int(one["size"])) for at in numbers if 0 <= at < count]
            elif "refused" not in one:
                found.update({at: str(one["sddl"] or DENIED) for at in numbers if 0 <= at < count})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ParseError("the security descriptors", line, repr(one), "it has no sddl or no numbers") from error
    late = frozenset(number for number, sddl in found.items() if sddl == LATE)
    known = {number: sddl for number, sddl in found.items() if sddl not in (LATE, DENIED)}
    return Descriptors(known, late, frozenset(range(count)) - late - set(known), tuple(streams), refused, unlisted)


def others_allowed(sddl: str) -> tuple[str, ...]:
    """Given a folder's descriptor, return who is allowed anything in it beside those who have to be.

    Entries that only what is made in the folder inherits count, because that is where the secrets are. Raise
    ParseError where it is no descriptor, or has no list at all.
    """
    form = _SDDL.fullmatch(sddl)
    if form is None or form.group("dacl") is None:
        raise ParseError("a security descriptor", 1, sddl, "it has no list of who is allowed what")
    dacl, trusted = form.group("dacl"), TRUSTED | {form.group("owner") or "SY"}
    if "NO_ACCESS_CONTROL" in dacl:
        return (WELL_KNOWN["WD"],)
    named = dict.fromkeys(account for account in _allowed(dacl, sddl) if account not in trusted)
    return tuple(WELL_KNOWN.get(account, account) for account in named)


def _allowed(dacl: str, sddl: str) -> Iterator[str]:
    """Yield each account that an entry of a list allows something. An entry ends at its own closing parenthesis."""
    at = len(dacl) - len(dacl.lstrip(_FLAG_LETTERS))
    while at < len(dacl):
        end = _entry_end(dacl, at)
        fields = dacl[at + 1 : end].split(";")
        if dacl[at] != "(" or len(fields) < 6:
            raise ParseError("a security descriptor", 1, sddl, f"its entry {dacl[at : end + 1]!r} has not six fields")
        if fields[0] in ALLOW_TYPES and fields[2] not in ("", "0x0"):
            yield fields[5]
        at = end + 1


def _entry_end(dacl: str, begin: int) -> int:
    """Return where an entry's closing parenthesis is: a condition in it may have parentheses of its own."""
    depth = 0
    for at in range(begin, len(dacl)):
        depth += (dacl[at] == "(") - (dacl[at] == ")")
        if depth == 0:
            return at
    return len(dacl)
