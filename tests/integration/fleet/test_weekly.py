# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""weekly.yml on real hosts, verified by a second route: ssh and the host's own tools, not the collection's word."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import NamedTuple

import pytest

from integration.site.report import BROKEN, Deed, Report

from .site_under_test import HOSTS, SITE, Site

# The tests of this file tell one story, in this order: the site is planned, looked after, looked after again, has its
# services restarted, is broken, and is looked after once more.

DEAD_ROWS = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'audit_logs'"
UNITS = ["cryptobot-auth", "cryptobot-data", "cryptobot-strategy", "cryptobot-backtest", "cryptobot-trade"]
BACKUPS = "/var/backups/cryptobot"


class First(NamedTuple):
    """How the first run went."""

    dead_rows_before: int
    planned: Report
    ended: subprocess.CompletedProcess[str]
    report: Report


@pytest.fixture(scope="module")
def first(site: Site) -> First:
    before = dead_rows(site)
    checked = site.weekly("--check")
    planned = site.report()
    assert planned.content["run"]["check_mode"], checked.stdout + checked.stderr
    ended = site.weekly()
    return First(before, planned, ended, site.report())


def dead_rows(site: Site) -> int:
    return int(site.fleet.run("db1", "runuser", "-u", "postgres", "--", "psql", "-XAtd", "cryptobot", "-c", DEAD_ROWS))


def test_the_first_run_ends_well_and_finds_nothing_critical_or_unknown(first: First) -> None:
    assert first.report.bad() == []
    assert first.ended.returncode == 0, first.ended.stdout + first.ended.stderr


# What a first run has to do on each kind of host, at least.
PLANNED = [
    ("app1", {"backup", "cleanup", "database"}),
    ("app2", {"backup", "cleanup", "database"}),
    ("db1", {"backup", "database"}),
]


@pytest.mark.parametrize(("host", "areas"), PLANNED)
def test_what_was_planned_on_a_host_is_what_was_done(first: First, host: str, areas: set[str]) -> None:
    planned = first.planned.deeds(host, "planned")
    assert {deed.area for deed in planned} == areas
    assert first.report.deeds(host, "done") == planned
    assert first.planned.deeds(host, "done") == []


def test_the_dead_rows_are_gone_from_postgresql(site: Site, first: First) -> None:
    assert first.dead_rows_before > 10_000
    assert dead_rows(site) < 200


@pytest.mark.parametrize("name", HOSTS)
def test_each_host_has_one_private_complete_backup(
    site: Site, first: First, name: str, testinfra_host: Callable
) -> None:
    host = testinfra_host(site.fleet, name)
    folder = host.file(BACKUPS)
    assert (folder.mode, folder.user) == (0o700, "root")
    assert len([entry for entry in folder.listdir() if not entry.startswith((".", "latest"))]) == 1
    assert host.file(f"{BACKUPS}/latest").is_symlink
    assert host.file(f"{BACKUPS}/latest/manifest.json").exists
    assert host.run(f"find {BACKUPS} -name '*.partial*'").stdout == ""


def test_a_dump_is_one_that_pg_restore_reads(site: Site, first: First, testinfra_host: Callable) -> None:
    listed = testinfra_host(site.fleet, "db1").check_output(
        "zstd -dc %s/latest/database/cryptobot.dump.zst | pg_restore --list", BACKUPS
    )
    assert listed.count("TABLE DATA") >= 10


def test_a_sqlite_copy_is_one_that_sqlite_reads(site: Site, first: First, testinfra_host: Callable) -> None:
    host = testinfra_host(site.fleet, "app2")
    host.check_output("zstd -dcq %s/latest/database/database.sqlite.zst >/tmp/copy.db", BACKUPS)
    assert host.check_output("sqlite3 /tmp/copy.db 'PRAGMA integrity_check'") == "ok"


@pytest.mark.parametrize("name", ["app1", "app2"])
def test_old_files_are_gone_and_young_ones_stay(site: Site, first: First, name: str, testinfra_host: Callable) -> None:
    host = testinfra_host(site.fleet, name)
    assert host.check_output("ls /opt/cryptobot/data/tmp").split() == ["ohlcv_0.1d.tmp", "ohlcv_1d.tmp"]
    rotated = host.check_output("cd /opt/cryptobot/logs && ls | grep -E 'log\\.[0-9]'").split()
    assert rotated == [f"{service}_service.log.1" for service in ("auth", "backtest", "data", "strategy", "trade")]


@pytest.mark.parametrize("name", ["app1", "app2"])
def test_every_service_still_runs(site: Site, first: First, name: str, testinfra_host: Callable) -> None:
    host = testinfra_host(site.fleet, name)
    assert [unit for unit in UNITS if not host.service(unit).is_running] == []


@pytest.fixture(scope="module")
def second(site: Site, first: First) -> subprocess.CompletedProcess[str]:
    return site.weekly()


def test_the_second_run_changes_nothing(site: Site, second: subprocess.CompletedProcess[str]) -> None:
    assert second.returncode == 0, second.stdout + second.stderr
    report = site.report()
    assert {host: (report.changed(host), report.deeds(host, "done")) for host in HOSTS} == dict.fromkeys(
        HOSTS, (False, [])
    )
    assert second.stdout.count("changed=0") == len(HOSTS) + 1  # and localhost, which validated


def test_an_asked_for_restart_restarts_every_service_and_leaves_all_running(site: Site, second: object) -> None:
    before = main_pids(site, "app2")
    ended = site.weekly("--limit", "app2", "--tags", "W1.4", "-e", "cryptobot_restart_when=always")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    after = main_pids(site, "app2")
    assert [unit for unit in UNITS if after[unit] in (before[unit], "0")] == []


def main_pids(site: Site, host: str) -> dict[str, str]:
    return {unit: site.fleet.run(host, "systemctl", "show", "-P", "MainPID", unit).strip() for unit in UNITS}


class Broken(NamedTuple):
    """What was reported before break.yml, and the run after it."""

    before: Report
    ended: subprocess.CompletedProcess[str]
    report: Report


@pytest.fixture(scope="module")
def broken(site: Site, first: First, second: object) -> Broken:
    deeds = site.playbook(SITE / "break.yml")
    assert deeds.returncode == 0, deeds.stdout + deeds.stderr
    ended = site.weekly()
    return Broken(first.report, ended, site.report())


@pytest.mark.parametrize(("check", "subject"), BROKEN)
def test_what_was_broken_is_found_by_its_id_and_only_there(broken: Broken, check: str, subject: str) -> None:
    assert "critical" in broken.report.statuses("app1", check, subject), broken.ended.stdout
    assert "critical" not in broken.report.statuses("app2", check)
    assert "critical" not in broken.before.statuses("app1", check)


def test_a_critical_finding_ends_the_run_with_2(broken: Broken) -> None:
    assert broken.ended.returncode == 2


def test_a_table_that_bloated_again_is_vacuumed_again(site: Site, broken: Broken) -> None:
    done = [deed for deed in broken.report.deeds("db1", "done") if deed.area == "database"]
    assert [deed.subject for deed in done] == ["cryptobot:cryptobot.public.audit_logs"]
    assert dead_rows(site) < 200


def test_a_new_backup_takes_the_place_of_the_corrupt_one(broken: Broken) -> None:
    assert Deed("backup", "publish", "regular") in broken.report.deeds("app1", "done")
    assert broken.report.deeds("app2", "done") == []
