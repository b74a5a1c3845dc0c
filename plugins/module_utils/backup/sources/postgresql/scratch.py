# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A PostgreSQL server of our own while a restore is tried out: a data folder and a socket that nobody else has.

It listens on no port, archives nothing, and is gone afterwards. What runs on the host is neither asked nor slowed down
but for its disk and processors.
"""

from __future__ import annotations

import glob
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Optional

from ....errors import CoreError, ParseError
from ....host import Host
from ....process import Completed
from ...errors import CannotRestore
from ...model import SourceCopy
from ...scratch import SCRATCH, end_processes, marked, owned_folder
from ..model import Bench
from .parse import parse_tool_version
from .server import program_of

FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/pgsql/bin")
ACCOUNT = "postgres"
SOCKET_PATH = 103  # bytes; Linux takes 107, macOS 103
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",  # it lives no longer than the run
    "autovacuum": "off",
    "archive_mode": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "unix_socket_permissions": "0700",
    "log_min_messages": "error",
}


@contextmanager
def scratch_server(entry: SourceCopy, bench: Bench) -> Iterator[Mapping[str, Any]]:
    """Have a server for a block that can take the dumps of a source; yield its options, as a source has them.

    Raise CannotRestore where this host has no such PostgreSQL, or no account that may run it.
    """
    account = _account(bench.host)
    programs = _programs(entry, bench.host)
    with owned_folder(_passable(bench.scratch, account), bench.host) as own:
        folder = own / "pg"
        folder.mkdir(mode=0o700)
        server = _Cluster(programs, folder, account, bench.host)
        try:
            server.create()
            yield {
                "login_unix_socket": str(folder),
                "login_port": 5432,
                "system_user": account,
                "bin_dir": programs,
                "lock_wait_timeout": 60,
            }
        finally:
            server.stop()


def _account(host: Host) -> str:
    """Return the account to run a server as; empty where that is our own."""
    if not hasattr(os, "geteuid"):
        raise CannotRestore(f"no PostgreSQL server of our own is run on {host.platform}")
    if os.geteuid() != 0:
        return ""
    import pwd

    try:
        return pwd.getpwnam(ACCOUNT).pw_name
    except KeyError:
        raise CannotRestore(f"a PostgreSQL server does not run as root, and there is no account {ACCOUNT}") from None


def _programs(entry: SourceCopy, host: Host) -> str:
    """Return the folder of the oldest PostgreSQL here that can take the source's dumps."""
    least, on_path = int(entry.facts["pg_dump"]), shutil.which("initdb")
    folders = [str(entry.facts["bin_dir"]), *(path for form in FOLDERS for path in glob.glob(form))]
    folders += [os.path.dirname(on_path)] if on_path else []
    found = {folder: _version(folder, host) for folder in dict.fromkeys(folders) if folder}
    able = [folder for folder, version in found.items() if version is not None and version >= least]
    if not able:
        here = ", ".join(str(version) for version in found.values() if version) or "none"
        raise CannotRestore(f"{entry.name} needs the programs of a PostgreSQL server {least} or newer, here is {here}")
    return min(able, key=lambda folder: found[folder] or 0)


def _version(folder: str, host: Host) -> Optional[int]:
    program = program_of("initdb", folder, host)
    try:
        return parse_tool_version(host.run([program, "--version"]).stdout) if os.access(program, os.X_OK) else None
    except (CoreError, ParseError):
        return None


def _passable(folder: Path, account: str) -> Path:
    """Return a folder that the account can pass, and that leaves room for a socket's path: the one given, or else that
    of the system for such things.
    """
    way = [folder, *folder.parents]
    everybody = all(path.stat().st_mode & stat.S_IXOTH for path in way)
    short = len(os.fsencode(os.path.realpath(folder))) <= SOCKET_PATH - len(f"/{SCRATCH}12345678/pg/.s.PGSQL.5432")
    return folder if short and (everybody or not account) else Path(tempfile.gettempdir())


class _Cluster:
    """The server in its folder."""

    def __init__(self, programs: str, folder: Path, account: str, host: Host) -> None:
        self._programs, self._folder, self._data, self._host = programs, folder, folder / "data", host
        self._account = account

    def _run(self, tool: str, *words: str) -> Completed:
        switch = ["runuser", "-u", self._account, "--"] if self._account else []
        if self._account and self._host.platform == "darwin":
            switch = ["sudo", "-n", "-u", self._account, "--"]
        argv = [*switch, program_of(tool, self._programs, self._host), "-D", str(self._data), *words]
        return self._host.run(argv, timeout=self._host.remaining(), env=marked(self._folder))

    def create(self) -> None:
        """Make the server and start it. Raise CannotRestore where that fails."""
        if self._account:
            shutil.chown(self._folder, self._account)
        try:
            self._run("initdb", "-A", "peer", "-E", "UTF8", "--no-locale", "--no-sync")
            settings = {**_SETTINGS, "unix_socket_directories": str(self._folder), "port": "5432"}
            with open(self._data / "postgresql.conf", "a", encoding="utf-8") as conf:
                conf.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
            wait = ["-w", "-t", str(max(1, int(self._host.remaining())))]
            self._run("pg_ctl", "-l", str(self._folder / "log"), *wait, "start")
        except CoreError as error:
            raise CannotRestore(f"no PostgreSQL server of our own could be started: {error}") from error

    def stop(self) -> None:
        """End the server if it runs."""
        self._host.extend(30)  # it is stopped even where the time is up
        if (self._data / "postmaster.pid").exists():
            with suppress(CoreError):  # what led here is the one to report
                self._run("pg_ctl", "-w", "-m", "immediate", "stop")
        with suppress(CoreError):  # what would not be stopped, and what starts it, if that was given up half way
            end_processes(self._folder, self._host)
