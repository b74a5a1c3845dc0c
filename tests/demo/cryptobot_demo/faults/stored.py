# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of what is stored: the database, a backup set.

Every function takes the demo and the fault's *notes*, a folder in which planting leaves what healing needs.
Planting returns a sentence that says what was done.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from ..root import Demo, DemoError

DAMAGED_INDEX = "ix_audit_logs_timestamp"


def corrupt_database(demo: Demo, notes: Path) -> str:
    """Overwrite the root page of an index; the damaged file is made beside and renamed, the sound one is kept."""
    path = demo.database
    offset, length = page_position(path, DAMAGED_INDEX)
    shutil.copy2(path, notes / "sound.db")
    shutil.copy2(path, notes / "damaged.db")
    with (notes / "damaged.db").open("r+b") as file:
        file.seek(offset)
        file.write(b"\xa5" * length)
    os.replace(notes / "damaged.db", path)
    return f"overwrote {length} bytes at {offset} of {path}: the root page of index {DAMAGED_INDEX}"


def page_position(path: Path, name: str) -> tuple[int, int]:
    """Given a database and the name of a table or index, return offset and size in bytes of its root page."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
    return (page - 1) * size, size


def repair_database(demo: Demo, notes: Path) -> None:
    """Put the sound file back."""
    if (notes / "sound.db").exists():
        os.replace(notes / "sound.db", demo.database)


def corrupt_backup(demo: Demo, notes: Path) -> str:
    """Turn over one byte in the largest file of the newest backup set."""
    payload = largest_payload(newest_set(demo.root / "backups"))
    position = payload.stat().st_size // 2
    (notes / "flipped.json").write_text(json.dumps({"path": str(payload), "position": position}), encoding="utf-8")
    flip_byte(payload, position)
    return f"turned over the byte at {position} of {payload}"


def repair_backup(demo: Demo, notes: Path) -> None:
    """Turn the byte back, if one was turned over and the file is still there."""
    if not (notes / "flipped.json").exists():
        return
    flipped = json.loads((notes / "flipped.json").read_text(encoding="utf-8"))
    if Path(flipped["path"]).exists():
        flip_byte(Path(flipped["path"]), flipped["position"])


def newest_set(backups: Path) -> Path:
    """Given the folder of the sets, return the newest complete one.  Raise DemoError where there is none."""
    manifests = sorted(backups.glob("*/manifest.json"), key=lambda manifest: manifest.stat().st_mtime)
    complete = [manifest.parent for manifest in manifests if not manifest.parent.is_symlink()]
    if not complete:
        raise DemoError(f"no backup set in {backups}: run the demo once without a fault first")
    return complete[-1]


def largest_payload(backup_set: Path) -> Path:
    """Given a set, return its largest file beside the manifest."""
    files = [path for path in backup_set.rglob("*") if path.is_file() and path.name != "manifest.json"]
    return max(files, key=lambda path: path.stat().st_size)


def flip_byte(path: Path, position: int) -> None:
    """Given a file and a position, invert the eight bits there; doing it twice restores the file."""
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 0xFF]))
