# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""weekly.yml on a "Windows" host over WinRM: planned, run for real, run again; looked at by a second route too."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.registry import areas

from ..site.report import Report, newest
from .controller import environment
from .host.windows import WindowsHost
from .site import WindowsSite, play

AREAS = {area.name for area in areas() if area.procedures and not area.opt_in}


class Weeks(NamedTuple):
    """A site on which the maintenance was planned, run, and run again."""

    site: WindowsSite
    before: dict[str, int]
    old: list[Path]
    untouched: bool
    kept: list[dict[str, int]]
    ended: tuple[subprocess.CompletedProcess[str], ...]
    planned: Report
    first: Report
    second: Report


def free_pages(site: WindowsSite) -> dict[str, int]:
    with sqlite3.connect(site.install_dir / "database" / "cryptobot.db") as database:
        names = ("freelist_count", "page_count")
        return {name: int(database.execute(f"PRAGMA {name}").fetchone()[0]) for name in names}


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory, pwsh: str) -> Iterator[Weeks]:
    folder = tmp_path_factory.mktemp("weekly")
    host = WindowsHost(folder / "drive c", pwsh)
    site = WindowsSite(host, folder / "reports")
    inventory = folder / "hosts.json"
    group = {"hosts": {"win": site.variables()}}
    inventory.write_text(json.dumps({"all": {"children": {"cryptobot": group, "windows": group}}}), encoding="utf-8")
    before, old, files = free_pages(site), site.old_logs(), tree(site)
    ended, reports, kept, untouched = [], [], [], True
    for words in (("--check",), (), ()):
        ended.append(play(str(inventory), words=words, environment=environment()))
        assert list((folder / "reports").glob("**/report.json")), ended[-1].stdout + ended[-1].stderr
        reports.append(Report(newest(folder / "reports")))
        untouched = untouched and (not words or tree(site) == files)
        kept.append({path.name: path.stat().st_ino for path in host.payloads()})
    yield Weeks(site, before, old, untouched, kept, tuple(ended), *reports)
    site.close()
    host.close()


def tree(site: WindowsSite) -> dict[Path, int]:
    """Return each file of the installation and of the backups, with its size."""
    folders = (site.install_dir, site.backups)
    return {path: path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file()}


def test_the_host_is_complete(weeks: Weeks) -> None:
    for ended, report in zip(weeks.ended, (weeks.planned, weeks.first, weeks.second)):
        assert "unreachable=0" in ended.stdout, ended.stdout + ended.stderr
        assert "rescued=0" in ended.stdout, ended.stdout
        assert {finding["check"].partition(".")[0] for finding in report.content["findings"]} >= AREAS


def test_the_run_is_only_bad_while_there_is_no_backup(weeks: Weeks) -> None:
    assert [ended.returncode for ended in weeks.ended] == [2, 0, 0]
    assert weeks.planned.statuses("win", "backup.present") == {"critical"}


def test_nothing_critical_is_found_where_all_is_well(weeks: Weeks) -> None:
    assert [finding for finding in weeks.second.content["findings"] if finding["status"] == "critical"] == []


def test_what_was_planned_is_what_was_done(weeks: Weeks) -> None:
    assert weeks.untouched
    planned = weeks.planned.deeds("win", "planned")
    assert {deed.area for deed in planned} == {"backup", "cleanup", "database"}
    assert weeks.first.deeds("win", "done") == planned


def test_the_database_has_given_back_its_free_pages(weeks: Weeks) -> None:
    assert weeks.before["freelist_count"] > 25
    after = free_pages(weeks.site)
    assert after["freelist_count"] == 0
    assert after["page_count"] < weeks.before["page_count"]


def test_there_is_one_backup_and_its_database_is_whole(weeks: Weeks, tmp_path: Path) -> None:
    (made,) = (path.parent for path in weeks.site.backups.glob("*/manifest.json") if not path.parent.is_symlink())
    manifest = json.loads((made / "manifest.json").read_text("utf-8"))
    assert manifest
    assert not list(weeks.site.backups.rglob("*.partial*"))


def test_old_logs_are_gone_and_young_ones_stay(weeks: Weeks) -> None:
    assert weeks.old
    assert [path for path in weeks.old if path.exists()] == []
    assert len(list((weeks.site.install_dir / "logs").glob("*.log.1"))) == 5


def test_the_second_run_changes_nothing(weeks: Weeks) -> None:
    assert weeks.second.deeds("win", "done") == []
    assert not weeks.second.changed("win")


def test_what_each_task_needs_of_the_core_travelled_once(weeks: Weeks) -> None:
    """Five tasks go to the host: the checkup, the backup, the old states of restores, the cleanup, the databases; the
    plan brought them all.
    """
    assert len(weeks.kept[0]) == 5
    assert weeks.kept == [weeks.kept[0]] * 3
