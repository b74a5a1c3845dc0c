# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What PowerShell tells of folders and files: who may look into them, and what an archive cannot hold of them.

It closes new folders to everybody but SYSTEM and the Administrators, as mode 0700 does elsewhere.

The questions are in words that Windows PowerShell 5.1 and 7 understand; no answer depends on its language. Security
descriptors are in the text form that Windows calls SDDL. Accounts are compared by SID or by SDDL's own two letters,
never by name: names are translated ("Administratoren"). The forms are those of "Security Descriptor String Format" and
"ACE Strings" (Microsoft Learn).

The attributes come with each file's status. The rest is asked in one call of PowerShell, within bounds: at most
MOST_ASKED members, folders first because what is in them mostly inherits theirs, and at most SECONDS.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import CoreError, ParseError
from ..host import Host
from ..powershell import ask, literal
from .access import Access, FolderMode, Opening
from .names import extended, shown
from .sources.files.attributes import Noted, Packed
from .sources.files.content import FOLDER

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


class Descriptors(NamedTuple):
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


# The alternate data streams of $path, which is number $number. What a file is refused is an error that does not stop
# Get-Item by itself; of folders 5.1 knows no streams and says so by such an error.
STREAMS = """
if ($sddl -ne 'denied') {
    $folder = [IO.Directory]::Exists($path)
    try {
        foreach ($one in @(Get-Item -LiteralPath $path -Stream * -Force -ErrorAction Stop)) {
            if ($one.Stream -and $one.Stream -ne ':$DATA') {
                [pscustomobject]@{ stream = [string]$one.Stream; size = [long]$one.Length; of = [string]$number }
            }
        }
    } catch { if (-not $folder) { $refused = $_.Exception.Message; $unlisted++ } }
}
"""


def descriptors(paths: Sequence[str], seconds: int, *, streams: bool) -> str:
    """Given paths, return the query for the security descriptor of each, and where wanted its alternate data streams.

    Line breaks cannot be in a path of Windows, so many paths travel as one text. What many paths share is answered
    once, with the numbers of the paths that have it. Those that it does not come to within ``seconds`` are answered as
    ``late``, those that it may not look at as ``denied``; ``refused`` says why the streams of ``count`` paths could not
    be listed.
    """
    joined, looking = literal("\n".join(paths)), STREAMS if streams else ""
    return f"""
$until = [datetime]::UtcNow.AddSeconds({int(seconds)})
$numbers = @{{}}
$refused = ''
$unlisted = 0
$number = -1
foreach ($path in ({joined}).Split([char]10)) {{
    $number++
    $sddl = 'late'
    if ([datetime]::UtcNow -lt $until) {{
        try {{ $sddl = [string](Get-Acl -LiteralPath $path).Sddl }} catch {{ $sddl = 'denied' }}
        {looking}
    }}
    if (-not $numbers.ContainsKey($sddl)) {{ $numbers[$sddl] = New-Object 'System.Collections.Generic.List[int]' }}
    $numbers[$sddl].Add($number)
}}
foreach ($sddl in @($numbers.Keys)) {{ [pscustomobject]@{{ sddl = $sddl; of = $numbers[$sddl] -join ',' }} }}
if ($refused) {{ [pscustomobject]@{{ refused = $refused; count = $unlisted }} }}
"""


def protect(paths: Sequence[str], descriptor: str) -> str:
    """Given folders and the security descriptor that they are to have, return the query that gives it to them."""
    return f"""
foreach ($path in {literal(list(paths))}) {{
    $acl = Get-Acl -LiteralPath $path
    $acl.SetSecurityDescriptorSddlForm({literal(descriptor)})
    Set-Acl -LiteralPath $path -AclObject $acl
}}
"""


ACCESS_SECONDS = 30
EXPECTED = "SYSTEM, the Administrators and the owner alone"
# In quotes, because PowerShell would take the parentheses for its own.
REMEDY = "icacls {folder} /inheritance:r /grant:r '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F'"


def collect_access(folders: Sequence[FolderMode], host: Host) -> Access:
    """Given folders, return who may look into them beside those who have to."""
    query = descriptors([plain(folder.path) for folder in folders], ACCESS_SECONDS, streams=False)
    try:
        found = parse_descriptors(ask(host, {"access": query}, timeout=ACCESS_SECONDS + 30)["access"], len(folders))
        opened = [Opening(folders[at].path, others_allowed(sddl), sddl) for at, sddl in sorted(found.sddl.items())]
    except CoreError as error:
        return Access(unknown=str(error))
    missing = sorted(found.denied | found.late)
    unknown = f"the security descriptor of {folders[missing[0]].path} could not be read" if missing else ""
    return Access(tuple(opened), EXPECTED, REMEDY, unknown)


# SYSTEM and the Administrators alone, and nothing is inherited; the bridge protects its own folder alike.
PROTECTION = "O:BAG:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"


def protect_folders(folders: Sequence[Path], host: Host) -> None:
    """Close new folders. Where that is refused the check backup.permissions says who may look into them."""
    with suppress(CoreError):
        ask(host, {"protect": protect([str(folder) for folder in folders], PROTECTION)})


MOST_ASKED = 20_000  # members; PowerShell looks at 1000 to 3000 a second
SECONDS = 120
SHORT = 248  # characters; a longer path of a folder needs the extended form (MAX_PATH less room for a short name)
ZONE = "Zone.Identifier"  # where a file was downloaded from; losing it makes nothing incomplete
ATTRIBUTES = {  # "File Attribute Constants" (Microsoft Learn)
    0x1: "readonly",
    0x2: "hidden",
    0x4: "system",
    0x20: "archive",
    0x200: "sparse",
    0x400: "reparse_point",
    0x800: "compressed",
    0x1000: "offline",
    0x2000: "not_content_indexed",
    0x4000: "encrypted",
    0x8000: "integrity_stream",
}


def collect_attributes(members: list[Packed], host: Host) -> Noted:
    """Given the members of an archive, return their attributes, descriptors and streams."""
    noted = Noted(rows={one.name: {"attributes": words(one.bits)} for one in members if words(one.bits)})
    asked = askable(members)
    if len(members) > len(asked):
        noted.miss(len(members) - len(asked), f"at most {MOST_ASKED} members are asked for their descriptors")
    if not asked:
        return noted
    seconds = int(min(SECONDS, host.remaining()))
    query = descriptors([plain(one.path) for one in asked], seconds, streams=True)
    try:
        found = parse_descriptors(ask(host, {"descriptors": query}, timeout=seconds + 60)["descriptors"], len(asked))
    except CoreError as error:
        noted.miss(len(asked), str(error))
        return noted
    _note(noted, asked, found)
    return noted


def words(bits: int) -> list[str]:
    """Given a file's attributes as a number, return those that say something by name."""
    return [name for bit, name in ATTRIBUTES.items() if bits & bit]


def plain(path: str) -> str:
    """Given a path, return the form in which PowerShell is asked for it: the usual one as long as that holds."""
    return shown(path) if len(shown(path)) < SHORT else extended(path)


def askable(members: Sequence[Packed]) -> list[Packed]:
    """Return the members that are asked for, folders first. No path of Windows has a line break in it."""
    ordered = sorted(members, key=lambda one: one.kind != FOLDER)
    return [one for one in ordered if "\n" not in one.path and "\r" not in one.path][:MOST_ASKED]


def _note(noted: Noted, asked: Sequence[Packed], found: Descriptors) -> None:
    for number, sddl in found.sddl.items():
        noted.rows.setdefault(asked[number].name, {})["sddl"] = sddl
    for number, stream, size in found.streams:
        noted.rows.setdefault(asked[number].name, {}).setdefault("streams", []).append([stream, size])
        if stream != ZONE:
            noted.not_kept.append(("stream", f"{shown(asked[number].path)}:{stream}"))
    if found.refused:
        noted.miss(found.unlisted, f"alternate data streams could not be listed: {found.refused}")
    if found.late:
        noted.miss(len(found.late), f"asking for descriptors was ended after {SECONDS} s")
    if found.denied:
        noted.miss(len(found.denied), f"the descriptor of {shown(asked[min(found.denied)].path)} may not be read")
