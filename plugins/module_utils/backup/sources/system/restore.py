# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restoring a system source beside: its files as a tree of their own, below FILES, and what commands printed next to
it. Nothing of it is put in its place by us: a new host has another firewall's interfaces, and packages are installed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ....errors import ActionFailed
from ...model import Notes, Payload, SourceCopy
from ...names import member_refusal
from ..files.unpack import require_room
from ..model import Bench, Reader, Restored

FILES = "files"
MODE = 0o600


def restore(entry: SourceCopy, reader: Reader, into: Path, bench: Bench) -> Restored:
    """Write every file of a source into an empty folder of ours. Raise ActionFailed where one would lie elsewhere."""
    require_room(entry.raw_bytes, into)
    notes = Notes()
    for payload in entry.payloads:
        facts = entry.facts["files"].get(payload.name, {})
        with reader.payload(payload.name) as path:
            _write(_place(payload, facts, into), path.read_bytes(), facts, notes)
        bench.pulse()
    proof = {"files": len(entry.payloads), "parts": dict(entry.facts["parts"])}
    return Restored(entry, entry.things, notes, proof)


def _place(payload: Payload, facts: dict[str, Any], into: Path) -> Path:
    """Return where a file belongs: below FILES as it lay, where it was one with an absolute path of POSIX."""
    origin = str(facts.get("from", ""))
    if not origin.startswith("/") or "mode" not in facts:
        return into / payload.name.split("/", 1)[1]
    name = origin[1:]
    refusal = member_refusal(name, "")
    if refusal:
        raise ActionFailed(f"{payload.name} comes from {origin!r}, which is no file's path: {refusal}")
    return into / FILES / name


def _write(path: Path, content: bytes, facts: dict[str, Any], notes: Notes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), MODE)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    if "uid" in facts and hasattr(os, "geteuid"):
        if os.geteuid() == 0:
            os.chown(path, int(facts["uid"]), int(facts["gid"]))
        elif (facts["uid"], facts["gid"]) != (os.geteuid(), os.getegid()):
            notes.add("owner", str(path))
    os.chmod(path, int(facts.get("mode", MODE)) & 0o777)
