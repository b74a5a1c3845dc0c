# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``manage.py install``: the same files for the same seed, something to clean, and nothing done twice."""

from __future__ import annotations

import hashlib
import sqlite3
import stat
from contextlib import closing
from datetime import datetime

import pytest
from cryptobot_demo.database import create_database, free_page_share
from cryptobot_demo.layout import DAY, install

NOW = 1795350000.0  # 2026-11-22, a fixed moment

# Tables that the shipped database has, and a row count that proves that each was filled (two never are).
TABLES = {
    "users": 7,
    "roles": 4,
    "user_roles": 7,
    "api_keys": 4,
    "sessions": 120,
    "suspicious_activities": 3,
    "audit_logs": 2000,
    "strategies": 4,
    "strategy_versions": 12,
    "backtests": 60,
    "alembic_version": 0,
    "test": 0,
}

MODES = {
    ".env": 0o755,
    "config/security_config.json": 0o600,
    "config/auth/config.yaml": 0o640,
    "database": 0o700,
    "database/cryptobot.db": 0o600,
    "logs": 0o770,
    "data": 0o770,
}

# What the cleaning rules of inventories/demo may take, and what they must leave.
STALE = ("data/tmp/ohlcv_9d.tmp", "data/tmp/ohlcv_40d.tmp", "logs/auth_service.log.2", "logs/trade_service.log.3.gz")
FRESH = ("data/tmp/ohlcv_0.1d.tmp", "data/tmp/ohlcv_1d.tmp", "logs/auth_service.log.1")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    path = tmp_path_factory.mktemp("installed") / "cryptobot"
    assert install(path, seed=7, size="small", now=NOW)
    return path


def contents(folder):
    """Return checksum and mode of every file."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            stat.S_IMODE(path.stat().st_mode),
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


def rows_of(database, query):
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def test_the_same_seed_gives_the_same_files(installed, tmp_path):
    install(tmp_path / "again", seed=7, size="small", now=NOW)
    assert contents(tmp_path / "again") == contents(installed)


def test_another_seed_gives_other_rows_and_other_secrets(installed, tmp_path):
    install(tmp_path / "other", seed=8, size="small", now=NOW)
    other, here = contents(tmp_path / "other"), contents(installed)
    assert other.keys() == here.keys()
    assert other[".env"] != here[".env"]
    assert other["database/cryptobot.db"] != here["database/cryptobot.db"]


def test_a_second_install_keeps_what_is_there(installed):
    before = {path: path.stat().st_mtime_ns for path in installed.rglob("*")}
    assert not install(installed, seed=99, size="normal", now=NOW + DAY)
    assert {path: path.stat().st_mtime_ns for path in installed.rglob("*")} == before


def test_an_interrupted_install_is_made_anew(tmp_path):
    target = tmp_path / "cryptobot"
    install(target, seed=7, size="small", now=NOW)
    (target / "version.txt").unlink()
    (target / "database" / "cryptobot.db").write_bytes(b"half")
    assert install(target, seed=7, size="small", now=NOW)
    assert rows_of(target / "database" / "cryptobot.db", "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize(("table", "count"), TABLES.items())
def test_the_database_has_the_tables_of_the_shipped_one(installed, table, count):
    assert rows_of(installed / "database" / "cryptobot.db", f"SELECT count(*) FROM {table}") == [(count,)]


def test_the_database_has_no_other_tables(installed):
    names = rows_of(installed / "database" / "cryptobot.db", "SELECT name FROM sqlite_master WHERE type = 'table'")
    assert {name for (name,) in names} == set(TABLES)


def test_audit_logs_has_twelve_indexes(installed):
    query = "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND tbl_name = 'audit_logs'"
    assert rows_of(installed / "database" / "cryptobot.db", query) == [(12,)]


def test_the_normal_database_is_ten_to_twenty_megabytes_of_which_vacuum_can_give_back_a_fifth(tmp_path):
    path = tmp_path / "cryptobot.db"
    create_database(path, seed=1, now=datetime.fromisoformat("2026-11-22"), size="normal")
    before = path.stat().st_size
    assert 10e6 < before < 20e6
    assert free_page_share(path) > 0.2
    rows_of(path, "VACUUM")
    assert path.stat().st_size < 0.8 * before
    assert free_page_share(path) == 0


@pytest.mark.parametrize(("name", "mode"), MODES.items())
def test_modes_follow_the_permission_policy_of_the_application(installed, name, mode):
    assert stat.S_IMODE((installed / name).stat().st_mode) == mode


@pytest.mark.parametrize("name", STALE)
def test_stale_files_are_older_than_the_cleaning_rules_ask(installed, name):
    limit = 8 if name.endswith(".tmp") else 35
    assert (installed / name).stat().st_mtime < NOW - limit * DAY


@pytest.mark.parametrize("name", FRESH)
def test_fresh_files_are_too_young_to_be_cleaned(installed, name):
    limit = 8 if name.endswith(".tmp") else 35
    assert (installed / name).stat().st_mtime > NOW - limit * DAY


def test_foreign_keys_of_the_rows_hold(installed):
    assert rows_of(installed / "database" / "cryptobot.db", "PRAGMA foreign_key_check") == []
