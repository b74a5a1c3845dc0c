# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Four writers, set after set, and kill -9 among all of them: each published set holds a committed prefix.

A set has to hold what was committed before it was begun, nothing that was begun after it was published, and of each
writer every entry up to its last one, whole. No set may fail for a lock that is shorter than the declared wait.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from plugins.module_utils.backup.examples import params  # tests/unit is on the path

HERE = Path(__file__).parent
ROUNDS = HERE.parent / "faults" / "backup_rounds.py"
WRITERS, AT_MOST = 4, 30  # writers; sets of one process


class Lab(NamedTuple):
    """A database, what writes to it and what backs it up."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "app.db"

    def log(self, number: int) -> Path:
        return self.folder / f"writer{number}.log"

    def writer(self, number: int) -> subprocess.Popen[bytes]:
        argv = [sys.executable, str(HERE / "sqlite_writer.py"), str(self.database), str(number), str(self.log(number))]
        return subprocess.Popen(argv)

    def backups(self) -> subprocess.Popen[bytes]:
        """Begin to take set after set, 50 ms apart."""
        source = {"name": "main", "type": "sqlite", "path": str(self.database), "lock_wait_timeout": 20.0}
        options = params(self.folder, sources=[source], compression="none", verify_level="L1")
        argv = [sys.executable, str(ROUNDS), json.dumps(options), "fake", str(AT_MOST), "0.05"]
        with (self.folder / "sets.log").open("ab") as log:
            return subprocess.Popen(argv, stdout=log)


@pytest.fixture(params=["WAL", "DELETE"])
def lab(request, tmp_path) -> Lab:
    found = Lab(tmp_path)
    with closing(sqlite3.connect(found.database)) as connection:
        connection.execute(f"PRAGMA journal_mode={request.param}")
        connection.execute(
            "CREATE TABLE ledger (writer INT, n INT, half INT, filling BLOB, PRIMARY KEY (writer, n, half))"
        )
        connection.execute("CREATE TABLE counts (writer INT PRIMARY KEY, n INT)")
        connection.executemany("INSERT INTO counts VALUES (?, 0)", [(number,) for number in range(WRITERS)])
        connection.commit()
    return found


def one_round(lab: Lab, chance: random.Random, seconds: float) -> int:
    """Let all of them work, kill some of them, let others follow; return how many sets were published and hold."""
    writers = {number: lab.writer(number) for number in range(WRITERS)}
    backups, ends = lab.backups(), time.monotonic() + seconds
    all_at_once = chance.random() < 0.25  # then nobody has the database open, and what they left is unfinished
    try:
        while time.monotonic() < ends:
            time.sleep(chance.uniform(0.05, 0.4))
            for number in range(WRITERS) if all_at_once else [chance.randrange(WRITERS)]:
                writers[number].kill()
                writers[number].wait()
                if not all_at_once:
                    writers[number] = lab.writer(number)
            if chance.random() < 0.3:
                backups.kill()
                backups.wait()
                backups = lab.backups()
        wait_for_a_set(lab, backups)
    finally:
        for process in (*writers.values(), backups):
            process.kill()
            process.wait()
    return checked(lab)


def wait_for_a_set(lab: Lab, backups: subprocess.Popen[bytes]) -> None:
    """Give a process that was begun a moment ago the time for one set."""
    log, ends = lab.folder / "sets.log", time.monotonic() + 30
    before = log.stat().st_size
    while log.stat().st_size == before and backups.poll() is None:
        assert time.monotonic() < ends, "no set came within 30 s"
        time.sleep(0.02)


def checked(lab: Lab) -> int:
    """Prove each set of a round and take it away; return how many there were."""
    failures = [json.loads(line)["failure"] for line in (lab.folder / "sets.log").read_text().splitlines()]
    assert [failure for failure in failures if failure] == []
    folders = sorted((lab.folder / "backups").glob("2*Z-??????"))
    for folder in folders:
        prove(lab, folder)
    shutil.rmtree(lab.folder / "backups")
    (lab.folder / "sets.log").unlink()
    return len(folders)


def prove(lab: Lab, folder: Path) -> None:
    begun = datetime.fromisoformat(json.loads((folder / "manifest.json").read_text())["created"].replace("Z", "+00:00"))
    ended = (folder / "verified.json").stat().st_mtime
    with closing(sqlite3.connect(f"file:{folder}/main/database.sqlite?immutable=1", uri=True)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        counts = dict(copy.execute("SELECT writer, n FROM counts"))
        rows = copy.execute("SELECT writer, n, half FROM ledger ORDER BY writer, n, half").fetchall()
    assert rows == [
        (writer, n, half) for writer in sorted(counts) for n in range(1, counts[writer] + 1) for half in (0, 1)
    ]
    for writer, count in counts.items():
        least, most = bounds(lab.log(writer), begun.timestamp(), ended)
        assert least <= count <= most, f"{folder.name}: writer {writer} has {count}, {least} to {most} are possible"


def bounds(log: Path, begun: float, ended: float) -> tuple[int, int]:
    """Return the last entry that was committed before a set was begun, and the last that was begun before its end."""
    least = most = 0
    for line in log.read_text().splitlines() if log.exists() else ():
        word, number, at = line.split()
        if word == "done" and float(at) < begun:
            least = max(least, int(number))
        if word == "begin" and float(at) < ended:
            most = max(most, int(number))
    return least, most


def test_each_set_holds_a_committed_prefix(lab):
    chance = random.Random(20261129)
    assert sum(one_round(lab, chance, 1.0) for _unused in range(5)) >= 5


@pytest.mark.long
@pytest.mark.skipif(os.environ.get("LONG") != "1", reason="long: make test-long")
def test_each_set_holds_a_committed_prefix_through_a_hundred_rounds(lab):
    chance = random.Random(20261130)
    assert sum(one_round(lab, chance, chance.uniform(0.5, 2)) for _unused in range(100)) >= 100
