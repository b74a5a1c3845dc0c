# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options are checked once, at the edge, and a wrong one is named with its value and what is allowed."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError

from .options import postgresql, settings, sqlite

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"window_minutes": 0}, "window_minutes is 0, expected a number from 1 to 1440"),
    ({"jobs": 33}, "jobs is 33, expected a number from 1 to 32"),
    ({"max_xmin_age": 0}, "max_xmin_age is 0, expected"),
    ({"max_txn_age": "soon"}, "max_txn_age is 'soon', expected a duration"),
    ({"lock_timeout": "-1"}, "lock_timeout is '-1', expected a duration"),
    ({"replica_lag_max": ""}, "replica_lag_max is '', expected a duration"),
    ({"load_max": 0.0}, "load_max is 0.0, expected a load per core above 0"),
    ({"thresholds": {"dead_ratio": 1.5}}, "thresholds.dead_ratio is 1.5, expected a ratio above 0 and at most 1"),
    ({"thresholds": {"xid_ratio": 0.0}}, "thresholds.xid_ratio is 0.0, expected a ratio above 0"),
    ({"thresholds": {"dead_rows": -1}}, "thresholds.dead_rows is -1, expected 0 or more"),
    ({"thresholds": {"bloat_bytes": "much"}}, "thresholds.bloat_bytes is 'much', expected a size"),
    (
        {"databases": [postgresql(thresholds={"wal_bytes": "x"})]},
        "databases[main].thresholds.wal_bytes is 'x', expected a size",
    ),
    ({"databases": [postgresql(include=["("])]}, "databases[main].include is '(', expected a regular expression"),
    ({"databases": [postgresql(exclude=["ok", "[a"])]}, "databases[main].exclude is '[a', expected a regular"),
    ({"databases": [sqlite(path="data/demo.db")]}, "databases[demo].path is 'data/demo.db', expected an absolute path"),
    ({"databases": [postgresql(), postgresql()]}, "databases[main].name is 'main', expected a name that no other"),
    ({"databases": [postgresql(name="")]}, "databases[].name is '', expected a name"),
    ({"rewrite": "allow"}, "require_backup is None, expected the dir of verified backups, because rewrite is allow"),
    ({"sqlite_strategy": "in_place"}, "require_backup is None, expected the dir of verified backups, because sqlite"),
    (
        {"require_backup": {"dir": "/backups", "max_age_hours": 0.0}},
        "require_backup.max_age_hours is 0.0, expected hours above 0",
    ),
]


@pytest.mark.parametrize(("given", "message"), WRONG)
def test_a_wrong_option_is_named_with_its_value_and_what_is_allowed(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        settings(**given)
    assert str(caught.value).startswith(message)


def test_durations_sizes_and_hours_become_seconds_and_bytes() -> None:
    found = settings(
        max_txn_age="15m",
        lock_timeout="2s",
        window_minutes=30,
        thresholds={"bloat_bytes": "1G"},
        require_backup={"dir": "/backups", "max_age_hours": 2.0},
    )
    assert (found.max_txn_s, found.lock_timeout_s, found.window_s) == (900.0, 2.0, 1800.0)
    assert found.databases[0].thresholds.bloat_bytes == 1 << 30
    assert (found.backup.dir, found.backup.max_age_s) == ("/backups", 7200.0)


def test_a_database_keeps_the_thresholds_that_it_does_not_override() -> None:
    found = settings([postgresql(thresholds={"dead_rows": 5}), postgresql("other")], thresholds={"dead_ratio": 0.5})
    own, other = (database.thresholds for database in found.databases)
    assert (own.dead_rows, own.dead_ratio, other.dead_rows, other.dead_ratio) == (5, 0.5, 10_000, 0.5)


WANTED = [
    ([], [], "db.public.trades", True),
    ([r"\.public\."], [], "db.public.trades", True),
    ([r"\.public\."], [], "db.audit.trades", False),
    ([], [r"trades$"], "db.public.trades", False),
    ([r"\.public\."], [r"^db\."], "db.public.trades", False),
    ([r"^other", r"trades"], [], "db.public.trades", True),
]


@pytest.mark.parametrize(("include", "exclude", "name", "wanted"), WANTED)
def test_include_and_exclude_look_at_the_full_name(
    include: list[str], exclude: list[str], name: str, wanted: bool
) -> None:
    assert settings([postgresql(include=include, exclude=exclude)]).databases[0].wants(name) is wanted


LOCAL = [
    ({}, True),
    ({"login_unix_socket": "/run/postgresql"}, True),
    ({"login_host": "localhost"}, True),
    ({"login_host": "::1"}, True),
    ({"login_host": "db1.example.com"}, False),
]


@pytest.mark.parametrize(("login", "local"), LOCAL)
def test_a_server_reached_by_socket_or_loopback_is_on_this_host(login: dict[str, str], local: bool) -> None:
    assert settings([postgresql(**login)]).databases[0].login.is_local is local


def test_the_password_is_not_in_the_text_of_the_settings() -> None:
    assert "hunter2" not in repr(settings([postgresql(login_password="hunter2")]))
