# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The monthly archive and the daily look as a user runs them, on the demo: pinned, copied, verified, and looked at."""

# That there is one set is what is asserted.
# pylint: disable=unbalanced-dict-unpacking
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ..demo.conftest import CHECKOUT, Demo
from ..faults.backup_lab import visible_sets


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp("archive") / "demo")
    running.manage("up")
    yield running
    running.manage("clean")


@pytest.fixture(scope="module")
def extra(demo) -> tuple[str, str]:
    """The demo's own backup, with a place elsewhere."""
    declared = yaml.safe_load((CHECKOUT / "inventories/demo/group_vars/all/backup.yml").read_text())["cryptobot_backup"]
    place = {"name": "nas", "type": "folder", "path": str(demo.root / "nas"), "mounted": False, "offsite": True}
    return "-e", json.dumps({"cryptobot_backup": {**declared, "copies": [place]}})


def test_the_monthly_archive_is_pinned_copied_and_verified_to_l3(demo, extra):
    demo.play(*extra, "--check", playbook="archive_backup")  # critical: there is no backup, and a plan takes none
    to_do = demo.actions("planned")
    ended = demo.play(*extra, playbook="archive_backup")
    assert ended.returncode == 0, ended.stdout
    assert to_do == demo.actions("done")
    assert ("backup", "copy", "monthly to nas") in to_do
    [(set_id, manifest)] = visible_sets(demo.root / "nas").items()
    assert visible_sets(demo.root / "backups") == {set_id: manifest}
    assert (manifest["label"], manifest["reason"]) == ("monthly", "the monthly archive")
    assert manifest["pin_until"] > manifest["created"]
    evidence = json.loads((demo.root / "nas" / set_id / "verified.json").read_text())
    assert (evidence["level"], evidence["ok"]) == ("L3", True)
    [pins] = [one for one in demo.report()["findings"] if one["check"] == "backup.pin"]
    assert pins["message"].startswith("1 sets are pinned, ")
    assert f"{set_id} (monthly, " in pins["message"]


def test_the_daily_look_finds_a_copy_that_lost_a_file(demo, extra):
    clean = demo.play(*extra, "--tags", "D1.4", playbook="verify_backup")
    assert clean.returncode == 0, clean.stdout
    assert demo.statuses("backup.copy") == demo.statuses("backup.copy_sound") == {"ok"}
    lost = next(Path(demo.root / "nas").glob("2*/config/archive*"))
    lost.unlink()
    assert demo.play(*extra, "--tags", "D1.4", playbook="verify_backup").returncode != 0
    assert demo.statuses("backup.copy_sound") == {"critical"}
    assert demo.statuses("backup.payload") == {"ok"}
