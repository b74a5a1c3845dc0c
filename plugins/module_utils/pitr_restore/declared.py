# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked for, validated once: a moment is written in one way, in UTC and with its zone."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple, Optional

from ..errors import InputError
from ..options import expand
from ..pitr.commands import utc
from ..pitr.declared import Cluster, read_cluster
from . import PRESENT

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d{1,6})?\s*(?:\+00(?::?00)?|Z|UTC)")
LONGEST = 80
_NAME = re.compile(r"[\w .:@+-]{1,63}", re.ASCII)


class Wanted(NamedTuple):
    """What is asked for. ``moment`` is the time of a target that is one; ``value`` is the target as it is given on."""

    cluster: Cluster
    dir: str
    present: bool
    target: str
    value: str
    moment: Optional[float]
    exclusive: bool
    timeline: int
    label: str
    port: int
    dump_database: str
    dump_file: str
    swap: bool
    live_dir: str

    @property
    def data(self) -> str:
        """The data folder of the copy."""
        return os.path.join(self.dir, "data")

    @property
    def run(self) -> str:
        """The folder of the copy's socket."""
        return os.path.join(self.dir, "run")

    @property
    def log(self) -> str:
        """The copy's log."""
        return os.path.join(self.dir, "log")

    def in_words(self) -> str:
        """Return what replay stops at, in words that say on which side of it."""
        side = "before" if self.exclusive else "not after"
        return {
            "time": f"the last commit {side} {self.value}",
            "xid": f"{'before' if self.exclusive else 'with'} the commit of transaction {self.value}",
            "name": f"the restore point {self.value!r}",
            "immediate": "the moment at which the backup is consistent",
            "latest": "the end of all that was archived",
        }[self.target]

    def identity(self) -> dict[str, Any]:
        """Return what tells this request from another."""
        return {
            "cluster": self.cluster.name,
            "target": self.target,
            "value": self.value,
            "exclusive": self.exclusive,
            "timeline": self.timeline,
            "set": self.label,
        }


def read_request(params: Mapping[str, Any]) -> Wanted:
    """Given the options of pitr_restore, return them validated. Raise InputError."""

    def text(name: str) -> str:
        return "" if params.get(name) is None else str(params[name])

    def path(name: str) -> str:
        return expand(text(name)) if text(name) else ""

    present = params["state"] == PRESENT
    value, moment = _target(text("target"), text("value").strip()) if present else ("", None)
    for name, most in (("port", 65535), ("timeline", 2**31 - 1)):
        if not 0 <= int(params[name]) <= most:
            raise InputError(name, params[name], f"a number from 0 to {most}")
    if bool(text("dump_database")) != bool(text("dump_file")):
        raise InputError("dump_file", text("dump_file"), "a file where dump_database is given, and only there")
    if text("set") and not _NAME.fullmatch(text("set")):
        raise InputError("set", text("set"), "the label of a backup, such as 20261129-203311F")
    folder = path("dir")
    if folder.count("/") < 2:
        raise InputError("dir", folder, "a folder below another one, such as /var/lib/postgresql/pitr")
    if len(folder.encode()) > LONGEST:
        raise InputError(
            "dir", folder, f"at most {LONGEST} bytes: the path of a socket in it may have no more than 107"
        )
    return Wanted(
        read_cluster("cluster", params["cluster"]),
        folder,
        present,
        text("target"),
        value,
        moment,
        bool(params["exclusive"]),
        int(params["timeline"]),
        text("set"),
        int(params["port"]),
        text("dump_database"),
        path("dump_file"),
        bool(params["swap"]),
        path("live_dir"),
    )


def _target(kind: str, value: str) -> tuple[str, Optional[float]]:
    """Return a target's value as PostgreSQL and pgBackRest take it, and the moment that it names. Raise InputError."""
    if kind == "time":
        moment = parse_moment(value)
        return utc(moment), moment
    if kind == "xid" and not (value.isascii() and value.isdigit() and 2 < int(value) < 2**64):
        raise InputError("value", value, "the number of a transaction, such as 735")
    if kind == "name" and not _NAME.fullmatch(value):
        raise InputError("value", value, "the name of a restore point: letters, digits, blanks and . _ : @ + -")
    if kind in ("immediate", "latest") and value:
        raise InputError("value", value, f"none: {kind} says it all")
    return value, None


def parse_moment(value: str) -> float:
    """Given a time in UTC with its zone, return it. Raise InputError: without a zone it would be anybody's guess."""
    found = _TIME.fullmatch(value)
    expected = "a time in UTC with its zone, such as 2026-11-29 20:33:19+00"
    if found is None:
        raise InputError("value", value, expected)
    try:
        whole = datetime.strptime(f"{found[1]} {found[2]}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:
        raise InputError("value", value, expected) from None
    return whole.timestamp() + float(f"0{found[3] or '.0'}")
