# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.checkup import run as checkup
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import SourceMissing
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Check, Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import Host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.registry import Area, Rules, Run, areas

BAD = Check("good.thing", "D1.1", "A thing.", "Mend it.")


def good(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    return Result(findings=[BAD.finding("warning", "x", "is odd")], changed=True, data={"planned_only": check_mode})


def missing(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    raise SourceMissing("/proc/thing")


def broken(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    raise KeyError("a defect")


def named(name: str, run: Run, plan_only: bool = False) -> Area:
    return Area(name, f"{name}_check", {}, run, Rules, ("D1.1",), plan_only=plan_only)


@pytest.fixture(autouse=True)
def some_areas(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"good": named("good", good), "acting": named("acting", good, plan_only=True)}
    table.update(missing=named("missing", missing), broken=named("broken", broken))
    monkeypatch.setattr(checkup, "area", table.__getitem__)


def look(*names: str) -> dict[str, Any]:
    return checkup.run({"checks": {name: {} for name in names}}, FakeHost()).as_dict()


@pytest.mark.parametrize(("area", "reason"), [("missing", "/proc/thing does not exist"), ("broken", "KeyError")])
def test_an_area_that_could_not_look_is_unknown_and_the_others_still_run(area: str, reason: str) -> None:
    answer = look(area, "good")
    assert answer["status"] == "unknown"
    assert reason in answer["findings"][0]["message"]
    assert set(answer["areas"]) == {"good"}


def test_what_an_area_found_does_not_change_that_it_could_look() -> None:
    answer = look("good")
    assert (answer["status"], answer["areas"]["good"]["status"]) == ("ok", "warning")


def test_a_checkup_never_reports_a_change() -> None:
    answer = look("good", "acting")
    assert [answer["changed"], answer["areas"]["good"]["changed"], answer["areas"]["acting"]["changed"]] == [False] * 3


def test_an_acting_area_is_only_made_to_plan() -> None:
    results = look("good", "acting")["areas"]
    assert (results["acting"]["planned_only"], results["good"]["planned_only"]) == (True, False)


def test_every_acting_area_is_kept_to_looking() -> None:
    kept = {area.name for area in areas() if area.plan_only or area.force}
    assert (
        kept
        == {area.name for area in areas() if area.acts}
        == {
            "backup",
            "cleanup",
            "database",
            "drill",
            "firewall_apply",
            "firewall_probe",
            "pitr_restore",
            "recover",
            "restart",
            "restore",
        }
    )
