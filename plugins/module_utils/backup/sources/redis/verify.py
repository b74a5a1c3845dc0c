# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proving that a saved Redis file opens: unpacked into scratch, compared, its own checksum and its keys read, and given
to redis-check-rdb where that is installed.
"""

from __future__ import annotations

from pathlib import Path

from ....host import Host
from ...model import SourceCopy
from ...stage import CHUNK
from ..model import Bench
from ..single import unpacked
from .rdb import BadRdb, Sum, UnknownRdb, count_keys

CHECKERS = ("redis-check-rdb", "valkey-check-rdb")
OWN_CHECK_UP_TO = 256 << 20  # bytes; our checksum takes 9 MB/s, and above this one that is compiled is asked alone
_TOO_NEW = "Can't handle RDB format version"


def verify(entry: SourceCopy, bench: Bench) -> list[str]:
    """Given a Redis source of a set, return what does not hold of its content, its checksum or its keys.

    Raise Unreadable where it cannot be unpacked, CannotJudge where there is no room for it that is ours.
    """
    with unpacked(entry, "rdb", bench) as copy:
        name = entry.payload("rdb").name
        return [f"{name} {wrong}" for wrong in judge(copy.path, copy.sha256, entry, bench.host)]


def judge(copy: Path, sha256: str, entry: SourceCopy, host: Host) -> list[str]:
    """Given the unpacked file and its checksum, return what does not hold of it."""
    if sha256 != entry.facts["sha256"]:
        return ["unpacks to something else than was packed"]
    checker = next((tool for tool in CHECKERS if host.which(tool)), "")
    wrong = _keys(copy, entry)
    if not wrong and (not checker or copy.stat().st_size <= OWN_CHECK_UP_TO):
        wrong = _summed(copy, entry, host)
    return wrong or (_asked(checker, copy, host) if checker else [])


def _keys(copy: Path, entry: SourceCopy) -> list[str]:
    """Return what differs in the keys of the file from what the manifest says, where they could be counted then."""
    try:
        with copy.open("rb", buffering=CHUNK) as stream:
            found = count_keys(stream)
    except UnknownRdb:
        return [] if entry.facts["counted"] != "file" else ["holds what could be counted when it was taken, not now"]
    except BadRdb as bad:
        return [f"is damaged: {bad}"]
    if entry.facts["counted"] == "file" and found.databases != dict(entry.facts["rows"]):
        return [f"holds the keys {found.databases}, the manifest says {dict(entry.facts['rows'])}"]
    return []


def _summed(copy: Path, entry: SourceCopy, host: Host) -> list[str]:
    summed = Sum()
    with copy.open("rb", buffering=0) as stream:
        while chunk := stream.read(CHUNK):
            summed.add(chunk)
            host.remaining()
    outcome = summed.outcome()
    return [] if outcome == entry.facts["crc64"] else [f"has a checksum (CRC64) that is {outcome}"]


def _asked(checker: str, copy: Path, host: Host) -> list[str]:
    """Return what Redis's own program finds wrong. One that is older than the file cannot tell."""
    done = host.run([checker, str(copy)], timeout=3600, expect=None)
    if done.rc == 0 or _TOO_NEW in done.stdout + done.stderr:
        return []
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    info = [line for line in lines if "---" in line or "rror" in line] or lines[-1:] or ["nothing"]
    return [f"is damaged, {checker} says: {info[-1] if info else done.rc}"]
