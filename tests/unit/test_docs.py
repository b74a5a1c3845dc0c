# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("yaml", reason="the pages are made in the controller's environment")
pytest.importorskip("ansible", reason="the pages are made in the controller's environment")

CHECKOUT = Path(__file__).resolve().parents[2]
GENERATE = [sys.executable, str(CHECKOUT / "scripts" / "docs" / "generate.py"), "--check"]


def test_the_generated_pages_are_what_the_code_says() -> None:
    ended = subprocess.run(GENERATE, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "")


def test_all_78_procedures_are_listed_once() -> None:
    page = (CHECKOUT / "docs" / "procedures.md").read_text("utf-8")
    ids = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ") and line[2].isupper()]
    assert len(ids) == len(set(ids)) == 78


@pytest.mark.case("RP15")
def test_a_procedure_that_is_covered_names_the_tests_that_prove_it_and_no_other_does() -> None:
    page = (CHECKOUT / "docs" / "procedures.md").read_text("utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ") and line[2].isupper()]
    for row in rows:
        tests = re.findall(r"\]\(\.\./(tests/\S+?)\)", row[-1])
        assert bool(tests) == (row[3] != "not yet"), row[0]
        assert [test for test in tests if not (CHECKOUT / test).is_file()] == [], row[0]


@pytest.mark.case("RP15")
@pytest.mark.parametrize(("procedure", "words"), [("B1.1", "none is incremental")])
def test_what_is_not_done_is_not_claimed(procedure: str, words: str) -> None:
    page = (CHECKOUT / "docs" / "procedures.md").read_text("utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith(f"| {procedure} |")]
    assert words in row.split(" | ")[5]


def test_what_a_run_uses_where_the_inventory_says_nothing_is_what_the_page_says() -> None:
    text = "\n".join(path.read_text("utf-8") for path in sorted((CHECKOUT / "roles").glob("*/*/*.yml")))
    used = set(re.findall(r"cryptobot_backup\.(\w+) \| default\('?(\d\w*)'?\)", text))
    page = (CHECKOUT / "docs" / "inventory.md").read_text("utf-8")
    assert used == {("max_age_hours", "192"), ("fresh_for", "20h")}
    for name, default in used:
        assert re.search(rf"^\| `{name}` \| \w+ \| {default} \|", page, re.M), name


def test_a_check_with_bounds_names_what_changes_them() -> None:
    page = (CHECKOUT / "docs" / "checks.md").read_text("utf-8")
    rows = {line.split('"')[1]: line for line in page.splitlines() if line.startswith("| <a id=")}
    named = {name: re.findall(r"`(cryptobot_\w+\.\w+)` \(([^)]+)\)", row) for name, row in rows.items()}
    assert named["resources.cpu"] == [("cryptobot_thresholds.cpu_busy_warning", "80")]
    assert named["backup.age"] == [("cryptobot_backup.max_age_hours", "192")]
    assert ("cryptobot_thresholds.disk_free_critical", "5") in named["resources.disk_space"]
    assert "Changed by" not in rows["services.port_owner"]


def test_the_page_of_variables_calls_each_by_its_name_and_values_as_yaml_has_them() -> None:
    page = (CHECKOUT / "docs" / "inventory.md").read_text("utf-8")
    rows = "\n".join(line for line in page.splitlines() if line.startswith("| "))
    assert re.findall(r"`(?:services|databases|rules|policy|trading)\b(?:\[\])?\.\w+`", rows) == []
    assert re.findall(r"\| (?:True|False) \|", page) == []
    assert re.findall(r"[\w:]\\\\", page) == []  # a name of a share begins with two
