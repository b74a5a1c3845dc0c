# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that goes away in the middle of a run: the others complete, the report says what is unknown."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from integration.site.report import Report

from .site_under_test import Site

LOST = "app1"  # the first of all: the one that a task with run_once would be given to
OTHERS = ["app2", "db1"]
FIRST_THAT_ACTS = "Back up every source"
# Earlier tests may have left a fresh backup: here a new one is due in any case.
BACKUP_IS_DUE = ("-e", "backup_fresh_for=0s")


class Interrupted(NamedTuple):
    """How the run ended in the middle of which a host was switched off."""

    exit_code: int
    said: str
    report: Report


@pytest.fixture(scope="module")
def interrupted(site: Site) -> Interrupted:
    """Switch the host off as soon as the first task that acts begins."""
    with site.start_weekly(*BACKUP_IS_DUE) as running:
        assert running.stdout is not None
        said = ""
        for line in running.stdout:
            said += line
            if FIRST_THAT_ACTS in line:
                site.fleet.stop(LOST)
                break
        said += running.stdout.read()
    assert FIRST_THAT_ACTS in said, said
    assert "Report: " in said, said
    return Interrupted(running.returncode, said, site.report())


def test_the_run_ends_by_itself_and_not_well(interrupted: Interrupted) -> None:
    assert interrupted.exit_code not in (0, 124), interrupted.said


def test_the_lost_host_is_in_the_report_as_unknown(interrupted: Interrupted) -> None:
    assert interrupted.report.statuses(LOST, "run.reached") == {"unknown"}, interrupted.said


def test_what_was_seen_of_the_lost_host_before_is_in_the_report(interrupted: Interrupted) -> None:
    assert interrupted.report.statuses(LOST, "services.state", "auth") == {"ok"}


@pytest.mark.parametrize("host", OTHERS)
def test_the_other_hosts_complete(interrupted: Interrupted, host: str) -> None:
    assert interrupted.report.statuses(host, "run.reached") == {"ok"}
    assert interrupted.report.statuses(host, "run.procedure") == {"ok"}
    assert "backup" in {deed.area for deed in interrupted.report.deeds(host, "done")}


def test_the_host_is_looked_after_again_when_it_is_back(site: Site, interrupted: Interrupted) -> None:
    site.fleet.start(LOST)
    ended = site.weekly("--limit", LOST, *BACKUP_IS_DUE)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert site.report().statuses(LOST, "run.reached") == {"ok"}
    assert "backup" in {deed.area for deed in site.report().deeds(LOST, "done")}
