# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/restore-by-hand.md is followed to the letter: its own blocks are run by a shell, and no code of ours.

What comes back is compared with what was there, by other tools than those that brought it back.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from plugins.module_utils.backup.examples import act, database, files, sqlite

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.files import archive as archiving
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

from ..database.postgres_server import Server, running_server
from ..faults.test_backup_postgresql import need_binaries, source
from .test_redis import running

PAGE = Path(__file__).resolve().parents[3] / "docs" / "restore-by-hand.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)
TOOLS = ("tar", "zstd", "sqlite3", "pg_restore", "psql", "createdb", "setfattr", "getfacl", "setfacl")


def blocks(*headings: str) -> str:
    """Return the blocks of the page's beginning and of some of its sections, one after the other."""
    beginning, *sections = re.split(r"^## ", PAGE.read_text(), flags=re.M)
    by_heading = {section.partition("\n")[0]: section for section in sections}
    return "".join("".join(BLOCK.findall(text)) for text in (beginning, *(by_heading[name] for name in headings)))


def followed(script: str, say: Mapping[str, object], **environment: str) -> str:
    """Run blocks with what is the reader's to say, and return what they print. It has to end well."""
    for name, value in say.items():
        script, count = re.subn(rf"^{name}=\S+", f"{name}={value}", script, flags=re.M)
        assert count == 1, f"the page says {name} {count} times"
    argv = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, **environment}, cwd="/")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing and not (os.environ.get("CI") == "true" and os.geteuid() == 0):
        pytest.skip(f"{', '.join(missing)} not on this machine: see requirements/debian.txt")
    assert not missing


@pytest.fixture
def install(tmp_path: Path) -> Path:
    """An installation with what makes a difference to whoever restores it."""
    root = tmp_path / "opt" / "cryptobot"
    (root / "config" / "empty").mkdir(parents=True)
    (root / "config" / "app.yml").write_text("key: 1\n")
    (root / "config" / "a name with 'quotes' and\nlines \\ näme").write_text("odd")
    (root / "current").symlink_to("/opt/nowhere/releases/5")
    (root / "tool").write_bytes(b"#!/bin/sh\n")
    (root / "tool").chmod(0o4755)
    os.link(root / "config" / "app.yml", root / "twin")
    with open(root / "holes", "wb") as stream:
        stream.seek(5 << 20)
        stream.write(b"end")
        stream.truncate(9 << 20)
    os.chown(root / "config" / "app.yml", 33, 33)
    os.setxattr(root / "config" / "app.yml", "user.note", b"two\nlines\0")
    os.setxattr(root / "config" / "a name with 'quotes' and\nlines \\ näme", "user.x", b"y")
    subprocess.run(["setfacl", "-m", "u:33:rw-,d:g:33:r-x", root / "config"], check=True)
    (root / "config" / "empty").chmod(0o2750)
    os.utime(root / "config", (1, 1_500_000_000))
    return root


def described(root: Path) -> str:
    """Return what other tools than tar say of all below a folder: find, getfacl, getfattr and sha256sum."""
    commands = (
        ["find", ".", "-printf", r"%P %y %m %U %G %Ts %s %n %l\n"],
        ["getfacl", "-R", "-P", "-n", "-p", "."],
        ["getfattr", "-R", "-P", "-h", "-d", "-m", "-", "-e", "hex", "."],
        ["find", ".", "-type", "f", "-exec", "sha256sum", "{}", "+"],
    )
    printed = [subprocess.run(argv, cwd=root, capture_output=True, text=True, check=True).stdout for argv in commands]
    return "\n".join("\n".join(sorted(text.split("\n"))) for text in printed)


def taken(folder: Path, *sources: Mapping[str, Any]) -> Path:
    result = act(folder, sources=list(sources), compression="zstd")
    assert result.failure == ""
    return Path(result.data["set"]["path"])


WHOLE, FILES, SQLITE, POSTGRESQL = "Is the set whole?", "Files", "SQLite", "PostgreSQL"
CHAIN, REDIS, RESTIC = "Files of an incremental set", "Redis", "From a repository of restic"
APPLICATION = "From an archive of the application's own scripts"


def test_files_and_a_database_come_back_by_the_page_alone(tmp_path, install):
    live = database(tmp_path / "live.db", rows=321)
    with closing(sqlite3.connect(live)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    found = taken(tmp_path, files("install", install), sqlite("auth", live))
    Path(f"{live}-wal").write_bytes(b"stale")
    script = blocks(WHOLE, FILES, SQLITE).replace("cryptobot:cryptobot", "33:33")
    printed = followed(script, {"SET": found, "BACK": tmp_path / "back", "LIVE": live})
    assert printed.count(": OK") == 4
    assert "ok" in printed.splitlines(), "integrity_check"
    assert described(tmp_path / "back" / "install" / str(install).lstrip("/")) == described(install)
    assert not Path(f"{live}-wal").exists()
    with closing(sqlite3.connect(live)) as connection:
        assert connection.execute("SELECT count(*) FROM trades").fetchone() == (321,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert (live.stat().st_uid, live.stat().st_mode & 0o777) == (33, 0o640)


@pytest.mark.parametrize("file", ["manifest.json", "install/archive.tar.zst", "install/index.jsonl.zst"])
def test_a_byte_that_changed_ends_it_before_anything_is_restored(tmp_path, install, file):
    found = taken(tmp_path, files("install", install))
    content = bytearray((found / file).read_bytes())
    content[len(content) // 2] ^= 1
    (found / file).write_bytes(content)
    with pytest.raises(AssertionError, match=r"FAILED|^\d|^<|^>"):
        followed(blocks(WHOLE, FILES), {"SET": found, "BACK": tmp_path / "back"})
    assert not (tmp_path / "back" / "install").exists()


def test_a_file_that_came_back_otherwise_is_named(tmp_path, install):
    found = taken(tmp_path, files("install", install))
    script = blocks(WHOLE, FILES)
    last = '(cd "$BACK/$SOURCE" && sha256sum'
    script = script.replace(last, f'find "$BACK" -name app.yml -exec cp /etc/hostname {{}} \\;\n{last}')
    with pytest.raises(AssertionError, match=r"app\.yml: FAILED"):
        followed(script, {"SET": found, "BACK": tmp_path / "back"})


def test_a_set_of_a_chain_comes_back_by_the_page_alone(tmp_path, install, monkeypatch):
    monkeypatch.setattr(archiving, "TICK", -60 * 10**9)  # what is written here a moment ago counts as old
    (install / "gone").mkdir()
    for name in ("gone/one", "gone/two", "other"):
        (install / name).write_text("deleted later")
    for path in install.rglob("*"):
        os.utime(path, (1_600_000_000, 1_600_000_000), follow_symlinks=False)
    made = []
    for number in range(3):
        host, at = choose_host(600.0), time.time() - 60 + 3 * number
        host.now = lambda at=at: at
        (install / f"new-{number}").write_text("new")
        os.utime(install / f"new-{number}", (1_600_000_000, 1_600_000_000))
        if number == 2:
            shutil.rmtree(install / "gone")
            (install / "other").unlink()
        result = act(tmp_path, host=host, sources=[files("install", install)], incremental=True, compression="zstd")
        assert result.failure == ""
        made.append(Path(result.data["set"]["path"]))
    printed = followed(blocks(WHOLE, CHAIN), {"SET": made[-1], "BACK": tmp_path / "back"})
    assert printed.count(": OK") == 5
    back = tmp_path / "back" / "install" / str(install).lstrip("/")
    assert sorted(path.name for path in back.iterdir()) == sorted(path.name for path in install.iterdir())
    assert sums(back) == sums(install)


def sums(root: Path) -> list[str]:
    argv = ["find", ".", "-type", "f", "-exec", "sha256sum", "{}", "+"]
    return sorted(subprocess.run(argv, cwd=root, capture_output=True, text=True, check=True).stdout.split("\n"))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server(need_binaries()) as running:
        hba = running.data / "pg_hba.conf"
        hba.write_text("local all all trust\n" + hba.read_text())
        running.run("pg_ctl", "-D", str(running.data), "reload")
        running.sql("postgres", "CREATE DATABASE main", "CREATE ROLE trader LOGIN")
        running.sql(
            "main",
            "CREATE TABLE trades (id int PRIMARY KEY, side text)",
            "INSERT INTO trades SELECT n, 'x' FROM generate_series(1, 77) n",
            "ALTER TABLE trades OWNER TO trader",
            "CREATE EXTENSION IF NOT EXISTS pg_stat_statements",
            "ALTER DATABASE main SET work_mem = '7MB'",
        )
        yield running


def test_a_database_of_postgresql_comes_back_by_the_page_alone(tmp_path, server):
    found = taken(tmp_path, source(server, name="main", rows="exact"))
    server.sql("main", "DROP TABLE trades")
    server.sql("postgres", "DROP ROLE trader")
    environment = {"PGHOST": str(server.folder), "PGPORT": str(server.port), "PGUSER": server.user}
    path = f"{server.bin}:{os.environ['PATH']}"
    say = {"SET": found, "BACK": tmp_path / "back"}
    printed = followed(blocks(WHOLE, POSTGRESQL), say, PATH=path, **environment)
    assert "EXTENSION - pg_stat_statements" in printed
    assert "ALTER DATABASE main SET work_mem TO '7MB'" in printed
    assert server.sql("restored", "SELECT count(*), min(side) FROM trades") == [(77, "x")]
    assert server.sql("restored", "SELECT tableowner FROM pg_tables WHERE tablename = 'trades'") == [("trader",)]


def test_redis_comes_back_by_the_page_alone(tmp_path):
    with running() as redis:
        for number in range(50):
            redis.ask("HSET", f"api_key:{number}", "secret", "x")
        found = taken(tmp_path, redis.source(name="keys"))
    printed = followed(blocks(WHOLE, REDIS), {"SET": found, "BACK": tmp_path / "back"})
    assert "RDB looks OK" in printed
    with running(files=(tmp_path / "back" / "dump.rdb",)) as again:
        assert again.ask("DBSIZE") == 50


def application(folder: Path, server: Server) -> Path:
    """Return what backup.sh puts into its archive."""
    stage = folder / "nightly"
    (stage / "config").mkdir(parents=True)
    (stage / "config" / "app.yml").write_text("key: 1")
    (stage / "metadata.json").write_text('{"backupName": "nightly"}')
    database(stage / "cryptobot.db", rows=7)
    server.run(
        "pg_dump", "-h", str(server.folder), "-p", str(server.port), "-Fc", f"-f{server.folder}/d.sql", "postgres"
    )
    shutil.move(server.folder / "d.sql", stage / "database.sql")
    return stage


def test_an_archive_of_the_application_is_listed_before_it_is_unpacked(tmp_path, server):
    stage, archive = application(tmp_path, server), tmp_path / "nightly.tar.gz"
    subprocess.run(["tar", "-czf", archive, "-C", tmp_path, "nightly"], check=True)
    say = {"SET": "none", "BACK": tmp_path / "back", "ARCHIVE": archive}
    printed = followed(blocks(APPLICATION), say)
    assert "ok" in printed.splitlines()
    assert "Format: CUSTOM" in printed
    assert sums(tmp_path / "back" / "application" / "nightly") == sums(stage)
    (stage / "out").symlink_to("/etc")
    subprocess.run(["tar", "-czf", archive, "-C", tmp_path, "nightly"], check=True)
    with pytest.raises(AssertionError, match="nightly/out -> /etc"):
        followed(blocks(APPLICATION), {**say, "BACK": tmp_path / "again"})
    assert not (tmp_path / "again" / "application").exists()


def test_a_set_in_a_repository_of_restic_comes_back_by_the_page_alone(tmp_path, install):
    (tmp_path / "password").write_text("only-for-tests")
    repository = {"RESTIC_REPOSITORY": str(tmp_path / "repository"), "RESTIC_PASSWORD_FILE": str(tmp_path / "password")}
    subprocess.run(["restic", "init"], env={**os.environ, **repository}, check=True, capture_output=True)
    sources = [files("install", install), sqlite("auth", database(tmp_path / "live.db", rows=321))]
    given = {"repository": repository["RESTIC_REPOSITORY"], "repository_password": "only-for-tests"}
    result = act(tmp_path, sources=sources, store="restic", **given)
    assert result.failure == ""
    back, found = tmp_path / "back", result.data["set"]["id"]
    script = re.sub(r"^export .*$", "", blocks(RESTIC), flags=re.M)
    printed = followed(script, {"SET": found, "BACK": back, "ID": found}, **repository)
    assert "no errors were found" in printed
    assert "manifest.json" in printed.splitlines()[-1]
    assert described(back / found / str(install).lstrip("/")) == described(install)
    [staged] = (back / found).rglob("database.sqlite")
    with closing(sqlite3.connect(staged)) as connection:
        assert connection.execute("SELECT count(*) FROM trades").fetchone() == (321,)
