# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report in a real browser: what it shows, that its filter works, and that a hostile finding cannot run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from plugins.plugin_utils.report.samples import HOSTILE, RUN, finding, result

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.build import build_report
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.html import render_html

CHROMIUM = shutil.which("chromium")
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
QUIET += ["--disable-background-networking", "--disable-component-update"]

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="chromium is not installed (Debian package chromium)"
)


def dumped(page: str, folder: Path) -> str:
    """Return the document as the browser leaves it after its scripts have run."""
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    argv = [CHROMIUM or "chromium", *QUIET, f"--user-data-dir={folder}/profile", "--dump-dom", path.as_uri()]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.fixture
def page() -> str:
    findings = [finding("a.b", "critical", HOSTILE, HOSTILE), finding("c.d", "ok", "fine", "all is well")]
    return render_html(build_report({HOSTILE: {"cryptobot_result_x": result(*findings)}}, RUN))


def test_a_hostile_finding_does_not_run(page: str, tmp_path: Path) -> None:
    document = dumped(page, tmp_path)
    assert "<title>Cryptobot maintenance: critical</title>" in document
    assert "owned'" in document  # it is there, as text


def test_even_an_unescaped_script_is_refused_by_the_policy_of_the_page(page: str, tmp_path: Path) -> None:
    document = dumped(page.replace("</main>", "<script>document.title='owned'</script></main>"), tmp_path)
    assert "<title>Cryptobot maintenance: critical</title>" in document


def test_the_script_of_the_page_itself_runs_and_counts_what_it_shows(page: str, tmp_path: Path) -> None:
    document = dumped(page, tmp_path)
    assert "1 of 1 shown" in document
