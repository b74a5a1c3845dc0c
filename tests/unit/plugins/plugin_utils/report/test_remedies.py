# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a report says to do can be pasted: no host, procedure or folder is left for the reader to fill in."""

from __future__ import annotations

import re

import pytest
from catalogue import catalogues

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.build import build_report

from .samples import RUN, finding, result

CATALOGUES = catalogues()
LOST = {"unreachable": True, "msg": "Connection timed out", "changed": False}
FAILED = {"failed": True, "msg": "dir is required", "changed": False}


def remedies(host: str, **registered: dict) -> dict[str, str]:
    report = build_report({host: {f"cryptobot_result_{name}": value for name, value in registered.items()}}, RUN)
    return {found["check"]: found["remedy"] for found in report["findings"]}


def test_every_catalogue_is_looked_at() -> None:
    assert sum(map(len, CATALOGUES.values())) >= 100
    assert all(CATALOGUES.values())


@pytest.mark.case("SV17", "L15a")
@pytest.mark.parametrize("declared_in", CATALOGUES)
@pytest.mark.parametrize("area", ["backup", "checkup"])
def test_no_remedy_of_any_catalogue_has_a_gap_in_a_report(declared_in: str, area: str) -> None:
    findings = [check.finding("unknown", "thing", "is bad").as_dict() for check in CATALOGUES[declared_in].values()]
    said = remedies("trader01", **{area: result(*findings)})
    assert {found["check"] for found in findings} <= set(said)
    assert [remedy for remedy in said.values() if re.search(r"<[^>]+>", remedy)] == []


@pytest.mark.case("SV17")
def test_the_remedy_of_a_lost_host_names_it() -> None:
    said = remedies("trader01", backup=LOST)
    assert "ansible trader01 -m ansible.builtin.ping" in said["run.reached"]
    assert "--limit trader01 --tags backup -vvv" in said["run.procedure"]
    assert "--limit trader01 -vvv" in remedies("trader01", checkup=FAILED)["run.procedure"]


@pytest.mark.case("SV17")
def test_a_name_is_one_word_of_the_command_whatever_it_holds() -> None:
    missing = finding("backup.present", "critical") | {"remedy": "ansible-playbook x --limit <host>."}
    assert remedies("odd; name", backup=result(missing))["backup.present"] == "ansible-playbook x --limit 'odd; name'."
