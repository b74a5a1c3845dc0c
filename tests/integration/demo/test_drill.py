# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A drill by the playbook, on the demo: the whole installation comes back beside the one that runs, and is tried."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from .conftest import CHECKOUT, Demo


@pytest.fixture(scope="module")
def backed_up(demo: Demo) -> Demo:
    demo.play(playbook="backup")
    return demo


def findings(demo: Demo) -> dict[str, Any]:
    return {one["check"]: one for one in demo.report()["findings"]}


def drill(demo: Demo, *words: str, playbook: str = "dr_drill", **more: Any) -> None:
    options = {"dr_drill_scratch_dir": str(demo.root), **more}
    demo.play("-e", json.dumps(options), *words, playbook=playbook)


def sheets(demo: Demo) -> list[Path]:
    return sorted(demo.root.rglob("drills/*.md"))


def test_a_plan_names_the_set_and_does_nothing(backed_up: Demo) -> None:
    drill(backed_up, "--check")
    assert "would be restored on copies" in findings(backed_up)["drill.recovered"]["message"]
    assert sheets(backed_up) == []


def test_the_whole_installation_comes_back_beside(backed_up: Demo) -> None:
    drill(backed_up)
    found = findings(backed_up)
    for check in ("drill.recovered", "drill.rto", "drill.rpo", "drill.age"):
        assert found[check]["status"] == "ok", found[check]
    [sheet] = sheets(backed_up)
    assert stat.S_IMODE(sheet.stat().st_mode) == 0o600
    text = sheet.read_text()
    for source in ("config", "data", "environment", "database", "host"):
        assert f"| source {source} |" in text
    assert list(backed_up.root.glob("cryptobot-drill-*")) == []


def test_a_site_plays_scenarios_of_its_own_from_a_playbook_of_its_own(backed_up: Demo) -> None:
    row = {"name": "flood", "title": "The cellar is full of water.", "types": ["sqlite"], "damage": "delete"}
    (backed_up.root / "quarterly.yml").write_text("- import_playbook: cryptobot.maintenance.dr_drill\n")
    quarterly = os.path.relpath(backed_up.root / "quarterly", CHECKOUT / "playbooks")
    drill(backed_up, playbook=quarterly, dr_drill_more_scenarios=[row], dr_drill_scenario="flood")
    assert findings(backed_up)["drill.recovered"]["status"] == "ok"
    assert "files are gone" in sheets(backed_up)[-1].read_text()
