# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who holds the xmin horizon back, and how they are spoken of without giving anything away."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.horizon import (
    blocker,
    horizon,
    query_head,
    who,
)

from .builders import activity, cluster, lock, server, table, view


def test_without_a_holder_the_horizon_is_the_next_transaction() -> None:
    found = horizon(cluster(view()), "cryptobot")
    assert (found.holder, found.age, found.xid) == (None, 0, server().next_xid)


def test_the_oldest_holder_of_this_database_or_of_all_counts() -> None:
    young, old = activity(xmin_age=10), activity(xmin_age=500, database=None, kind="walsender")
    elsewhere = activity(xmin_age=9_000, database="other")
    found = horizon(cluster(view(), activity=(young, old, elsewhere, activity(xmin_age=None))), "cryptobot")
    assert (found.holder, found.age, found.xid) == (old, 500, server().next_xid - 500)


WHO: list[tuple[dict[str, Any], str]] = [
    ({}, "session pid 4711 of bot (idle in transaction: SELECT * FROM trades WHERE note = '?')"),
    ({"query": None}, "session pid 4711 of bot (idle in transaction)"),
    (
        {"kind": "prepared transaction", "name": "gid1", "state": "prepared"},
        "prepared transaction 'gid1' of bot (prepared)",
    ),
    (
        {"kind": "replication slot", "name": "standby1", "user": None, "state": "inactive"},
        "replication slot 'standby1' (inactive)",
    ),
    ({"kind": "walsender", "query": "", "state": "active"}, "walsender pid 4711 of bot (active)"),
]


@pytest.mark.parametrize(("given", "expected"), WHO)
def test_a_holder_is_named_by_what_one_needs_to_find_it(given: dict[str, Any], expected: str) -> None:
    assert who(activity(**given)) == expected


def test_a_blocker_is_named_by_pid_user_age_mode_and_query() -> None:
    found = blocker(lock(table()))
    assert found == "session pid 815 of bot for 12.0 s (AccessExclusiveLock, active: ALTER TABLE trades ...)"


HEADS = [
    (None, ""),
    ("SELECT 1", "SELECT 1"),
    ("SELECT\n  1,\t2", "SELECT 1, 2"),
    ("INSERT INTO users VALUES ('alice', 'it''s secret')", "INSERT INTO users VALUES ('?', '?')"),
    ("SELECT 'cut off in the mid", "SELECT '?'"),
    ("ALTER ROLE bot PASSWORD 'hunter2'", "ALTER ROLE bot PASSWORD '?'"),
    ("COPY t FROM PROGRAM --password hunter2", "COPY t FROM PROGRAM --password ********"),
    ("SELECT " + "x" * 200, "SELECT " + "x" * 73),
]


@pytest.mark.parametrize(("query", "expected"), HEADS)
def test_a_query_is_shown_by_its_head_without_literals(query: Optional[str], expected: str) -> None:
    assert query_head(query) == expected
