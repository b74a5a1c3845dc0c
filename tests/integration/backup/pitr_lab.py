# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real server that archives to a real repository of pgBackRest and to a plain folder, with a marker row all the time.

The time of each marker's commit is the server's own (track_commit_timestamp), so that which of them a restore must have
is known to the microsecond, by another way than the restore's.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.registry import area

from ..database.postgres_server import Server, binaries

WRAPPER = Path(__file__).parents[3] / "roles" / "pitr" / "files" / "cryptobot-wal"
SPACE = "/dev/shm" if os.path.isdir("/dev/shm") else None
CONF = """[global]
repo1-path={folder}/repo
log-path={folder}/log-backrest
spool-path={folder}/spool
lock-path={folder}/lock
log-level-console=off
log-level-file=off
start-fast=y
compress-level=1
repo1-retention-full-type=time
repo1-retention-full=14

[main]
pg1-path={folder}/data
pg1-port={port}
pg1-socket-path={folder}
"""


def need(tool: str) -> None:
    """Skip where a tool is missing; fail where a CI that runs as root should have it."""
    if shutil.which(tool) is None:
        missing = f"no {tool} on this machine: apt-get install {tool}"
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail(missing)
        pytest.skip(missing)


def filled(spec: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return options with the defaults that Ansible would fill in."""
    out: dict[str, Any] = {}
    for name, option in spec.items():
        value = given.get(name, option.get("default"))
        value = {} if value is None and option.get("apply_defaults") else value
        if isinstance(value, list) and "options" in option:
            value = [filled(option["options"], each) for each in value]
        elif isinstance(value, dict) and "options" in option:
            value = filled(option["options"], value)
        out[name] = value
    return out


def utc(moment: float) -> str:
    """Return a moment as an operator writes it."""
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f") + "+00"


class Lab:
    """A server with its two archives. ``entry`` are its two entries of cryptobot_pitr."""

    def __init__(self, server: Server) -> None:
        self.server, self.folder = server, server.folder
        self.conf, self.archive, self.bases = (self.folder / name for name in ("pgbackrest.conf", "archive", "bases"))
        self.copy = self.folder.parent / f"{self.folder.name}-copy"
        self._writing = threading.Event()
        self._writer = threading.Thread(target=self._write, daemon=True)

    # the two ways in which the cluster can be declared

    def entry(self, engine: str = "pgbackrest") -> dict[str, Any]:
        server = self.server
        login = {"login_unix_socket": str(server.folder), "login_port": server.port, "system_user": server.account}
        folders = {"archive_dir": str(self.archive), "base_dir": str(self.bases)} if engine == "basebackup" else {}
        return {
            "name": "main",
            "engine": engine,
            "config": str(self.conf),
            "bin_dir": str(server.bin),
            **login,
            **folders,
        }

    def check(self, engine: str = "pgbackrest", **more: Any) -> Any:
        options = {"clusters": [self.entry(engine)], "state_dir": str(self.folder.parent / "state"), **more}
        return area("pitr").run(filled(dict(area("pitr").spec), options), choose_host(120), False)

    def restore(self, *, check_mode: bool = False, engine: str = "pgbackrest", **more: Any) -> Any:
        given = {"cluster": self.entry(engine), "dir": str(self.copy), "state_dir": str(self.folder.parent / "state")}
        options = filled(dict(area("pitr_restore").spec), {**given, **more})
        return area("pitr_restore").run(options, choose_host(120), check_mode)

    # what the tests do to it, by other ways than the code under test

    def backrest(self, *words: str) -> str:
        argv = ["pgbackrest", f"--config={self.conf}", "--stanza=main", *words]
        return self.run(*argv)

    def run(self, *argv: str) -> str:
        prefix = ["runuser", "-u", self.server.account, "--"] if self.server.account else []
        done = subprocess.run([*prefix, *argv], cwd="/", capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{argv} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        return self.server.sql("postgres", *statements)

    def in_copy(self, result: Any, *statements: str) -> list[list[str]]:
        """Ask the copy by psql."""
        told = result.data["restored"]
        out = self.run(
            str(self.server.bin / "psql"), "-XAtq", "-h", told["socket"], "-p", str(told["port"]), "-d", "postgres",
            *(word for each in statements for word in ("-c", each)),
        )  # fmt: skip
        return [line.split("|") for line in out.splitlines()]

    def _write(self) -> None:
        connection = self.server.connect("postgres")
        try:
            with connection.cursor() as cursor:
                while not self._writing.is_set():
                    cursor.execute("INSERT INTO markers DEFAULT VALUES")
                    time.sleep(0.05)
        finally:
            connection.close()

    def write_for(self, seconds: float) -> None:
        """Let the writer go on for a while."""
        if not self._writer.is_alive():
            self._writer.start()
        time.sleep(seconds)

    def stop_writing(self) -> None:
        self._writing.set()
        if self._writer.is_alive():
            self._writer.join()

    def commits(self) -> dict[int, float]:
        """Return when each marker was committed, by the server's own record of commits."""
        rows = self.sql("SELECT id, extract(epoch FROM pg_xact_commit_timestamp(xmin)) FROM markers ORDER BY id")
        return {int(number): float(moment) for number, moment in rows}

    def archived(self) -> str:
        """Have all that was written so far archived, and return the last segment."""
        (last,) = self.sql("SELECT pg_walfile_name(pg_switch_wal())")[0]
        until = time.monotonic() + 30
        while time.monotonic() < until:
            (done,) = self.sql("SELECT last_archived_wal FROM pg_stat_archiver")[0]
            if done and done >= last:
                return str(last)
            time.sleep(0.05)
        raise TimeoutError(f"{last} was not archived")

    def listing(self) -> list[str]:
        """Return the files of the archive in the repository."""
        return sorted(json.loads(self.run("pgbackrest", f"--config={self.conf}", "repo-ls", "archive/main",
                                          "--recurse", "--output=json")))  # fmt: skip

    def base_backup(self, label: str) -> Path:
        """Take a set as docs/pitr.md says."""
        path = self.bases / label
        server = self.server
        self.run(
            str(server.bin / "pg_basebackup"), "-h", str(server.folder), "-p", str(server.port), "-D",
            f"{path}.partial",
            "--manifest-checksums=SHA256", "--checkpoint=fast", "-Fp", "-Xstream",
        )  # fmt: skip
        self.run("mv", "-T", f"{path}.partial", str(path))
        return path


@contextmanager
def running_lab() -> Iterator[Lab]:
    """Have a lab for a block; it and all copies are gone afterwards."""
    found = binaries()
    if found is None:
        need("initdb")
    top = Path(tempfile.mkdtemp(prefix="h-pitr-", dir=SPACE))
    top.chmod(0o755)
    folder = top / "live"
    folder.mkdir(mode=0o755)
    server = Server(found, folder, {"fsync": "on", "track_commit_timestamp": "on", "wal_keep_size": "0"})
    lab = Lab(server)
    push = f"pgbackrest --config={lab.conf} --stanza=main archive-push %p"
    push += f" && {top}/cryptobot-wal archive {lab.archive} %p %f"
    server.settings.update({"archive_mode": "on", "archive_command": push, "archive_timeout": "1min"})
    shutil.copy(WRAPPER, top / "cryptobot-wal")
    try:
        server.create()
        lab.conf.write_text(CONF.format(folder=folder, port=server.port))
        lab.run(str(server.bin / "pg_checksums"), "-e", "-D", str(server.data))
        for name in ("repo", "log-backrest", "spool", "lock", "archive", "bases"):
            lab.run("mkdir", "-m", "700", str(folder / name))
        server.start()
        lab.sql("CREATE TABLE markers (id serial PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())")
        lab.sql("CREATE UNLOGGED TABLE sessions (id int)")  # nobody may look into one while a server recovers
        lab.backrest("stanza-create")
        yield lab
    finally:
        lab.stop_writing()
        for data in (lab.copy / "data", server.data):
            if (data / "postmaster.pid").exists():
                server.run("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
        shutil.rmtree(top, ignore_errors=True)
