# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who asks for a backup by hand gets one, however young the last is; the weekly run takes a young one for a new one."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Demo


def sets(demo: Demo) -> list[str]:
    found = (demo.root / "backups").iterdir()
    return sorted(path.name for path in found if path.is_dir() and not path.is_symlink())


def taken(demo: Demo) -> dict[str, Any]:
    """Return the one finding that says whether a set was made."""
    [finding] = [one for one in demo.report()["findings"] if one["check"] == "backup.taken"]
    return finding


@pytest.fixture(scope="module")
def first(demo: Demo) -> list[str]:
    demo.play(playbook="backup")
    return sets(demo)


@pytest.mark.case("L13b")
def test_a_second_backup_by_hand_within_the_day_is_a_second_set(demo: Demo, first: list[str]) -> None:
    assert len(first) == 1
    demo.play(playbook="backup")
    now = sets(demo)
    assert (len(now), now[:1]) == (2, first)
    assert taken(demo)["message"].startswith(f"set {now[1]}: ")


def test_the_weekly_run_names_the_young_set_that_stands_for_a_new_one(demo: Demo, first: list[str]) -> None:
    before = sets(demo)
    demo.play("--tags", "B1.1")
    said = taken(demo)
    assert (sets(demo), said["status"]) == (before, "ok")
    assert said["message"].startswith(f"no set was made: set {before[-1]} (regular) is ")
    assert said["message"].endswith(" old, verified, and younger than 20.0 h (fresh_for), so it stands for a new one")


def test_a_backup_with_a_name_is_a_set_in_any_case(demo: Demo, first: list[str]) -> None:
    before = sets(demo)
    for playbook in ("backup", "weekly"):
        demo.play("-e", "cryptobot_backup_name=pre_change", "--tags", "B1.1", playbook=playbook)
    assert len(sets(demo)) == len(before) + 2
