# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One weekly.yml over one inventory of three systems: one report, every host complete, the same checks on all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.registry import areas

from ..site.report import Report
from .macos.host import unanswered
from .site import HOSTS, LINUX, MACOS, MixedSite

AREAS = {area.name for area in areas() if area.procedures and not area.opt_in}


class Run(NamedTuple):
    """The maintenance of all four hosts, planned and done."""

    site: MixedSite
    planned: Report
    printed: str
    report: Report


@pytest.fixture(scope="module")
def run(fleet: Callable, pwsh: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    site = MixedSite(fleet, tmp_path_factory.mktemp("mixed"), pwsh)
    _printed, planned = site.weekly("--check")
    yield Run(site, planned, *site.weekly())
    site.close()


def test_there_is_one_report_of_all_four_hosts(run: Run) -> None:
    assert sorted(host["name"] for host in run.report.content["hosts"]) == sorted(HOSTS)
    assert run.printed.count("Report: ") == 1


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_is_complete(run: Run, host: str) -> None:
    """Neither unreachable nor failed: every procedure came to its end."""
    (recap,) = [line for line in run.printed.splitlines() if line.startswith(f"{host} ") and "unreachable=" in line]
    assert "unreachable=0" in recap
    assert "rescued=0" in recap
    assert run.report.statuses(host, "run.reached") == {"ok"}
    assert run.report.statuses(host, "run.procedure") == {"ok"}
    assert set(checks(run.report, host)) >= AREAS


def checks(report: Report, host: str) -> dict[str, set[str]]:
    """Return the ids of a host's findings by area."""
    found: dict[str, set[str]] = {}
    for finding in report.content["findings"]:
        if finding["host"] == host:
            found.setdefault(finding["check"].partition(".")[0], set()).add(finding["check"])
    return found


@pytest.mark.parametrize("host", HOSTS[1:])
@pytest.mark.parametrize("area", sorted(AREAS))
def test_an_area_makes_the_same_checks_on_every_system(run: Run, area: str, host: str) -> None:
    # The "Windows" host declares no source of type system: what that asks Windows is tried in the unit tests.
    undeclared = {"backup.system_parts"} if host not in (*LINUX, MACOS) else set()
    assert checks(run.report, host)[area] == checks(run.report, HOSTS[0])[area] - undeclared


@pytest.mark.parametrize("host", HOSTS)
def test_what_a_system_does_not_have_is_said_with_its_reason(run: Run, host: str) -> None:
    left_out = [
        f for f in run.report.content["findings"] if f["host"] == host and f["status"] in ("skipped", "unknown")
    ]
    assert left_out
    assert all(finding["message"] for finding in left_out)


@pytest.mark.parametrize("host", HOSTS)
def test_nothing_critical_is_found_where_all_is_well(run: Run, host: str) -> None:
    bad = [f for f in run.report.content["findings"] if f["host"] == host and f["status"] == "critical"]
    assert bad == []


@pytest.mark.parametrize("host", HOSTS)
def test_what_was_planned_on_a_host_is_what_was_done(run: Run, host: str) -> None:
    planned = run.planned.deeds(host, "planned")
    assert {deed.area for deed in planned} == {"backup", "cleanup", "database"}
    assert run.report.deeds(host, "done") == planned


def test_the_tools_of_macos_were_asked_nothing_that_they_do_not_know(run: Run) -> None:
    assert unanswered(run.site.fleet, MACOS) == []
