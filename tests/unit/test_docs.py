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
@pytest.mark.parametrize(("procedure", "words"), [("M4.2", "nothing is restored"), ("B1.1", "none is incremental")])
def test_what_is_not_done_is_not_claimed(procedure: str, words: str) -> None:
    page = (CHECKOUT / "docs" / "procedures.md").read_text("utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith(f"| {procedure} |")]
    assert words in row.split(" | ")[5]
