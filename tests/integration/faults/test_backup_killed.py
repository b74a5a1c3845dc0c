# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""kill -9 at any point of a backup: no set without a valid manifest is ever visible, and the next run sweeps."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from .backup_lab import RUNNER, answer, json, leftovers, params, run, visible_sets

POINTS = [
    ("right after the lock was taken", "act.sweep_all", 1),
    ("after the folder was made, before its owner is known", "store.publish.publish_file", 1),
    ("after the set was begun", "+make.begin", 1),
    ("in the middle of the archive", "sources.files.archive.Archive._flush", 3),
    ("in the middle of the database's copy", "sources.sqlite.snapshot._Progress.__call__", 2),
    ("when the database was packed", "+sources.sqlite.back_up._pack", 1),
    ("before the manifest is written", "make.write_manifest", 1),
    ("after the manifest was written", "+make.write_manifest", 1),
    ("in the middle of reading it back", "verification._open", 1),
    ("before the evidence is written", "make.record_verification", 1),
    ("before it gets its name", "store.publish.publish_folder", 1),
    ("after it got its name", "+store.publish.publish_folder", 1),
    ("before the old set is removed", "act._prune", 1),
    ("in the middle of removing the old set", "store.publish.shutil.rmtree", 1),
    ("before the run is remembered", "act.remember_run", 1),
]
# After its name was given the new set is there, whatever comes then.
PUBLISHED = {point for why, point, _nth in POINTS[11:]}


@pytest.fixture
def options(tmp_path) -> dict:
    (tmp_path / "config").mkdir()
    for number in range(40):
        (tmp_path / "config" / f"file {number}").write_bytes(random.Random(number).randbytes(100_000))
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        connection.execute("CREATE TABLE trades (id INTEGER PRIMARY KEY, content BLOB)")
        connection.executemany("INSERT INTO trades (content) VALUES (?)", [(os.urandom(3000),)] * 3000)
        connection.commit()
    return {
        "sources": [
            {"name": "config", "type": "files", "path": str(tmp_path / "config")},
            {"name": "main", "type": "sqlite", "path": str(tmp_path / "app.db")},
        ],
        "retention": {"daily": 1, "min_keep": 1},
    }


def in_the_next_second() -> None:
    """Wait until a set would get another time: those of one second have no order, and neither is older."""
    time.sleep(1.01 - time.time() % 1)


def swept_hours_later(folder: Path, options: dict) -> None:
    """Let hours pass for what was left half made, and prove that the next run sweeps it."""
    for name in leftovers(folder / "backups"):
        owner = folder / "backups" / name / "owner.json"
        if owner.exists():
            owner.write_text(json.dumps({**json.loads(owner.read_text()), "until": 0}))
        os.utime(folder / "backups" / name, (0, 0))
    in_the_next_second()
    assert answer(run(folder, **options))["failure"] == ""
    assert leftovers(folder / "backups") == []
    assert len(visible_sets(folder / "backups")) == 1


@pytest.mark.parametrize(("why", "point", "nth"), POINTS, ids=[case[0] for case in POINTS])
def test_killed(tmp_path, options, why, point, nth):
    backups = tmp_path / "backups"
    first = answer(run(tmp_path, **options))["set"]["id"]
    in_the_next_second()
    died = run(tmp_path, point, str(nth), **options)
    assert died.returncode == -signal.SIGKILL, f"the run did not come by {point}: {died.stdout}{died.stderr}"
    left = visible_sets(backups)
    assert len(left) >= 1
    assert (first in left) or point in PUBLISHED
    assert (len(set(left) - {first}) == 1) is (point in PUBLISHED)
    in_the_next_second()
    after = answer(run(tmp_path, **options))
    assert (after["failure"], after["set"]["good"]) == ("", True)
    assert list(visible_sets(backups)) == [after["set"]["id"]]
    swept_hours_later(tmp_path, options)


def test_killed_at_random_moments(tmp_path, options):
    """The points above are known to the code; these are not."""
    begun = time.monotonic()
    answer(run(tmp_path, **options))
    whole = time.monotonic() - begun
    chance = random.Random(20261122)
    for _unused in range(12):
        argv = [sys.executable, str(RUNNER), json.dumps(params(tmp_path, **options))]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(chance.uniform(0, whole))
            process.kill()
        assert visible_sets(tmp_path / "backups"), "a good set was lost"
    after = answer(run(tmp_path, **options))
    assert after["failure"] == ""
    assert len(visible_sets(tmp_path / "backups")) == 1
    swept_hours_later(tmp_path, options)


def test_two_runs_at_once(tmp_path, options):
    """One takes the set, the other is told who works on the host; neither harms the other."""
    argv = [sys.executable, str(RUNNER), json.dumps(params(tmp_path, **options))]
    both = [subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _unused in range(2)]
    ends = [(process.communicate(), process.returncode) for process in both]
    codes = sorted(code for _said, code in ends)
    said = "".join(text for (_out, text), _code in ends)
    assert codes[0] == 0
    assert codes[1] == 0 or "B1.1 backup_archive" in said
    assert leftovers(tmp_path / "backups") == []
    assert visible_sets(tmp_path / "backups")


def test_ended_politely(tmp_path, options):
    """SIGTERM is how a scheduler or a shutdown ends a run; what it leaves is swept like anything else."""
    answer(run(tmp_path, **options))
    argv = [sys.executable, str(RUNNER), json.dumps(params(tmp_path, **options))]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not list(Path(tmp_path, "backups").glob("*.partial")) and process.poll() is None:
            time.sleep(0.005)
        process.terminate()
    assert len(visible_sets(tmp_path / "backups")) == 1
    assert answer(run(tmp_path, **options))["failure"] == ""
    swept_hours_later(tmp_path, options)
