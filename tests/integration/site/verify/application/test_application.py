# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host of the application, after weekly.yml has run, run again, and run once more on what break.yml had done."""

from __future__ import annotations

import pytest
from integration.site.report import BROKEN

HOST = "app"
BACKUPS = "/var/backups/cryptobot"


@pytest.fixture
def host(connect):
    return connect(HOST)


def test_the_first_run_looked_at_all_and_found_nothing_critical_or_unknown(runs):
    assert runs.first.bad() == []
    assert runs.first.statuses(HOST, "run.procedure") == {"ok"}
    assert {deed.area for deed in runs.first.deeds(HOST, "done")} == {"backup", "cleanup", "database"}


def test_the_second_run_changed_nothing(runs):
    assert (runs.second.changed(HOST), runs.second.deeds(HOST, "done")) == (False, [])


@pytest.mark.parametrize(("check", "subject"), BROKEN)
def test_what_was_broken_is_found_by_its_id(runs, check, subject):
    assert "critical" in runs.broken.statuses(HOST, check, subject)
    assert "critical" not in runs.first.statuses(HOST, check)


def test_what_was_broken_is_still_as_it_was_because_looking_changes_nothing(host):
    assert not host.service("cryptobot-backtest").is_running
    assert "tcp dport 8004 reject" in host.check_output("nft list chain inet filter input")
    assert host.socket("tcp://0.0.0.0:9999").is_listening


@pytest.mark.parametrize("name", ["auth", "data", "strategy", "trade"])
def test_every_other_service_runs(host, name):
    assert host.service(f"cryptobot-{name}").is_running


def test_old_files_are_gone_and_young_ones_stay(host):
    assert host.check_output("ls /opt/cryptobot/data/tmp").split() == ["ohlcv_0.1d.tmp", "ohlcv_1d.tmp"]
    rotated = host.check_output("cd /opt/cryptobot/logs && ls | grep -E 'log\\.[0-9]'").split()
    assert rotated == [f"{service}_service.log.1" for service in ("auth", "backtest", "data", "strategy", "trade")]


def test_the_database_is_sound_and_has_given_its_free_pages_back(host):
    asked = (
        "sqlite3 'file:/opt/cryptobot/database/cryptobot.db?mode=ro' 'PRAGMA integrity_check; PRAGMA freelist_count'"
    )
    assert host.check_output(asked).split() == ["ok", "0"]


def test_the_corrupt_backup_was_replaced_by_one_that_stock_tools_read(host):
    folder = host.file(BACKUPS)
    assert (folder.mode, folder.user) == (0o700, "root")
    assert len([entry for entry in folder.listdir() if entry.startswith("2")]) == 2
    assert host.run(f"find {BACKUPS} -name '*.partial*'").stdout == ""
    copy = f"zstd -dcq {BACKUPS}/latest/database/database.sqlite.zst >/tmp/copy.db"
    assert host.check_output(f"{copy} && sqlite3 /tmp/copy.db 'PRAGMA integrity_check'") == "ok"
    assert ".env" in host.check_output(f"zstd -dcq {BACKUPS}/latest/config/archive.tar.zst | tar --list")
