# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A reader behind whom a write-ahead log cannot be cut off: the plan knows it, or says that it cannot. Real readers."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.collect import collect
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.log_reader import log_reader
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.model import (
    NO_READER,
    Holder,
    Holders,
    LogReader,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.plan import (
    FileInputs,
    FilePlan,
    make_plan,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

from .builders import DEFAULT_MB_S, OPEN, case, entry, make, settings

READER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM trades").fetchone()
print("reads", flush=True)
sys.stdin.read()
"""


@contextmanager
def reading(path: Path) -> Iterator[int]:
    """Have another process read a database as it is now, for a block."""
    argv = [sys.executable, "-c", READER, str(path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid


def write(connection: sqlite3.Connection, times: int = 3) -> None:
    for _time in range(times):
        connection.execute("UPDATE trades SET body = randomblob(3000)")
        connection.commit()


@pytest.fixture
def grown(tmp_path: Path) -> Iterator[tuple[Path, sqlite3.Connection]]:
    """A database in WAL mode that an application has open, with a log that is not in it."""
    path = make(tmp_path / "app.db", mode="wal", rows=20)
    with closing(sqlite3.connect(path)) as application:
        application.execute("PRAGMA wal_autocheckpoint = 0")
        write(application)
        yield path, application


def planned(path: Path) -> FilePlan:
    chosen = settings([entry(path=str(path), thresholds={"wal_bytes": "10K"})])
    seen = collect(str(path), choose_host(60.0), full=False)
    return make_plan(FileInputs(chosen.databases[0], chosen, seen, OPEN, DEFAULT_MB_S, 7200.0))


@pytest.mark.case("CL3")
def test_without_a_reader_the_plan_says_nothing_of_one(grown: tuple[Path, sqlite3.Connection]) -> None:
    path, _application = grown
    assert log_reader(str(path), choose_host()) == NO_READER
    [step] = [step for step in planned(path).steps if step.action == "checkpoint"]
    assert "reads" not in step.reason


@pytest.mark.case("CL3")
def test_a_reader_of_an_older_state_is_in_the_plan(grown: tuple[Path, sqlite3.Connection]) -> None:
    path, application = grown
    with reading(path) as pid:
        assert log_reader(str(path), choose_host()) == NO_READER, "it reads the newest state"
        write(application)
        found = log_reader(str(path), choose_host())
        assert (found.pid, found.unavailable) == (pid, "") and found.movable > 0
        [step] = [step for step in planned(path).steps if step.action == "checkpoint"]
        assert f"(pid {pid}) reads an older state: a part of it can be moved" in step.reason.split("; ")[1]
    assert log_reader(str(path), choose_host()) == NO_READER


@pytest.mark.case("CL3")
def test_a_checkpoint_that_could_move_nothing_is_refused_and_not_planned(
    grown: tuple[Path, sqlite3.Connection],
) -> None:
    path, application = grown
    with reading(path) as pid:
        write(application)
        application.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()  # all that the reader lets be moved
        plan = planned(path)
        assert "checkpoint" not in {step.action for step in plan.steps}
        [refusal] = plan.refusals
        assert (refusal.action, refusal.rule) == ("checkpoint", "database.locked")
        assert f"(pid {pid}) reads an older state, so nothing of the log can be moved" in refusal.reason


@pytest.mark.case("CL3")
@pytest.mark.parametrize("platform", ["windows", "plan9"])
def test_where_it_cannot_be_seen_that_is_said(grown: tuple[Path, sqlite3.Connection], platform: str) -> None:
    path, _application = grown
    found = log_reader(str(path), FakeHost(platform))
    assert found.unavailable == "this system does not say who reads it"
    wanted = {"header": case().snapshot.header, "wal_bytes": 1 << 30, "log_reader": found}
    [step] = [step for step in make_plan(case(**wanted)).steps if step.action == "checkpoint"]
    assert step.reason.split("; ")[1].endswith("cannot be seen beforehand: this system does not say who reads it")


def test_an_index_that_cannot_be_understood_is_said(tmp_path: Path) -> None:
    (tmp_path / "app.db-shm").write_bytes(b"short")
    assert "cannot be read" in log_reader(str(tmp_path / "app.db"), choose_host()).unavailable
    assert log_reader(str(tmp_path / "other.db"), choose_host()) == NO_READER


def test_a_reader_is_named_as_far_as_it_is_known() -> None:
    known = Holders((Holder(7, "trade"),), complete=True)
    for holders, expected in ((known, "trade (pid 7)"), (Holders((), complete=True), "pid 7")):
        plan = make_plan(case(wal_bytes=1 << 30, log_reader=LogReader(7), holders=holders))
        assert plan.refusals[0].reason.startswith(f"{expected} reads an older state")


def test_our_own_process_is_no_reader_in_the_way(grown: tuple[Path, sqlite3.Connection]) -> None:
    path, application = grown
    application.execute("SELECT 1 FROM trades").fetchone()
    found = log_reader(str(path), choose_host())
    assert found.pid in (None,) and found.pid != os.getpid()
