# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of a real file and its surroundings, and of a scripted macOS host."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite import collect as collecting
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.collect import (
    collect,
    space,
    temp_folder,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.holders import holders
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError, SourceMissing
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost

from .builders import make, unprivileged

# the environment, the folders that can be used, and the one that SQLite takes (tempfiles.html, 5)
FOLDERS: list[tuple[dict[str, str], set[str], str]] = [
    ({}, {"/var/tmp", "/tmp"}, "/var/tmp"),
    ({"TMPDIR": "/scratch"}, {"/scratch", "/var/tmp"}, "/scratch"),
    ({"TMPDIR": "/scratch", "SQLITE_TMPDIR": "/big"}, {"/scratch", "/big"}, "/big"),
    ({"SQLITE_TMPDIR": "/gone"}, {"/tmp"}, "/tmp"),
    ({"SQLITE_TMPDIR": ""}, {"/usr/tmp"}, "/usr/tmp"),
    ({}, {"."}, "."),
    ({}, set(), ""),
]


@pytest.mark.parametrize(("environment", "usable", "expected"), FOLDERS)
def test_the_temporary_folder_is_found_in_the_order_of_sqlite(
    environment: dict[str, str], usable: set[str], expected: str
) -> None:
    assert temp_folder(environment, lambda folder: folder in usable) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_sqlite_really_takes_that_folder(tmp_path: Path) -> None:
    program = (
        "import os, sqlite3\n"
        "c = sqlite3.connect('', isolation_level=None); c.execute('PRAGMA cache_size = 5')\n"
        "c.execute('CREATE TABLE t (a)')\n"
        "c.execute('INSERT INTO t WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n LIMIT 90000)"
        " SELECT randomblob(100) FROM n')\n"
        "links = (f'/proc/self/fd/{d}' for d in os.listdir('/proc/self/fd'))\n"
        "print([os.readlink(link) for link in links if os.path.lexists(link)])"
    )
    (tmp_path / "sqlite").mkdir()
    (tmp_path / "other").mkdir()
    environment = {"SQLITE_TMPDIR": str(tmp_path / "sqlite"), "TMPDIR": str(tmp_path / "other")}
    ran = subprocess.run([sys.executable, "-c", program], env={**os.environ, **environment}, capture_output=True,
                         text=True, check=True)  # fmt: skip
    assert str(tmp_path / "sqlite") in ran.stdout
    assert temp_folder(environment, os.path.isdir) == str(tmp_path / "sqlite")


def test_a_place_has_a_device_and_room_or_is_not_known(tmp_path: Path) -> None:
    here = space(str(tmp_path))
    assert here is not None and (here.device, here.free > 0) == (tmp_path.stat().st_dev, True)
    assert space(str(tmp_path / "gone")) is None


def test_a_real_file_is_seen_with_all_that_a_decision_needs(tmp_path: Path) -> None:
    path = make(tmp_path / "demo.db", "DELETE FROM trades WHERE id > 100")
    seen = collect(str(path), LinuxHost(60.0), full=False)
    assert (seen.path, seen.file_bytes, seen.wal_bytes) == (str(path), path.stat().st_size, 0)
    assert seen.free_bytes + seen.live_bytes == seen.file_bytes
    assert 0.4 < seen.free_ratio < 0.6
    assert seen.home is not None and seen.temp is not None and (seen.memory_free or 0) > 0
    assert (seen.is_wal, seen.is_replicated, seen.left_shm) == (False, False, False)
    assert seen.filesystem != ""


def test_a_link_is_followed_to_where_sqlite_puts_its_log(tmp_path: Path) -> None:
    real = make(tmp_path / "real.db", mode="wal")
    (tmp_path / "link.db").symlink_to(real)
    assert collect(str(tmp_path / "link.db"), LinuxHost(60.0), full=False).path == str(real)


def test_without_sight_of_other_accounts_a_database_that_nobody_uses_is_read_without_a_trace() -> None:
    with unprivileged() as folder:
        path = make(folder / "demo.db", mode="wal")
        seen = collect(str(path), LinuxHost(60.0), full=False)
        assert (seen.holders.complete, seen.is_wal) == (False, True)
        assert [other.name for other in folder.iterdir()] == ["demo.db"]


def test_litestream_is_known_by_its_folder(tmp_path: Path) -> None:
    path = make(tmp_path / "demo.db")
    (tmp_path / ".demo.db-litestream").mkdir()
    assert collect(str(path), LinuxHost(60.0), full=False).is_replicated


def test_a_log_that_waits_is_counted_and_what_sqlite_leaves_is_told(tmp_path: Path) -> None:
    path = make(tmp_path / "demo.db", mode="wal")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("UPDATE trades SET pair = 'x'")
        (tmp_path / "copy.db").write_bytes(path.read_bytes())
        (tmp_path / "copy.db-wal").write_bytes(Path(f"{path}-wal").read_bytes())
    seen = collect(str(tmp_path / "copy.db"), LinuxHost(60.0), full=False)
    assert seen.wal_bytes > 0
    assert seen.left_shm, "the log of a crashed writer cannot be read without its index"


@pytest.mark.parametrize(("name", "error"), [("none.db", SourceMissing), ("text.db", ParseError)])
def test_what_is_no_database_is_a_named_error(name: str, error: type, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("hello")
    with pytest.raises(error, match=name):
        collect(str(tmp_path / name), LinuxHost(60.0), full=False)


SLEEPER = "import sys; f = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_a_process_that_has_the_file_or_its_log_open_is_named(suffix: str, tmp_path: Path) -> None:
    path = make(tmp_path / "demo.db")
    Path(f"{path}{suffix}").touch()
    with subprocess.Popen(
        [sys.executable, "-c", SLEEPER, f"{path}{suffix}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "open\n"
        found = holders(str(path), LinuxHost(60.0))
        process.communicate("")
    assert [one.pid for one in found.processes] == [process.pid]
    assert f"(pid {process.pid})" in found.named()
    assert holders(str(path), LinuxHost(60.0)).processes == ()


def test_our_own_process_does_not_count(tmp_path: Path) -> None:
    path = make(tmp_path / "demo.db")
    with open(path, "rb"):
        assert holders(str(path), LinuxHost(60.0)).processes == ()


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_processes_that_cannot_be_seen_leave_it_open_who_has_the_file() -> None:
    with unprivileged() as folder:
        found = holders(str(make(folder / "demo.db")), LinuxHost(60.0))
    assert (found.complete, found.proved_none) == (False, False)


FILESYSTEMS = [
    (FakeHost("linux", files={"/proc/self/mountinfo": "36 35 98:0 / / rw - xfs /dev/root rw\n"}), "xfs"),
    (FakeHost("linux"), ""),
]


@pytest.mark.parametrize(("host", "expected"), FILESYSTEMS)
def test_the_file_system_is_asked_and_may_stay_unknown(host: FakeHost, expected: str) -> None:
    assert collecting.surroundings("/data/demo.db", host).filesystem == expected


MEMORY = [({"/proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   2048 kB\n"}, 2048 * 1024), ({}, None),
          ({"/proc/meminfo": "MemTotal: 9 kB\n"}, None)]  # fmt: skip


@pytest.mark.parametrize(("files", "expected"), MEMORY)
def test_free_memory_is_read_where_the_host_says_it(files: dict[str, Any], expected: Any) -> None:
    assert collecting.surroundings("/data/demo.db", FakeHost(files=files)).memory_free == expected
