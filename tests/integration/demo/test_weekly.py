# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The weekly run on the demo, by the playbook that a user runs: planned, run, run again."""

from __future__ import annotations

import json
import re

import pytest

from .conftest import Demo

# The tests of this file tell one story, in this order: the demo is as installed, it is planned, run, and run again.


@pytest.fixture(scope="module")
def planned(demo: Demo) -> dict:
    before = demo.tree_hash()
    ended = demo.play("--check", "--diff")
    return {
        "ended": ended,
        "changes": {path for path, digest in demo.tree_hash().items() if before.get(path) != digest},
        "lost": set(before) - set(demo.tree_hash()),
        "actions": demo.actions("planned"),
        "changed": demo.report()["hosts"][0]["changed"],
        "critical": critical(demo),
    }


def critical(demo: Demo) -> set[str]:
    return {finding["check"] for finding in demo.report()["findings"] if finding["status"] == "critical"}


@pytest.fixture(scope="module")
def ran(demo: Demo, planned: dict) -> dict:
    ended = demo.play()
    return {
        "ended": ended,
        "actions": demo.actions("done"),
        "changed": demo.report()["hosts"][0]["changed"],
        "critical": critical(demo),
    }


def test_a_planned_run_changes_not_one_byte(planned: dict) -> None:
    assert (planned["changes"], planned["lost"]) == (set(), set())


def test_the_only_critical_thing_about_a_new_demo_is_that_it_has_no_backup_yet(planned: dict) -> None:
    assert planned["critical"] == {"backup.present"}
    assert planned["ended"].returncode == 2, planned["ended"].stdout + planned["ended"].stderr


def test_the_plan_holds_a_backup_a_cleanup_and_a_vacuum(planned: dict) -> None:
    assert {area for area, _action, _subject in planned["actions"]} == {"backup", "cleanup", "database"}


def test_what_was_planned_is_what_is_done(planned: dict, ran: dict) -> None:
    assert ran["ended"].returncode == 0, ran["ended"].stdout + ran["ended"].stderr
    assert ran["actions"] == planned["actions"]
    assert (planned["changed"], ran["changed"]) == (True, True)


def test_the_run_prints_where_the_report_is(demo: Demo, ran: dict) -> None:
    place = re.search(r"Report: (\S+)", ran["ended"].stdout)
    assert place is not None
    assert place[1].startswith(str(demo.root / "reports"))


def test_a_healthy_demo_has_nothing_critical(ran: dict) -> None:
    assert ran["critical"] == set()


def test_the_second_run_changes_nothing(demo: Demo, ran: dict) -> None:
    ended = demo.play()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert demo.report()["hosts"][0]["changed"] is False
    assert demo.actions("done") == []
    assert re.search(r"demo\s+: ok=\d+\s+changed=0\b", ended.stdout)


# (tags, the areas that may run)
NARROWED = [("W1.3", {"database"}), ("firewall", {"checkup", "firewall"}), ("D1.2", {"checkup", "services"})]


@pytest.mark.parametrize(("tags", "areas"), NARROWED)
def test_tags_narrow_the_run_to_a_procedure_or_an_area(demo: Demo, ran: dict, tags: str, areas: set) -> None:
    demo.play("--tags", tags)
    assert {procedure["area"] for procedure in demo.report()["hosts"][0]["procedures"]} == areas


def test_a_declined_area_of_the_checkup_declines_no_other(demo: Demo, ran: dict) -> None:
    demo.play("--skip-tags", "backup,W1.2,W1.3,W1.4,restart")
    areas = {procedure["area"] for procedure in demo.report()["hosts"][0]["procedures"]}
    assert areas == {"checkup", "resources", "services", "firewall", "pitr"}


def test_an_inventory_typo_is_named_before_anything_runs(demo: Demo, ran: dict) -> None:
    before = demo.tree_hash()
    ended = demo.play("-e", '{"cryptobot_services": [{"name": "auth", "prot": 18000}]}')
    assert ended.returncode == 2, ended.stdout + ended.stderr
    line = "cryptobot_services[0] (auth).prot: not an option; did you mean port?"
    assert f"demo: {line}" in ended.stdout
    assert demo.tree_hash() == before
    assert [f["message"] for f in demo.report()["findings"] if f["check"] == "run.inventory"] == [line]


def test_an_asked_for_restart_without_tags_leaves_every_service_running(demo: Demo, ran: dict) -> None:
    ended = demo.play("-e", "cryptobot_restart_when=always")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    restarted = {subject for area, action, subject in demo.actions("done") if (area, action) == ("restart", "start")}
    assert restarted == {"auth", "data", "strategy", "trade", "backtest"}
    assert demo.statuses("services.state") == {"ok"}


def test_a_run_that_reaches_no_host_still_writes_its_report(demo: Demo, ran: dict) -> None:
    nowhere = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": demo.port + 4_000}
    ended = demo.play("-e", json.dumps(nowhere))
    assert ended.returncode != 0, ended.stdout + ended.stderr
    hosts = {host["name"]: host["status"] for host in demo.report()["hosts"]}
    assert hosts == {"demo": "unknown"}
    assert demo.statuses("run.reached") == {"unknown"}
