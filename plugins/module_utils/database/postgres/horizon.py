# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The xmin horizon: nothing that died after the oldest visible transaction began can be removed by any vacuum."""

from __future__ import annotations

import re
from typing import NamedTuple, Optional

from ...redact import redact
from ...units import human_seconds
from ..declared import VacuumSettings
from .model import Activity, Lock, ServerSnapshot

QUERY_HEAD = 80
_LITERAL = re.compile(r"'(?:[^']|'')*(?:'|$)")


class Horizon(NamedTuple):
    """Who holds the horizon of a database back, if anybody: its age in transactions and the id that it stands at."""

    holder: Optional[Activity]
    age: int
    xid: int


def horizon(cluster: ServerSnapshot, database: str) -> Horizon:
    """Given the snapshot of a server, return the horizon for the tables of one of its databases."""
    holders = [a for a in cluster.activity if a.xmin_age is not None and a.database in (None, database)]
    oldest = max(holders, key=lambda a: a.xmin_age or 0, default=None)
    age = (oldest.xmin_age or 0) if oldest else 0
    return Horizon(oldest, age, cluster.server.next_xid - age)


def obstacle(cluster: ServerSnapshot, database: str, settings: VacuumSettings) -> str:
    """Return why a vacuum of this database could remove next to nothing, naming the holder; or an empty text."""
    for one in sorted(cluster.activity, key=lambda a: -(a.xmin_age or 0)):
        if one.xmin_age is None or one.database not in (None, database):
            continue
        if one.xmin_age > settings.max_xmin_age:
            return f"{who(one)} holds the xmin horizon {one.xmin_age:,} transactions back"
        if one.seconds is not None and one.seconds > settings.max_txn_s:
            return f"{who(one)} has held the xmin horizon for {human_seconds(one.seconds)}"
    return ""


def who(one: Activity) -> str:
    """Given somebody active, return how to find and to judge them, in one phrase."""
    if one.kind in ("replication slot", "prepared transaction"):
        owner = f" of {one.user}" if one.user else ""
        return f"{one.kind} {one.name!r}{owner} ({one.state})"
    return f"{one.kind} pid {one.pid} of {one.user} ({one.state}{_running(one.query)})"


def blocker(lock: Lock) -> str:
    """Given a lock that is in the way, return who has it, in one phrase."""
    kind = "session" if lock.kind in (None, "client backend") else lock.kind
    since = f" for {human_seconds(lock.seconds)}" if lock.seconds is not None else ""
    return f"{kind} pid {lock.pid} of {lock.user}{since} ({lock.mode}, {lock.state}{_running(lock.query)})"


def _running(query: Optional[str]) -> str:
    return f": {query_head(query)}" if query else ""


def query_head(query: Optional[str]) -> str:
    """Given a query, return its beginning on one line, without its literals and without anything like a secret."""
    plain = _LITERAL.sub("'?'", " ".join((query or "").split()))
    return redact(plain)[:QUERY_HEAD]
