# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What restic prints, and what its exit codes mean in each version. No input or output.

Verified with restic 0.14; the words of later versions are those of its documentation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from ...errors import ParseError

ABSENT, LOCKED, PASSWORD, PARTIAL, OTHER = "absent", "locked", "password", "partial", "failed"
# What an exit code above 1 means, and since which version; before that it is 1 for everything.
SINCE: dict[int, tuple[str, tuple[int, ...]]] = {
    3: (PARTIAL, (0, 0)),
    10: (ABSENT, (0, 17, 0)),
    11: (LOCKED, (0, 17, 0)),
    12: (PASSWORD, (0, 17, 1)),
}
WORDS = (
    (PASSWORD, re.compile(r"wrong password or no key found")),
    (LOCKED, re.compile(r"unable to create lock|already locked")),
    (ABSENT, re.compile(r"config file:? .*(no such file|not exist|not found|404)")),
)
_VERSION = re.compile(r"restic (\d+(?:\.\d+)+)")
FULL_ID = re.compile(r"[0-9a-f]{64}")


class Snapshot(NamedTuple):
    """A snapshot by its full id. ``tags`` are ours, or whatever another program gave it."""

    id: str
    tree: str
    host: str
    time: str
    tags: tuple[str, ...]
    paths: tuple[str, ...]

    def tag(self, name: str) -> str:
        """Return the value of a tag such as ``set=…``; empty where there is none."""
        return next((tag[len(name) + 1 :] for tag in self.tags if tag.startswith(f"{name}=")), "")


class Checked(NamedTuple):
    """What ``check`` came to: ``wrong`` are its complaints, ``extra`` what is there beside what it knows."""

    wrong: tuple[str, ...]
    extra: tuple[str, ...]


def parse_version(text: str) -> tuple[int, ...]:
    """Given what ``restic version`` prints, return the version. Raise ParseError where it names none."""
    found = _VERSION.search(text)
    if found is None:
        raise ParseError("restic version", 1, text, "it names no version")
    return tuple(int(part) for part in found.group(1).split("."))


def meaning(rc: int, words: str, version: tuple[int, ...]) -> str:
    """Given an exit code other than 0, what restic printed and its version, return what it failed for.

    A code that is not known to that version is a failure like any other.
    """
    named, since = SINCE.get(rc, (OTHER, (0, 0)))
    if named != OTHER and version >= since:
        return named
    if rc == 1 and version < (0, 17, 1):
        return next((kind for kind, pattern in WORDS if pattern.search(words)), OTHER)
    return OTHER


def json_lines(text: str) -> Iterator[dict[str, Any]]:
    """Given what restic printed, yield its JSON objects; whatever else stands between them is left out."""
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                yield found


def summary_of(text: str) -> dict[str, Any]:
    """Given what ``backup`` printed, return its summary; a key that is not there is not known. Empty without one."""
    return next((one for one in json_lines(text) if one.get("message_type") == "summary"), {})


def unread_items(text: str) -> list[str]:
    """Given what ``backup`` printed, return the paths that it could not read."""
    errors = [one for one in json_lines(text) if one.get("message_type") == "error"]
    return [str(one.get("item") or "") for one in errors]


def last_words(text: str) -> str:
    """Given what restic printed on its standard error, return the line that tells why it ended."""
    ended = [one for one in json_lines(text) if one.get("message_type") == "exit_error"]
    if ended:
        return str(ended[-1].get("message", ""))
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("{")]
    fatal = [line for line in lines if line.startswith("Fatal:") or "unable to" in line]
    return (fatal or lines or [""])[0]


def parse_snapshots(text: str) -> list[Snapshot]:
    """Given what ``snapshots --json`` printed, return all, from old to new. Raise ParseError where it is no list."""
    try:
        rows = json.loads(text or "null")
        found = [
            Snapshot(
                row["id"],
                row["tree"],
                row.get("hostname", ""),
                row["time"],
                tuple(row.get("tags") or ()),
                tuple(row.get("paths") or ()),
            )
            for row in rows or []
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise ParseError("restic snapshots --json", 1, text, f"it is no list of snapshots ({error!r})") from error
    short = next((one.id for one in found if not FULL_ID.fullmatch(one.id)), "")
    if short:
        raise ParseError("restic snapshots --json", 1, short, "it is no full id")
    return sorted(found, key=lambda one: (one.time, one.id))


_EXTRA = re.compile(r"(\d+ additional files were found|pack [0-9a-f]+.*not referenced in any index)")


def parse_check(rc: int, text: str) -> Checked:
    """Given how ``check`` ended and all that it printed, return its complaints. The exit code decides."""
    reported = list(json_lines(text))
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("{")]
    extra = [line for line in lines if _EXTRA.search(line)]
    wrong = [str(one["message"]) for one in reported if one.get("message_type") == "error" and "message" in one]
    wrong += [line for line in lines if re.search(r"error|Fatal|does not match|missing|hash|damaged", line)]
    wrong = [line for line in dict.fromkeys(wrong) if line not in extra and "no errors were found" not in line]
    if rc == 0:
        return Checked((), tuple(extra))
    return Checked(tuple(wrong[:20]) or (f"check ended with exit code {rc}",), tuple(extra))
