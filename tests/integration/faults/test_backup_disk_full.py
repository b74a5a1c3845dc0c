# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A full disk at any moment of a backup: a clear finding, no half set, and nothing of what was there is lost."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from plugins.module_utils.backup.examples import act, status

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import plan, space

from .backup_lab import leftovers, small_disk, visible_sets

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
MEGABYTE = 1 << 20


@pytest.fixture
def place(tmp_path) -> Iterator[Path]:
    """A folder whose backups lie on a disk of 24 MB; sources and memory lie elsewhere."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "small").write_bytes(os.urandom(MEGABYTE))
    with small_disk(tmp_path / "backups", "24m"):
        yield tmp_path


def config(place: Path, **more) -> dict:
    return {"sources": [{"name": "config", "type": "files", "path": str(place / "config")}], **more}


def grow(place: Path, megabytes: int) -> None:
    (place / "config" / "large").write_bytes(os.urandom(megabytes * MEGABYTE))


@pytest.mark.parametrize("compression", ["auto", "gzip", "none"])
def test_full_in_the_middle_of_an_archive(place, compression):
    first = act(place, **config(place)).data["set"]["id"]
    grow(place, 40)
    result = act(place, **config(place, space_factor=0.0, compression=compression))
    assert "the disk was full" in result.failure
    assert status(result, "backup.source") == "critical"
    assert status(result, "backup.taken") == "critical"
    assert list(visible_sets(place / "backups")) == [first]
    assert leftovers(place / "backups") == []


def test_full_is_foreseen(place):
    first = act(place, **config(place)).data["set"]["id"]
    grow(place, 40)
    result = act(place, **config(place))
    assert "not enough room" in result.failure
    assert status(result, "backup.space") == "critical"
    assert list(visible_sets(place / "backups")) == [first]


def test_full_does_not_excuse_an_optional_source(place):
    """A full disk would leave out one optional source after the other, and call what is left a set."""
    grow(place, 40)
    (place / "few").write_text("x")
    few = {"name": "few", "type": "files", "path": str(place / "few"), "optional": True}
    sources = [few, {**config(place)["sources"][0], "optional": True}]
    result = act(place, sources=sources, space_factor=0.0)
    assert "the disk was full" in result.failure
    assert visible_sets(place / "backups") == {}


def test_full_while_a_database_is_copied(place, monkeypatch):
    with closing(sqlite3.connect(place / "app.db")) as connection:
        connection.execute("CREATE TABLE bulk (content BLOB)")
        connection.executemany("INSERT INTO bulk VALUES (?)", [(os.urandom(4000),)] * 9000)
        connection.commit()
    sources = [{"name": "main", "type": "sqlite", "path": str(place / "app.db")}]
    result = act(place, sources=sources, space_factor=0.0)
    assert "not enough room" in result.failure  # the unpacked copy is counted whatever the factor
    # somebody else writes to that disk as well, so the room that was there when the run began is gone
    monkeypatch.setattr(plan, "predict_space", lambda *_unused: space.Space(1 << 40, 0, 0, "a guess"))
    result = act(place, sources=sources)
    assert "the disk was full" in result.failure
    assert visible_sets(place / "backups") == {}
    assert leftovers(place / "backups") == []


def test_full_at_every_write(place):
    """Leave a little more room each time: whichever write fails, there is a whole set or none."""
    grow(place, 2)
    filler = place / "backups" / "filler"
    outcomes = []
    for pages in range(0, 1200, 24):
        filler.write_bytes(b"")
        free = os.statvfs(place / "backups").f_bavail * os.statvfs(place / "backups").f_frsize
        filler.write_bytes(bytes(max(0, free - pages * 4096)))
        before = set(visible_sets(place / "backups"))
        result = act(place, **config(place, space_factor=0.0))
        made = set(visible_sets(place / "backups")) - before
        assert before <= set(visible_sets(place / "backups"))
        assert leftovers(place / "backups") == ["filler"]
        assert len(made) == (0 if result.failure else 1)
        outcomes.append(bool(result.failure))
        for done in made:
            remove(place / "backups" / done)
    assert outcomes[0] is True
    assert outcomes[-1] is False


def remove(folder: Path) -> None:
    if (folder.parent / "latest").is_symlink():
        (folder.parent / "latest").unlink()
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


def test_the_last_set_survives_when_the_next_does_not_fit(place):
    """Nothing is pruned to make room, and nothing before its replacement is verified."""
    given = config(place, retention={"daily": 1, "min_keep": 1})
    first = act(place, **given).data["set"]["id"]
    grow(place, 40)
    result = act(place, **{**given, "space_factor": 0.0})
    assert result.failure
    assert list(visible_sets(place / "backups")) == [first]
    (place / "config" / "large").unlink()
    time.sleep(1.1)  # a set's time is a whole second, and of two of the same second neither is the older one
    assert act(place, **given).failure == ""
    assert first not in visible_sets(place / "backups")
