# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PostgreSQL faults in the middle of a backup, beside a writer that must not notice: no set, a clear finding, and the
server, its sessions and the sets as they were before. What its tools do wrong is in tests/integration/faults.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from plugins.module_utils.backup.examples import act, found, status

from ..database.postgres_server import Server, binaries, running_server
from ..faults.backup_lab import leftovers, small_disk, visible_sets

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or binaries() is None, reason="needs root and a PostgreSQL server")
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server(binaries()) as running:
        running.sql("postgres", "CREATE DATABASE main")
        running.sql(
            "main",
            "CREATE TABLE trades (id int GENERATED ALWAYS AS IDENTITY, side text)",
            "CREATE TABLE bulk AS SELECT md5(n::text) || md5((n + 1)::text) AS x FROM generate_series(1, 20000) n",
        )
        yield running


def source(server: Server, **more: Any) -> dict[str, Any]:
    login = {"login_unix_socket": str(server.folder), "login_port": server.port, "system_user": server.account}
    return {"name": "pg", "type": "postgresql", "database": "main", "bin_dir": str(server.bin), **login, **more}


LOOP = "while :; do psql -qAtc \"INSERT INTO trades (side) VALUES ('left')\"; sleep 0.05; done"


@contextmanager
def writing(server: Server) -> Iterator[None]:
    """Have somebody write rows all the time, in a process of its own."""
    login = {"PGHOST": str(server.folder), "PGPORT": str(server.port), "PGDATABASE": "main", "PGAPPNAME": "trader"}
    argv = ["runuser", "-u", server.account, "--", "sh", "-c", LOOP]
    env = {**os.environ, **login, "PATH": f"{server.bin}:{os.environ['PATH']}"}
    process = subprocess.Popen(argv, env=env, cwd="/", stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def rows(server: Server) -> int:
    return server.sql("main", "SELECT count(*) FROM trades")[0][0]


@contextmanager
def undisturbed(server: Server, place: Path) -> Iterator[None]:
    """Prove of a block that nothing of it stays, that others can write, and that the next run makes a set."""
    before = set(visible_sets(place / "backups"))
    with writing(server):
        yield
        written = rows(server)
        time.sleep(1.0)
        assert rows(server) > written, "nobody can write any more"
    assert set(visible_sets(place / "backups")) == before
    assert [name for name in leftovers(place / "backups") if name != "filler"] == []
    assert sessions(server) == []
    (place / "backups" / "filler").unlink(missing_ok=True)
    time.sleep(1.01 - time.time() % 1)
    again = act(place, sources=[source(server)], space_factor=0.0)
    assert (again.failure, again.data["set"]["good"]) == ("", True)


def sessions(server: Server) -> list[tuple]:
    """Return what is still connected for a backup; one that was just told to end has a moment for it."""
    asked = (
        "SELECT pid, application_name, query FROM pg_stat_activity WHERE backend_type = 'client backend' "
        "AND pid <> pg_backend_pid() AND application_name <> 'trader'"
    )
    until = time.monotonic() + 5
    while server.sql("postgres", asked) and time.monotonic() < until:
        time.sleep(0.1)
    return server.sql("postgres", asked)


def no_set(result, words: str) -> None:
    assert words in result.failure
    assert status(result, "backup.taken") == "critical"
    [told] = found(result, "backup.source")
    assert (told.subject, told.status, words in told.message) == ("pg", "critical", True)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that the server's account may enter, with a small disk for the sets."""
    folder = Path(tempfile.mkdtemp(prefix="cryptobot-faults-"))
    folder.chmod(0o755)
    with small_disk(folder / "backups", "64m"):
        yield folder
    shutil.rmtree(folder)


@contextmanager
def held(server: Server) -> Iterator[int]:
    """Hold a table in the middle of the dump, and yield."""
    holder = server.connect("main")
    holder.autocommit = False
    with holder.cursor() as cursor:
        cursor.execute("LOCK TABLE bulk IN ACCESS EXCLUSIVE MODE")
    try:
        yield holder.info.backend_pid
    finally:
        holder.close()


def end_dump(server: Server, ended: list[int]) -> None:
    """Kill, as the system does where memory is short, the server's process that serves pg_dump."""
    asked = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '^LOCK TABLE .*ACCESS SHARE'"
    until = time.monotonic() + 30
    while not ended and time.monotonic() < until:
        words = ("-h", str(server.folder), "-p", str(server.port), "-d", "postgres", "-qAtc", asked)
        for pid in server.run("psql", *words).split():  # as a process: the account is that of the whole of this one
            os.kill(int(pid), signal.SIGKILL)
            ended.append(int(pid))


def test_the_server_s_process_is_killed_in_the_middle_of_a_dump(server, place):
    """PostgreSQL ends all sessions then and recovers; whoever connects anew finds everything."""
    act(place, sources=[source(server)])
    ended: list[int] = []
    with undisturbed(server, place):
        with held(server):
            thread = threading.Thread(target=end_dump, args=(server, ended), daemon=True)
            thread.start()
            result = act(place, sources=[source(server, rows="none", lock_wait_timeout=60)])
            thread.join()
        wait_until_it_answers(server)
        assert ended, "pg_dump was not caught in the middle"
        no_set(result, "server closed the connection")


def wait_until_it_answers(server: Server) -> None:
    for _attempt in range(100):
        try:
            server.sql("postgres", "SELECT 1")
        except Exception:  # noqa: BLE001 - it is recovering
            time.sleep(0.1)
        else:
            return


def test_a_lock_held_for_ever_ends_the_run_and_not_who_holds_it(server, place):
    act(place, sources=[source(server)])
    with undisturbed(server, place), held(server) as pid:
        result = act(place, sources=[source(server, lock_wait_timeout=1)])
        no_set(result, "canceling statement due to")
        assert server.sql("postgres", f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid:d}") == [(1,)]


def test_full_at_each_write_of_a_dump(server, place):
    """Leave a little more room each time: the dump, the roles, the manifest and the evidence each find no room once."""
    act(place, sources=[source(server)])
    taken = sum(path.stat().st_size for path in (place / "backups").rglob("*") if path.is_file())
    outcomes: list[str] = []
    filler = place / "backups" / "filler"
    with undisturbed(server, place):
        before = set(visible_sets(place / "backups"))
        nearly = (taken - 65536, taken - 16384, taken - 8192, taken - 4096)
        for share in (0, 4096, 65536, taken // 2, *nearly, taken + MEGABYTE):
            filler.write_bytes(b"")
            room = os.statvfs(place / "backups")
            filler.write_bytes(bytes(max(0, room.f_bavail * room.f_frsize - share - 8192)))
            time.sleep(1.01 - time.time() % 1)
            result = act(place, sources=[source(server)], space_factor=0.0)
            outcomes.append(result.failure)
            made = set(visible_sets(place / "backups")) - before
            assert len(made) == (0 if result.failure else 1)
            assert leftovers(place / "backups") == ["filler"]
            for set_id in made:
                (place / "backups" / "latest").unlink()
                shutil.rmtree(place / "backups" / set_id)
    assert outcomes[-1] == ""
    assert all("full" in why for why in outcomes[:4])


def test_a_server_newer_than_pg_dump_is_refused_before_anything_is_written(server, place):
    """The newest pg_dump here is asked to dump a server that says it is newer: the version is all that is compared."""
    act(place, sources=[source(server)])
    older = place / "bin"
    older.mkdir()
    older.chmod(0o755)
    for tool in ("psql", "pg_dumpall", "pg_restore"):
        (older / tool).symlink_to(server.bin / tool)
    (older / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n")
    (older / "pg_dump").chmod(0o755)
    with undisturbed(server, place):
        no_set(act(place, sources=[source(server, bin_dir=str(older))]), "pg_dump is of version 9, expected")
