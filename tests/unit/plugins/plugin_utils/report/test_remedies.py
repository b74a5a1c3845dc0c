# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a report says to do can be pasted: no host, procedure or folder is left for the reader to fill in."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.build import build_report

from .samples import RUN, finding, result

CHECKOUT = Path(__file__).resolve().parents[5]
PLACES = ("checks.py", "rules_*.py", "run.py")
CATALOGUES = sorted(
    path.relative_to(CHECKOUT)
    for place in PLACES
    for path in (CHECKOUT / "plugins").rglob(place)
    if re.search(r"^(RULES|CHECKS)\b", path.read_text("utf-8"), re.M)
)
LOST = {"unreachable": True, "msg": "Connection timed out", "changed": False}
FAILED = {"failed": True, "msg": "dir is required", "changed": False}


def catalogue(path: Path) -> dict:
    module = import_module(f"ansible_collections.cryptobot.maintenance.{'.'.join(path.with_suffix('').parts)}")
    return module.CHECKS if path.name == "checks.py" else module.RULES.checks


def remedies(host: str, **registered: dict) -> dict[str, str]:
    report = build_report({host: {f"cryptobot_result_{name}": value for name, value in registered.items()}}, RUN)
    return {found["check"]: found["remedy"] for found in report["findings"]}


def test_every_catalogue_is_looked_at() -> None:
    assert len(CATALOGUES) >= 11
    assert all(catalogue(path) for path in CATALOGUES)


@pytest.mark.case("SV17", "L15a")
@pytest.mark.parametrize("path", CATALOGUES, ids=str)
@pytest.mark.parametrize("noun", ["backup", "checkup"])
def test_no_remedy_of_any_catalogue_has_a_gap_in_a_report(path: Path, noun: str) -> None:
    findings = [check.finding("unknown", "thing", "is bad").as_dict() for check in catalogue(path).values()]
    said = remedies("trader01", **{noun: result(*findings)})
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
