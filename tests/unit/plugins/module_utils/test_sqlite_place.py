# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A database is a regular file with regular files beside it, or it is not opened: nobody waits for a pipe for ever."""

from __future__ import annotations

import errno
import multiprocessing
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils import sqlite_place
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.run import run as vacuum
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import SourceDenied, SourceMissing
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.reading import real_path
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sqlite_place import connect, locate, place_of

from .backup.examples import act, database
from .backup.examples import sqlite as source
from .database.options import options
from .database.options import sqlite as entry

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes in folders")
ENDS = ("", "-wal", "-journal", "-shm")


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """Return what a run comes to, in a process of its own that is ended where it waits for something."""
    context = multiprocessing.get_context("fork")
    answers: Any = context.Queue()
    process = context.Process(target=lambda: answers.put(work()), daemon=True)
    process.start()
    try:
        return answers.get(timeout=seconds)
    finally:
        process.kill()
        process.join()


def piped(folder: Path, end: str) -> Path:
    """Make a database of which one file is a pipe."""
    path = folder / "v.db"
    if end:
        database(path)
    os.mkfifo(f"{path}{end}")
    return path


@pytest.mark.parametrize("end", ENDS)
def test_a_pipe_ends_no_look_at_a_database(end: str, tmp_path: Path) -> None:
    path = piped(tmp_path, end)
    found = database(tmp_path / "sound.db")
    chosen = options([entry("piped", str(path)), entry("sound", str(found))], state_dir=str(tmp_path / "state"))
    result = within(20.0, lambda: vacuum(chosen, choose_host(60.0)))
    told = [one for one in result.findings if one.subject == "piped"]
    assert [(one.check, one.status) for one in told] == [("database.reachable", "unknown")]
    assert told[0].message == f"{path}{end} cannot be read: it is a pipe, not a regular file; it was not opened"
    assert [one.status for one in result.findings if one.subject == "sound" and one.check == told[0].check] == ["ok"]


@pytest.mark.parametrize("end", ENDS)
def test_a_pipe_is_no_source_and_not_said_to_be_missing(end: str, tmp_path: Path) -> None:
    path = piped(tmp_path, end)
    result = within(20.0, lambda: act(tmp_path, sources=[source("main", path)]))
    assert f"{path}{end} cannot be read: it is a pipe, not a regular file" in result.failure
    assert "does not exist" not in result.failure
    assert not (tmp_path / "backups").exists()


@pytest.mark.case("L5a")
def test_a_pipe_that_takes_the_file_s_place_after_the_look_is_not_waited_for(tmp_path: Path) -> None:
    path = database(tmp_path / "v.db")

    def swapped_after_the_look() -> str:
        real = sqlite_place.require_still

        def swap(location: sqlite_place.Location) -> None:
            path.unlink(missing_ok=True)
            os.mkfifo(path)
            real(location)

        sqlite_place.require_still = swap
        with pytest.raises(SourceDenied) as refused:
            connect(str(path), f"file:{path}?mode=ro")
        return str(refused.value)

    assert "a pipe" in within(20.0, swapped_after_the_look)  # type: ignore[arg-type]


def test_what_is_neither_file_nor_pipe_is_named(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "socket"))
        for name, kind in (("", "a folder"), ("socket", "a socket")):
            with pytest.raises(SourceDenied, match=f"it is {kind}, not a regular file"):
                locate(str(tmp_path / name))
    with pytest.raises(SourceDenied, match="it is a device"):
        locate("/dev/null")


def test_a_link_beside_a_database_is_refused_as_sqlite_does(tmp_path: Path) -> None:
    path = database(tmp_path / "v.db")
    (tmp_path / "v.db-wal").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SourceDenied, match=r"v\.db-wal cannot be read: it is a symlink"):
        locate(str(path))


@pytest.mark.parametrize("name", ["none.db", "none/v.db", "v.db\0"])
def test_what_is_not_there_is_missing(name: str, tmp_path: Path) -> None:
    with pytest.raises(SourceMissing):
        locate(str(tmp_path / name))


def test_one_s_own_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    path = database(tmp_path / "real" / "v.db")
    (tmp_path / "folder").symlink_to("real")
    (tmp_path / "link.db").symlink_to(tmp_path / "folder" / "v.db")
    for declared in (tmp_path / "link.db", tmp_path / "folder" / "v.db"):
        assert locate(str(declared)).path == str(path.resolve())


@pytest.mark.parametrize("name", ["latest", "20260101T000000Z-00000a/manifest.json"])
def test_a_pipe_in_the_backup_folder_ends_no_look_at_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / "backups" / name
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    assert within(20.0, lambda: act(tmp_path, state="listed")).data["sets"] == []


def test_a_link_that_becomes_a_file_while_it_is_looked_up_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What os.path.realpath does then is what the race of tests/integration/faults met for real."""

    def refused(path: str, *_more: object) -> str:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)

    monkeypatch.setattr(os.path, "realpath", refused)
    assert real_path(str(tmp_path / "x" / "..")) == str(tmp_path)


def test_what_is_not_to_be_opened_is_where_it_is_declared(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(database(tmp_path / "v.db"))
    os.mkfifo(tmp_path / "pipe.db")
    (tmp_path / "to pipe.db").symlink_to("pipe.db")
    assert place_of(str(tmp_path / "link.db")) == str((tmp_path / "v.db").resolve())
    assert place_of(str(tmp_path / "to pipe.db")) == str(tmp_path / "to pipe.db")


def test_a_file_of_the_host_is_read_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "service.pid")

    def read() -> str:
        with pytest.raises(SourceDenied) as refused:
            choose_host(60.0).read(str(tmp_path / "service.pid"))
        return str(refused.value)

    assert "it is a pipe, expected a file" in within(20.0, read)  # type: ignore[arg-type]
