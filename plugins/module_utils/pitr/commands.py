# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running the tools of PostgreSQL and pgBackRest: as the server's account, without a password in a command line.

pgBackRest run as root leaves files of root in the repository, which the server's archive_command then cannot write
(error 103 for each segment). So nothing of it is ever run as another account than the server's.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from typing import Any, Optional

from ..errors import CoreError, ParseError
from ..host import Host
from ..postgres.opening import LATER, PROOF, Limits, first_statements, prove
from ..process import Completed
from .declared import Cluster

ACCOUNTS: Mapping[str, tuple[str, ...]] = {
    "linux": ("runuser", "-u", "{}", "--"),
    "darwin": ("sudo", "-n", "-E", "-u", "{}", "--"),
}
DEBIAN = "/usr/lib/postgresql/{}/bin"
QUIET = ("--log-level-console=off", "--log-level-stderr=error")
UTC = {"TZ": "UTC"}
_COMMIT = re.compile(r"desc: COMMIT(?:_PREPARED)?\b.*?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) UTC")


def as_account(host: Host, account: str) -> tuple[str, ...]:
    """Return what stands before a command so that the account runs it; nothing where we are not root."""
    if not account or not host.is_admin():
        return ()
    if host.platform not in ACCOUNTS:
        raise CoreError(
            f"no account can be taken on on {host.platform}: physical backups are looked at on Linux and macOS"
        )
    return tuple(word.format(account) for word in ACCOUNTS[host.platform])


def run_as(
    host: Host,
    cluster: Cluster,
    argv: Collection[str],
    *,
    env: Optional[Mapping[str, str]] = None,
    expect: Optional[Collection[int]] = (0,),
    timeout: float = 60.0,
) -> Completed:
    """Given a command, run it as the server's account. Raise CoreError."""
    return host.run([*as_account(host, cluster.account), *argv], env=env, expect=expect, timeout=timeout)


def program(cluster: Cluster, name: str, major: int) -> str:
    """Return one of the server's own programs: pg_verifybackup and pg_waldump are not on Debian's PATH."""
    folder = cluster.bin_dir or DEBIAN.format(major)
    path = os.path.join(folder, name)
    return path if cluster.bin_dir or os.path.exists(path) else name


def pgbackrest(cluster: Cluster, *words: str, stanza: bool = True) -> list[str]:
    """Return a command of pgBackRest, with a configuration and levels of logging that are said, not guessed."""
    named = [f"--stanza={cluster.stanza}"] if stanza else []
    return ["pgbackrest", f"--config={cluster.config}", *named, *QUIET, *words]


def ask(host: Host, cluster: Cluster, query: str, seconds: float = 20.0) -> Any:
    """Given a query that answers one JSON value, return it. Raise CoreError.

    The session proves that it has our settings before anything of the server's is asked (postgres/opening.py).
    """
    limits = Limits(statement_s=seconds, lock_s=5.0, read_only=True)
    words = ["psql", "-XwAtq", "-v", "ON_ERROR_STOP=1"]
    for statement in (first_statements(limits), PROOF, LATER, query):
        words += ["-c", statement]
    done = run_as(host, cluster, words, env=cluster.environment(limits), timeout=seconds + 15)
    lines = done.stdout.splitlines()
    prove(f"cluster {cluster.name}", lines[:1])
    return parse_json("psql", lines[-1] if lines else "")


def parse_json(source: str, text: str) -> Any:
    """Given what a tool printed, return its JSON value. Raise ParseError."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ParseError(source, 1, text, "expected JSON") from error


def parse_commits(text: str) -> list[float]:
    """Given what pg_waldump printed of transactions, return when each was committed. Its zone must be UTC."""
    found = (_COMMIT.search(line) for line in text.splitlines())
    return [parse_time(each[1]) for each in found if each]


def parse_time(text: str) -> float:
    """Given a time in UTC as PostgreSQL writes it (``2026-11-29 20:33:36.634948``), return it since the epoch."""
    form = "%Y-%m-%d %H:%M:%S.%f" if "." in text else "%Y-%m-%d %H:%M:%S"
    return datetime.strptime(text, form).replace(tzinfo=timezone.utc).timestamp()


def utc(moment: float) -> str:
    """Given a moment, return it for people, in UTC and with the zone, as pgBackRest takes it too."""
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f") + "+00"


def clock_time(moment: float) -> str:
    """Given a moment, return it for a message: whole seconds, in UTC."""
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
