# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

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
