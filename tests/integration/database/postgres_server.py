# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real PostgreSQL server of its own: a data folder, a socket and a loopback port that nobody else uses.

The server refuses to run as root, so root hands it to an unprivileged account; the tests then connect by peer
authentication as that account, which is what db_vacuum does in production.
"""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional

FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/pgsql/bin")
ACCOUNTS = ("postgres", "nobody")
CATALOGS = [r"\.(pg_catalog|information_schema)\."]
SETTINGS = {
    "fsync": "off",
    "autovacuum": "off",  # a test decides itself what is vacuumed when
    "max_prepared_transactions": "5",
    "max_wal_senders": "4",
    "wal_level": "replica",
    "shared_buffers": "64MB",
}


def binaries() -> Optional[Path]:
    """Return the folder of the newest server binaries on this machine, or None."""
    found = [Path(folder) for pattern in FOLDERS for folder in glob.glob(pattern) if Path(folder, "initdb").exists()]
    on_path = shutil.which("initdb")
    return max(found, key=lambda folder: folder.parts[-2]) if found else Path(on_path).parent if on_path else None


def account() -> Optional[str]:
    """Return the account that the server runs as: None is our own, because it is no root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ACCOUNTS if name in known)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A server in a folder of its own. ``user`` is its superuser and the account that peer authentication asks for."""

    def __init__(self, bin_folder: Path, folder: Path, settings: Mapping[str, str]) -> None:
        self.bin, self.folder, self.data = bin_folder, folder, folder / "data"
        self.account = account()
        self.user = self.account or pwd.getpwuid(os.geteuid()).pw_name
        self.port = free_port()
        self.settings = {**SETTINGS, **settings}

    def run(self, tool: str, *words: str) -> str:
        """Run one of PostgreSQL's programs as the server's account and return what it printed."""
        prefix = ["runuser", "-u", self.account, "--"] if self.account else []
        argv = [*prefix, str(self.bin / tool), *words]
        done = subprocess.run(argv, cwd="/", capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{tool} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def create(self) -> None:
        if self.account:
            entry = pwd.getpwnam(self.account)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        self.run("initdb", "-D", str(self.data), "-U", self.user, "-A", "peer", "--auth-host=scram-sha-256",
                 "--no-locale", "-E", "UTF8", "--no-sync")  # fmt: skip
        lines = {**self.settings, "listen_addresses": "127.0.0.1", "unix_socket_directories": str(self.folder)}
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in {**lines, "port": str(self.port)}.items())

    def start(self) -> None:
        self.run("pg_ctl", "-D", str(self.data), "-l", str(self.folder / "log"), "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        self.run("pg_ctl", "-D", str(self.data), "-w", "-m", mode, "stop")

    def entry(self, database: str, **more: Any) -> dict[str, Any]:
        """Return the server as an entry of cryptobot_databases, without the system catalogs unless asked for."""
        login = {"login_unix_socket": str(self.folder), "login_port": self.port, "system_user": self.account}
        return {"name": "main", "engine": "postgresql", "database": database, "exclude": CATALOGS, **login, **more}

    def connect(self, database: str, **login: Any) -> Any:
        """Return a psycopg2 connection in autocommit, for the test to prepare and to check by another route."""
        import psycopg2

        with effective(self.account if not login else None):
            connection = psycopg2.connect(dbname=database, port=self.port, **(login or {"host": str(self.folder)}))
        connection.autocommit = True
        return connection

    def sql(self, database: str, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements and return the rows of the last one."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()


@contextmanager
def effective(name: Optional[str]) -> Iterator[None]:
    """Be another account for a block: a second way than the one under test, by uid alone."""
    if name is None:
        yield
        return
    os.seteuid(pwd.getpwnam(name).pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def running_server(bin_folder: Path, **settings: str) -> Iterator[Server]:
    """Have a server for a block; it and its data are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="cryptobot-pg-"))
    server = Server(bin_folder, folder, settings)
    try:
        server.create()
        server.start()
        yield server
    finally:
        if (server.data / "postmaster.pid").exists():
            server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)
