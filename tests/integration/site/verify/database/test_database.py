# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host of PostgreSQL, after weekly.yml has run, run again, and run once more on what break.yml had done."""

from __future__ import annotations

import pytest

HOST = "db"
TABLE = "cryptobot:cryptobot.public.audit_logs"
DEAD_ROWS = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'audit_logs'"
DUMP = "/var/backups/cryptobot/latest/database/cryptobot.dump.zst"


@pytest.fixture
def host(connect):
    return connect(HOST)


def subjects(report):
    return [deed.subject for deed in report.deeds(HOST, "done") if deed.area == "database"]


def test_the_first_run_vacuumed_the_bloated_table_among_others(runs):
    assert TABLE in subjects(runs.first)


def test_the_second_run_changed_nothing(runs):
    assert (runs.second.changed(HOST), runs.second.deeds(HOST, "done")) == (False, [])


def test_the_table_that_bloated_again_was_vacuumed_again_and_no_other(runs):
    assert subjects(runs.broken) == [TABLE]


def test_the_dead_rows_are_gone(host):
    assert host.check_output("runuser -u postgres -- psql -XAtd cryptobot -c %s", DEAD_ROWS) == "0"


def test_the_server_was_not_restarted(host):
    assert host.service("postgresql@15-main").is_running
    assert host.check_output("systemctl show -P NRestarts postgresql@15-main") == "0"


def test_the_backup_is_a_dump_that_pg_restore_reads(host):
    assert host.check_output("zstd -dcq %s | pg_restore --list", DUMP).count("TABLE DATA") >= 10
