# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to reach a PostgreSQL server: the account to run its tools as, their folder, and where they connect to.

Everything that libpq needs travels in the environment. A password must not stand in a command line, and a database's
name given as an argument would be taken for a connection string where it has an equals sign in it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

from ....errors import InputError
from ....host import Host
from ....postgres.opening import Limits, environment

_VARIABLES = "PGHOST,PGPORT,PGUSER,PGDATABASE,PGPASSWORD,PGOPTIONS,PGCONNECT_TIMEOUT,PGAPPNAME,LC_ALL"
_AS_ACCOUNT = {
    "linux": ("runuser", "-u", "{account}", "--"),
    "darwin": ("sudo", "-n", f"--preserve-env={_VARIABLES}", "-u", "{account}", "--"),
}
EXECUTABLE = {"windows": ".exe"}


class Command(NamedTuple):
    """A tool that is ready to run: ``tool`` is its own name, ``argv`` may begin with what switches the account."""

    tool: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]

    def __repr__(self) -> str:
        """Return the command as text, without its environment, which may have a password in it."""
        return f"Command(tool={self.tool!r}, argv={self.argv!r})"


class Server(NamedTuple):
    """One server as declared. ``system_user`` is the account that peer authentication knows; taking it on needs root,
    so an unprivileged run is left the account that it is. ``lock_wait`` is in seconds.
    """

    address: str
    port: int
    user: str
    password: str
    system_user: str
    bin_dir: str
    lock_wait: float

    def __repr__(self) -> str:
        """Return the server as text, without the password."""
        shown = (f"{name}={value!r}" for name, value in self._asdict().items() if name != "password")
        return f"Server({', '.join(shown)})"

    def limits(self, host: Host) -> Limits:
        """Return what bounds a session of ours: the time that the run has left, the declared wait, and no writing."""
        return Limits(statement_s=host.remaining(), lock_s=self.lock_wait, read_only=True)

    def environment(self, database: str, limits: Limits) -> dict[str, str]:
        """Return the variables that lead libpq to a database, and the settings of every session of ours."""
        values = {
            "PGHOST": self.address,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGDATABASE": database,
        }
        return environment(values, limits)

    def command(self, host: Host, tool: str, *words: str, database: str = "") -> Command:
        """Return one of the server's tools as a command, run as the declared account where there is one.

        Raise InputError where an account is declared on a platform on which none can be taken on.
        """
        check_account("system_user", self.system_user, host.platform)
        program = program_of(tool, self.bin_dir, host)
        switch = _AS_ACCOUNT[host.platform] if self.system_user and host.is_admin() else ()
        account = [word.format(account=self.system_user) for word in switch]
        return Command(tool, (*account, program, *words), self.environment(database, self.limits(host)))


def check_account(name: str, account: str, platform: str) -> None:
    """Given the account that is declared, raise InputError where none can be taken on on that platform."""
    if account and platform not in _AS_ACCOUNT:
        raise InputError(
            name, account, f"no account on {platform}, where there is no peer authentication: leave it out"
        )


def program_of(tool: str, bin_dir: str, host: Host) -> str:
    """Given a tool's name and the folder that it may be in, return what to run: a path, or a name found by PATH.

    On Windows it is the ``.exe`` and nothing else, never a script that happens to have the tool's name.
    """
    name = tool + EXECUTABLE.get(host.platform, "")
    return os.path.join(bin_dir, name) if bin_dir else name


def server_of(options: Mapping[str, Any]) -> Server:
    """Given the options of a PostgreSQL source, return its server."""

    def text(name: str) -> str:
        value: Optional[Any] = options.get(name)
        return "" if value is None else str(value)

    return Server(
        address=text("login_host") or text("login_unix_socket"),
        port=int(options.get("login_port") or 5432),
        user=text("login_user"),
        password=text("login_password"),
        system_user=text("system_user"),
        bin_dir=text("bin_dir"),
        lock_wait=float(options["lock_wait_timeout"]),
    )
