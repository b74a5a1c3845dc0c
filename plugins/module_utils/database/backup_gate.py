# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gate before a step that replaces data: is there a verified backup of this database, young enough?

A set is a folder ``<dir>/<set id>/`` with ``manifest.json`` (id, created, sources) and, once verified,
``verified.json`` (set, level, ok, at). The module checks the set itself, because a convention can be forgotten.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional

from ..errors import CoreError, InputError
from ..host import Host
from ..publish import PARTIAL
from ..reading import real_path
from ..trusted import NOBODY_ELSE, Fault, Others, fault_of, faults
from ..trusted_accounts import others_of
from ..units import human_seconds
from .declared import BackupGate, Database

MIN_LEVEL = 2  # L2: the copy was opened, not only hashed
CLOCK_TOLERANCE_S = 300.0
MAX_MANIFEST = 256 << 20  # a manifest names every file of its set


class BackupSet(NamedTuple):
    """One set as found: ``created`` is in seconds since the epoch, ``flaw`` says why it does not count."""

    id: str
    created: float
    sources: tuple[Mapping[str, Any], ...]
    flaw: str


class Gate(NamedTuple):
    """The answer: whether the step may be taken, and the sentence that says why or why not."""

    open: bool
    reason: str
    set_id: Optional[str] = None


def ask_gate(gate: BackupGate, database: Database, names: Sequence[str], host: Host) -> Gate:
    """Given the gate's options and the database's names (its path, or its PostgreSQL databases), return the answer."""
    if gate.expected:
        return Gate(True, "the backup step of this run comes first")
    if not gate.dir:
        return Gate(False, "no verified backup is declared (require_backup.dir)")
    try:
        others = others_of("require_backup.trusted_accounts", gate.trusted_accounts)
    except InputError as error:
        return Gate(False, str(error))
    stranger = next(iter(faults(gate.dir, others)), None)
    if stranger:
        return Gate(False, _words(stranger, gate.dir))
    return judge_gate(gate, read_sets(gate.dir, host, others), host.now(), covers(database, names))


def _words(stranger: Fault, folder: str) -> str:
    """Return what shuts the gate: a place on the way to the sets that another account can change, or may."""
    if stranger.owner is not None:
        return f"{stranger.path} belongs to uid {stranger.owner}, who can replace the sets in {folder}"
    return stranger.words if stranger.unseen else f"{stranger.words}, and so replace the sets in {folder}"


def covers(database: Database, names: Sequence[str]) -> Callable[[Mapping[str, Any]], bool]:
    """Given a database and its names, return the test whether a source of a set is a copy of it."""
    key = "path" if database.engine == "sqlite" else "database"
    wanted = {_same_place(name) if key == "path" else name for name in names}

    def test(source: Mapping[str, Any]) -> bool:
        if source.get("type") != database.engine:
            return False
        value = str(source.get(key) or "")
        return value == "*" or (_same_place(value) if key == "path" else value) in wanted

    return test


def _same_place(path: str) -> str:
    """Return a path in one form: without symlinks, and on Windows without regard to case and kind of slash."""
    return os.path.normcase(real_path(path))


def judge_gate(
    gate: BackupGate, sets: Sequence[BackupSet], now: float, test: Callable[[Mapping[str, Any]], bool]
) -> Gate:
    """Given the sets that were found, return whether the newest that copies the database is verified and young."""
    copies = sorted((s for s in sets if any(map(test, s.sources))), key=lambda s: s.created, reverse=True)
    if not copies:
        return Gate(False, f"no backup set below {gate.dir} holds it")
    for copy in copies:
        if not _flaw(gate, copy, now):
            age = human_seconds(max(0, now - copy.created))
            return Gate(True, f"backup {copy.id} is verified and {age} old", copy.id)
    return Gate(False, f"the newest backup of it, {copies[0].id}, {_flaw(gate, copies[0], now)}")


def _flaw(gate: BackupGate, copy: BackupSet, now: float) -> str:
    age = now - copy.created
    if copy.flaw:
        return copy.flaw
    if age < -CLOCK_TOLERANCE_S:
        return "was made in the future: one of the two clocks is wrong"
    if age > gate.max_age_s:
        return f"is {human_seconds(age)} old, expected at most {human_seconds(gate.max_age_s)}"
    return ""


def read_sets(folder: str, host: Host, others: Others = NOBODY_ELSE) -> list[BackupSet]:
    """Given the folder of the sets, return those that have a readable manifest; partial ones are no sets."""
    try:
        names = sorted(entry.name for entry in Path(folder).iterdir() if entry.is_dir() and not entry.is_symlink())
    except OSError:
        return []
    found = (_read_set(Path(folder, name), host, others) for name in names if not name.endswith(PARTIAL))
    return [backup for backup in found if backup is not None]


def _read_set(folder: Path, host: Host, others: Others) -> Optional[BackupSet]:
    manifest = _read_json(folder / "manifest.json", host)
    try:
        created = datetime.fromisoformat(str(manifest["created"]).replace("Z", "+00:00"))
        sources = tuple(dict(source) for source in manifest["sources"])
    except (KeyError, TypeError, ValueError):
        return None
    if created.tzinfo is None:
        created = created.replace(tzinfo=timezone.utc)
    flaw = _others(folder, others) or verification_flaw(
        folder.name, manifest, _read_json(folder / "verified.json", host)
    )
    return BackupSet(folder.name, created.timestamp(), sources, flaw)


def _others(folder: Path, trusted: Others) -> str:
    """Return which other account could have made a set, or written what it says of itself; empty where none could."""
    try:
        found = [fault_of(str(path), trusted) for path in (folder, folder / "manifest.json", folder / "verified.json")]
    except OSError:
        return ""  # what is not there is told by the set's own files
    fault = next(filter(None, found), "")
    return f"could have been made by another account: {fault}" if fault else ""


def _read_json(path: Path, host: Host) -> dict[str, Any]:
    try:
        value = json.loads(host.read(str(path), MAX_MANIFEST))
    except (CoreError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def verification_flaw(name: str, manifest: Mapping[str, Any], verified: Mapping[str, Any]) -> str:
    """Given a set's folder name and its two files, return why it does not count as verified, or an empty text."""
    level = str(verified.get("level", ""))
    if not verified:
        return "is not verified"
    if manifest.get("id") != name or verified.get("set") != name:
        return "names another set in its own files"
    if verified.get("ok") is not True:
        return "did not pass its verification"
    if not (level[:1] == "L" and level[1:].isdigit() and int(level[1:]) >= MIN_LEVEL):
        return f"is verified to level {level or 'none'}, expected L{MIN_LEVEL} or higher"
    return ""
